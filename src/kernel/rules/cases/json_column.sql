-- bad
CREATE TABLE events (id bigint PRIMARY KEY, payload json NOT NULL);
-- bad
ALTER TABLE orders ADD COLUMN extra json;
-- good
CREATE TABLE events (id bigint PRIMARY KEY, payload jsonb NOT NULL);
-- good
ALTER TABLE orders ADD COLUMN extra app.json;
-- bad: no-primary-key
CREATE TABLE notes AS SELECT CAST(c AS json) FROM orders;
-- bad
CREATE DOMAIN note AS json;
