-- bad
CREATE TABLE "user" (id bigint PRIMARY KEY);
-- bad
ALTER TABLE orders ADD COLUMN "order" bigint NOT NULL;
-- bad
ALTER TABLE orders RENAME COLUMN c TO "end";
-- bad
CREATE VIEW "group" AS SELECT 1;
-- good
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, position bigint, value text, "time" time);
-- bad: no-primary-key
SELECT a AS "user" INTO days FROM orders;
