-- bad
ALTER TABLE orders ADD CHECK (a > 0);
-- bad
ALTER TABLE orders ADD CONSTRAINT sane CHECK (a > 0 AND b > 0) NO INHERIT;
-- bad
ALTER TABLE ONLY orders ADD CONSTRAINT sane CHECK (a > 0) NO INHERIT;
-- good
ALTER TABLE orders ADD CONSTRAINT sane CHECK (a > 0) NOT VALID;
-- good
ALTER TABLE orders ADD CONSTRAINT c_filled CHECK (a > 0);
