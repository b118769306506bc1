-- bad: add-column-volatile
ALTER TABLE touched ADD COLUMN token uuid DEFAULT gen_random_uuid();
-- bad: add-column-volatile
ALTER TABLE touched ADD COLUMN number bigserial;
-- good
ALTER TABLE touched ADD COLUMN x int DEFAULT 3;
-- good
ALTER TABLE touched ADD COLUMN x int NOT NULL DEFAULT 3 CHECK (x > 0);
-- good
ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();
