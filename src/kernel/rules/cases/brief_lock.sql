-- bad
ALTER TABLE orders ADD COLUMN x int;
-- bad
ALTER TABLE orders ALTER COLUMN a SET DEFAULT 5, ALTER COLUMN b DROP NOT NULL;
-- bad
CREATE TABLE lines (id int REFERENCES orders (id));
-- bad
CREATE TRIGGER seen BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION noted();
-- good
ALTER TABLE fresh ADD COLUMN x int;
-- good
ALTER TABLE orders SET (fillfactor = 70);
-- good
CREATE TABLE lines (id int);
