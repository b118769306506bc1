-- bad
ALTER TABLE orders ADD UNIQUE (a, b);
-- bad
ALTER TABLE orders ADD CONSTRAINT one UNIQUE (a) DEFERRABLE;
-- bad
ALTER TABLE parts ADD UNIQUE (id);
-- good
ALTER TABLE orders ADD CONSTRAINT one UNIQUE USING INDEX orders_a_idx;
-- good
ALTER TABLE empty ADD UNIQUE (a);
-- good
ALTER TABLE ONLY parts ADD UNIQUE (a);
-- good
ALTER TABLE orders ADD CONSTRAINT orders_a_idx UNIQUE (a);
