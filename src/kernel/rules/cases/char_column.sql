-- bad
CREATE TABLE countries (code char(2) PRIMARY KEY);
-- bad
ALTER TABLE orders ADD COLUMN flag character;
-- bad: timestamp-without-zone
ALTER TABLE orders ADD COLUMN code character(3)[], ALTER COLUMN c TYPE timestamp USING NULL;
-- bad
ALTER TABLE orders ALTER COLUMN c TYPE char(3);
-- bad
CREATE TABLE countries (code text PRIMARY KEY, note bpchar);
-- good
CREATE TABLE countries (code varchar(2) PRIMARY KEY, kind "char" NOT NULL);
-- good
CREATE TEMP TABLE scratch (code char(2));
-- good
ALTER TABLE temporary ADD COLUMN code char(2);
-- bad
CREATE DOMAIN country AS char(2);
