-- bad
ALTER TABLE orders ADD EXCLUDE USING gist (a WITH =);
-- good
ALTER TABLE empty ADD EXCLUDE USING gist (a WITH =);
