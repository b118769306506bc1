-- bad
CREATE INDEX ON orders (a);
-- bad
CREATE UNIQUE INDEX orders_a_key ON public.orders (a DESC) INCLUDE (b) WHERE a > 5;
-- bad
CREATE INDEX IF NOT EXISTS by_lower ON orders (lower(c), (a + b));
-- bad
CREATE INDEX ON totals (a);
-- bad
CREATE INDEX ON parts (a);
-- good
CREATE INDEX CONCURRENTLY ON orders (a);
-- good
CREATE INDEX ON temporary (a);
-- good
CREATE INDEX ON fresh (a);
-- good
CREATE INDEX orders_a_idx ON orders (b);
-- good
CREATE INDEX ON nowhere (a);
-- good
CREATE TABLE made (a int); CREATE INDEX ON made (a);
-- good
CREATE INDEX ON ONLY parts (a);
-- bad
CREATE UNIQUE INDEX ranges_u ON ranges (b, id);
-- good
SET search_path = other; CREATE TABLE made (a int); CREATE INDEX ON made (a);
