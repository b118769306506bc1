-- bad
ALTER TABLE orders ADD COLUMN x int UNIQUE;
-- bad
ALTER TABLE orders ADD COLUMN x int CHECK (x > 0);
-- bad
ALTER TABLE orders ADD COLUMN x bigint DEFAULT 1 REFERENCES customers (id);
-- bad
ALTER TABLE orders ADD COLUMN x text COLLATE "C" NOT NULL DEFAULT 'a' CONSTRAINT short CHECK (length(x) < 10);
-- bad: add-column-volatile
ALTER TABLE orders ADD COLUMN x uuid DEFAULT gen_random_uuid() UNIQUE;
-- bad
ALTER TABLE orders ADD COLUMN x int DEFAULT 1 UNIQUE;
-- good
ALTER TABLE orders ADD COLUMN x bigint REFERENCES customers (id);
-- good
ALTER TABLE empty ADD COLUMN x int UNIQUE;
-- bad
ALTER TABLE orders ADD COLUMN x bigint DEFAULT NULL REFERENCES customers;
