CREATE OR REPLACE VIEW names AS SELECT name FROM customers;
-- expect: bounded
ALTER TABLE customers ALTER COLUMN name TYPE varchar(80);
