-- bad
ALTER TABLE orders RENAME TO sales;
-- bad
ALTER TABLE orders RENAME COLUMN a TO z;
-- bad
ALTER TABLE orders SET SCHEMA archive;
-- good
ALTER INDEX orders_a_idx RENAME TO orders_z_idx;
-- good
ALTER TABLE orders RENAME CONSTRAINT d_long TO d_longer;
