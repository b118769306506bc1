-- bad
ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();
-- bad
ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
-- bad
-- version: 18
ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
-- bad
ALTER TABLE orders ADD COLUMN number bigserial;
-- bad
ALTER TABLE orders ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
-- bad
ALTER TABLE orders ADD COLUMN x int, ADD COLUMN token uuid DEFAULT gen_random_uuid(), ALTER COLUMN b DROP NOT NULL;
-- bad
ALTER TABLE parts ADD COLUMN token uuid DEFAULT gen_random_uuid();
-- good
ALTER TABLE orders ADD COLUMN x int;
-- good
ALTER TABLE orders ADD COLUMN x timestamptz NOT NULL DEFAULT now();
-- good
ALTER TABLE empty ADD COLUMN token uuid DEFAULT gen_random_uuid();
-- good
ALTER TABLE fresh ADD COLUMN token uuid DEFAULT gen_random_uuid();
-- good
ALTER TABLE orders ADD COLUMN IF NOT EXISTS a int DEFAULT random();
-- good
ALTER TABLE orders ALTER COLUMN a SET DEFAULT random();
