CREATE TABLE customers (id bigint PRIMARY KEY, name varchar(40));
CREATE INDEX ON customers (name);
ALTER TABLE customers ALTER COLUMN name SET NOT NULL;
