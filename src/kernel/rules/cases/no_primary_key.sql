-- bad
CREATE TABLE events (at timestamptz NOT NULL, what text NOT NULL);
-- bad
CREATE TABLE events AS SELECT * FROM orders;
-- bad
CREATE UNLOGGED TABLE events (LIKE orders INCLUDING DEFAULTS);
-- good
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
-- good
CREATE TABLE events (at timestamptz NOT NULL); ALTER TABLE events ADD PRIMARY KEY (at);
-- good
CREATE TEMP TABLE events (at timestamptz);
-- good
CREATE TABLE events (LIKE orders INCLUDING ALL);
-- good
CREATE TABLE range_3 PARTITION OF ranges FOR VALUES FROM (300) TO (400);
-- good
CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM orders;
-- good
CREATE TABLE IF NOT EXISTS orders (a int);
