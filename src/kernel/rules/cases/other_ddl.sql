-- bad
CREATE DATABASE other TEMPLATE shop;
-- good
CREATE DATABASE other;
-- good
CREATE DATABASE other TEMPLATE template0 OWNER owner;
-- good
ALTER TYPE odd SET (STORAGE = extended);
-- bad
CREATE DEFAULT CONVERSION c FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
-- good
CREATE CONVERSION c FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
-- good
SELECT 1;
