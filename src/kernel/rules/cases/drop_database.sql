-- bad
DROP DATABASE shop;
-- good
CREATE SCHEMA shop;
