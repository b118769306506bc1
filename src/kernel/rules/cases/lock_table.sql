-- bad
LOCK TABLE orders;
-- bad
LOCK TABLE orders, customers IN SHARE MODE;
-- good
LOCK TABLE orders IN ROW SHARE MODE;
