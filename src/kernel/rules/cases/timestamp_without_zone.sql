-- bad
CREATE TABLE events (id bigint PRIMARY KEY, at timestamp NOT NULL);
-- bad
ALTER TABLE orders ADD COLUMN seen_at timestamp(3) without time zone;
-- bad
ALTER TABLE orders ALTER COLUMN c TYPE timestamp USING c::timestamp;
-- good
CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL, day date NOT NULL);
-- good
ALTER TABLE orders ADD COLUMN seen_at timestamp with time zone;
