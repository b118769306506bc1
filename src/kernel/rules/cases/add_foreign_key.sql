-- bad
ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES customers (id);
-- bad
ALTER TABLE orders ADD CONSTRAINT whose FOREIGN KEY (a) REFERENCES customers ON DELETE CASCADE;
-- bad
ALTER TABLE parts ADD FOREIGN KEY (a) REFERENCES customers (id);
-- good
ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES customers (id) NOT VALID;
-- bad
-- version: 18
ALTER TABLE orders ALTER CONSTRAINT whose ENFORCED;
-- good
ALTER TABLE empty ADD FOREIGN KEY (a) REFERENCES customers (id);
