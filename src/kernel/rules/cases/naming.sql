-- bad
-- naming: index ix_{table}_{columns}
CREATE INDEX by_b ON orders (b);
-- bad
-- naming: index ix_{table}_{columns}
CREATE INDEX ON orders (b);
-- bad
-- naming: table [a-z][a-z0-9_]*s
-- naming: column [a-z][a-z0-9_]*
CREATE TABLE invoice (id bigint PRIMARY KEY, n2 bigint NOT NULL);
-- bad: foreign-key-index
-- naming: foreign_key fk_{table}_{columns}
ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (b) REFERENCES customers (a);
-- bad
-- naming: check .*_check[0-9]*
ALTER TABLE orders RENAME CONSTRAINT d_long TO d_longer;
-- good
-- naming: index ix_{table}_{columns}
CREATE INDEX ix_orders_b ON orders (b);
-- good
-- naming: primary_key {table}_pkey
CREATE TABLE invoices (id bigint PRIMARY KEY);
-- good
CREATE INDEX by_b ON orders (b);
-- good
-- naming: index ix_{table}_{columns}
ALTER INDEX orders_a_idx RENAME TO ix_orders_a;
-- good
-- naming: unique uq_{table}_{columns}
ALTER TABLE orders ADD CONSTRAINT uq_orders_a UNIQUE USING INDEX orders_a_idx;
-- bad
-- naming: index ix_{table}_{columns}
ALTER INDEX orders_a_idx RENAME TO ix_b;
-- bad: no-primary-key
-- naming: column [a-z]+
CREATE TABLE days AS SELECT o.n_2, count(*) FROM orders o GROUP BY 1;
