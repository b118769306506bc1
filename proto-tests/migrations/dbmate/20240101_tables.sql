-- migrate:up
-- expect: warn integer-key
CREATE TABLE t (id int PRIMARY KEY, a text);
-- expect: refuse add-column-volatile
ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();

-- migrate:down
DROP TABLE t;
