-- bad
CREATE PUBLICATION feed FOR ALL TABLES;
-- bad
CREATE PUBLICATION feed FOR TABLE keyless;
-- bad
ALTER PUBLICATION feed DROP TABLE orders;
-- bad
ALTER PUBLICATION feed SET (publish = 'insert');
-- bad
CREATE PUBLICATION feed FOR TABLE orders (a, b);
-- bad
CREATE PUBLICATION feed FOR TABLE orders WHERE (a > 10);
-- bad
ALTER PUBLICATION feed ADD TABLE orders WHERE (id > 3 AND lower(v) = 'a');
-- bad
CREATE PUBLICATION feed FOR TABLE customers, touched;
-- bad
CREATE PUBLICATION feed FOR TABLE watched (id, a, b);
-- bad
CREATE PUBLICATION feed FOR TABLE keyless WITH (publish = 'insert, delete');
-- good
CREATE PUBLICATION feed FOR TABLE orders;
-- good
CREATE PUBLICATION feed FOR TABLE orders (id, a) WHERE (id > 10);
-- good
CREATE PUBLICATION feed FOR TABLE watched WHERE (a > 10);
-- good
CREATE PUBLICATION feed FOR TABLE keyless, orders (a) WITH (publish = 'insert, truncate');
-- good
CREATE PUBLICATION feed FOR ALL TABLES WITH (publish = 'insert');
-- good
CREATE PUBLICATION feed;
-- good
ALTER PUBLICATION feed ADD TABLE orders;
