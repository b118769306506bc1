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
-- bad: no-primary-key
CREATE TABLE days AS SELECT a, c::timestamp AS at FROM orders;
-- bad: no-primary-key
SELECT CAST(c AS timestamp(0)) INTO days FROM orders;
-- bad: no-primary-key
CREATE TABLE days (a, at) AS (SELECT a, now()::timestamp FROM orders UNION SELECT 1, now());
-- bad
CREATE DOMAIN app.moment AS timestamp without time zone CHECK (VALUE > '2000-01-01');
-- good
CREATE TABLE days AS SELECT a, c::timestamp::timestamptz AS at, c::timestamp > now() AS later FROM orders;
-- good
CREATE TEMP TABLE days AS SELECT c::timestamp AS at FROM orders;
-- good
CREATE DOMAIN moment AS timestamptz;
-- good
CREATE TABLE copied (LIKE orders);
