-- bad
DROP DATABASE shop;
-- good
CREATE SCHEMA shop;
-- good
DROP DATABASE IF EXISTS nosuch;
