-- bad
CREATE INDEX ON orders (a);
-- bad
CREATE INDEX CONCURRENTLY orders_a ON orders (a ASC);
-- bad
CREATE INDEX ON orders (id);
-- bad
CREATE UNIQUE INDEX ON orders (a);
-- bad
CREATE INDEX ON orders (a, b);
-- bad
ALTER TABLE orders ADD UNIQUE (id);
-- bad
CREATE TABLE tags (name text PRIMARY KEY UNIQUE);
-- good
CREATE INDEX ON orders (b, a);
-- good
CREATE INDEX ON orders (a DESC);
-- good
CREATE INDEX ON orders (a) WHERE b > 0;
-- good
CREATE INDEX ON orders USING hash (a);
-- good
CREATE UNIQUE INDEX ON orders (id, b);
-- good
CREATE TABLE tags (name text PRIMARY KEY, place int UNIQUE);
-- good
CREATE INDEX IF NOT EXISTS orders_a_idx ON orders (a);
