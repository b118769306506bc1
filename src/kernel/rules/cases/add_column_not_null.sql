-- bad
ALTER TABLE orders ADD COLUMN x int NOT NULL;
-- bad: add-column-constraint
ALTER TABLE keyless ADD COLUMN x int PRIMARY KEY;
-- good
ALTER TABLE orders ADD COLUMN x int NOT NULL DEFAULT 0;
-- good
ALTER TABLE empty ADD COLUMN x int NOT NULL;
-- good
ALTER TABLE orders ADD COLUMN x bigserial NOT NULL;
