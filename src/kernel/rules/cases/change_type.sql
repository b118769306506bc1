-- bad
ALTER TABLE orders ALTER COLUMN a TYPE bigint;
-- bad
ALTER TABLE orders ALTER COLUMN v TYPE varchar(10);
-- bad
ALTER TABLE orders ALTER COLUMN d TYPE varchar(40);
-- bad
ALTER TABLE orders ALTER COLUMN at TYPE timestamptz;
-- bad
ALTER TABLE orders ALTER COLUMN v TYPE text USING lower(v);
-- good
ALTER TABLE orders ALTER COLUMN v TYPE varchar(40);
-- good
ALTER TABLE orders ALTER COLUMN v TYPE text;
-- good
ALTER TABLE orders ALTER COLUMN n TYPE numeric(12,2);
-- good
ALTER TABLE empty ALTER COLUMN a TYPE bigint;
