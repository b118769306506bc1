-- expect: refuse add-unique
ALTER TABLE orders ADD CONSTRAINT orders_code UNIQUE (code);
-- expect: hold mass-update
UPDATE orders SET state = 'new';
