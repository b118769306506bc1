-- bad
ALTER TABLE orders ADD FOREIGN KEY (b) REFERENCES customers (a);
-- bad
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders);
-- bad
CREATE TABLE lines (order_id bigint REFERENCES orders, n bigint, PRIMARY KEY (n, order_id));
-- bad
ALTER TABLE orders ADD COLUMN customer_id bigint REFERENCES customers;
-- bad
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint REFERENCES orders); CREATE INDEX ON lines USING brin (order_id);
-- bad
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint REFERENCES orders); CREATE INDEX ON lines (order_id) WHERE id > 5;
-- good
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint REFERENCES orders); CREATE INDEX ON lines (order_id) WHERE order_id IS NOT NULL;
-- good
ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES small (a);
-- good
CREATE TABLE lines (order_id bigint REFERENCES orders, n int, PRIMARY KEY (order_id, n));
-- good
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint REFERENCES orders); CREATE INDEX ON lines (order_id);
-- good
ALTER TABLE orders ADD FOREIGN KEY (b) REFERENCES customers (a); CREATE INDEX CONCURRENTLY ON orders (b, a);
-- good
ALTER TABLE orders ADD COLUMN customer_id bigint UNIQUE REFERENCES customers;
-- good
-- version: 18
ALTER TABLE orders ADD FOREIGN KEY (b) REFERENCES customers (a) NOT ENFORCED;
