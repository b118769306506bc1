-- bad: drop-column
ALTER TABLE renamed DROP COLUMN id;
-- bad: drop-column
ALTER TABLE renamed DROP COLUMN IF EXISTS key, ADD COLUMN x int;
-- bad: change-type
ALTER TABLE renamed ALTER COLUMN key TYPE numeric;
-- good
ALTER TABLE renamed DROP COLUMN a;
-- good
ALTER TABLE orders DROP COLUMN id;
-- good
ALTER TABLE renamed ALTER COLUMN key SET DEFAULT 1;
