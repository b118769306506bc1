-- bad
CREATE TABLE lines (id int PRIMARY KEY);
-- bad
CREATE TABLE lines (id smallint, note text NULL, PRIMARY KEY (id));
-- bad: serial-column
CREATE TABLE lines (id serial PRIMARY KEY);
-- bad
CREATE TABLE lines (order_id bigint, n int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (order_id, n));
-- bad
CREATE TABLE lines (id bigint PRIMARY KEY, order_id int UNIQUE REFERENCES orders (id));
-- bad
ALTER TABLE keyless ADD PRIMARY KEY (b);
-- bad: foreign-key-index
ALTER TABLE orders ADD CONSTRAINT of_customer FOREIGN KEY (b) REFERENCES customers;
-- bad
ALTER TABLE orders ALTER COLUMN id TYPE integer;
-- good
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint REFERENCES orders UNIQUE, quantity int);
-- good
CREATE TABLE shelves (aisle smallint, place smallint, PRIMARY KEY (aisle, place));
-- good
CREATE TABLE tags (name text PRIMARY KEY);
-- good
ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES customers (a);
