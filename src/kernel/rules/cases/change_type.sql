-- bad
ALTER TABLE orders ALTER COLUMN a TYPE bigint;
-- bad
ALTER TABLE orders ALTER COLUMN id TYPE numeric;
-- bad
-- version: 18
ALTER TABLE orders ALTER COLUMN b TYPE bigint;
-- bad
ALTER TABLE orders ALTER COLUMN v TYPE varchar(10);
-- bad
ALTER TABLE orders ALTER COLUMN d TYPE varchar(40);
-- bad
ALTER TABLE orders ALTER COLUMN at TYPE timestamptz;
-- bad
ALTER TABLE orders ALTER COLUMN at TYPE timestamptz USING at AT TIME ZONE 'UTC';
-- bad
ALTER TABLE orders ALTER COLUMN v TYPE text USING lower(v);
-- bad
ALTER TABLE orders ALTER COLUMN v TYPE text USING stamp(v);
-- bad
ALTER TABLE orders ALTER COLUMN v TYPE text USING (SELECT 'x');
-- bad
ALTER TABLE orders ALTER COLUMN v TYPE uuid USING v::uuid;
-- bad
ALTER TABLE orders ALTER COLUMN a TYPE checked_int;
-- bad
ALTER TABLE orders ALTER COLUMN a TYPE bigint, ALTER COLUMN v TYPE varchar(10), ADD COLUMN more int;
-- bad
ALTER TABLE watched ALTER COLUMN a TYPE bigint;
-- bad
ALTER TABLE parts ALTER COLUMN a TYPE bigint;
-- bad: drop-column
ALTER TABLE orders DROP COLUMN a, ALTER COLUMN seen TYPE bigint;
-- good
ALTER TABLE orders ALTER COLUMN v TYPE varchar(40);
-- good
ALTER TABLE orders ALTER COLUMN v TYPE text;
-- good
ALTER TABLE orders ALTER COLUMN v TYPE varchar(40) USING v::varchar(40);
-- good
ALTER TABLE orders ALTER COLUMN n TYPE numeric(12,2);
-- good
ALTER TABLE empty ALTER COLUMN a TYPE bigint;
-- good
ALTER TABLE orders ALTER COLUMN seen TYPE bigint;
-- good
ALTER TABLE orders ALTER COLUMN v TYPE bigint;
