-- bad
DROP SCHEMA shop CASCADE;
-- good
CREATE SCHEMA shop;
