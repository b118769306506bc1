-- bad
ALTER TABLE orders ADD COLUMN x int GENERATED ALWAYS AS (a + 1) STORED;
-- bad
ALTER TABLE orders ADD COLUMN x checked_int;
-- good
ALTER TABLE orders ADD COLUMN x int;
-- good
ALTER TABLE empty ADD COLUMN x int GENERATED ALWAYS AS (a + 1) STORED;
-- good
-- version: 18
ALTER TABLE orders ADD COLUMN x int GENERATED ALWAYS AS (a + 1) VIRTUAL;
