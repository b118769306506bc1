-- bad
DROP VIEW report;
-- bad
DROP FUNCTION price(int);
-- bad
DROP TYPE mood CASCADE;
-- bad
DROP SEQUENCE numbers;
-- bad
ALTER TABLE orders DROP CONSTRAINT d_long;
-- good
ALTER TABLE orders DROP CONSTRAINT b_filled;
-- good
DROP VIEW IF EXISTS nowhere;
-- bad
ALTER DOMAIN positive DROP CONSTRAINT positive_check;
-- bad
ALTER TABLE orders ALTER CONSTRAINT c_filled NOT ENFORCED;
