-- expect: rewrite add-unique
ALTER TABLE orders ADD CONSTRAINT orders_number UNIQUE (number);
