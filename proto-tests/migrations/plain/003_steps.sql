-- The safe form of SET NOT NULL, by hand: nothing is left to find.
-- expect: bounded
ALTER TABLE orders ADD CONSTRAINT total_there CHECK (total IS NOT NULL) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT total_there;
-- expect: bounded
ALTER TABLE orders ALTER COLUMN total SET NOT NULL;
-- expect: bounded
ALTER TABLE orders DROP CONSTRAINT total_there;
-- expect: hold change-type
ALTER TABLE orders ALTER COLUMN total TYPE bigint;
-- lockkeeper:ignore drop-column replaced by total
-- expect: bounded
ALTER TABLE orders DROP COLUMN sum;
-- expect: refuse unreadable
ALTER TABLE orders ADD COLUM x int;
