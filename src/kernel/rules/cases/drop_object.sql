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
-- bad
DROP TRIGGER touch_them ON orders;
-- bad
DROP CAST (integer AS text);
-- bad
DROP TYPE IF EXISTS nosuch, mood;
-- bad
CREATE TYPE nosuch AS ENUM ('a'); DROP TYPE nosuch;
-- good
DROP TRIGGER IF EXISTS nosuch ON orders;
-- good
DROP TYPE IF EXISTS nosuch; DROP POLICY IF EXISTS nosuch ON orders;
-- good
DROP FUNCTION shop.nosuch(int);
-- good
DROP FUNCTION IF EXISTS price(nosuch, int);
-- good
DROP CAST IF EXISTS (nosuch AS text); DROP OPERATOR IF EXISTS + (nosuch, int);
-- good
DROP TRANSFORM IF EXISTS FOR nosuch LANGUAGE plpgsql; DROP USER MAPPING IF EXISTS FOR nosuch SERVER far;
-- bad
DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER far;
-- bad
DROP FUNCTION IF EXISTS price(nosuch[]);
-- bad
DROP VIEW adopting CASCADE;
-- bad
ALTER TABLE adopting DROP CONSTRAINT adopting_key CASCADE;
-- good
ALTER TABLE adopting DROP CONSTRAINT adopting_key;
