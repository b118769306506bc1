-- bad
CREATE PUBLICATION feed FOR ALL TABLES;
-- bad
CREATE PUBLICATION feed FOR TABLE keyless;
-- bad
ALTER PUBLICATION feed DROP TABLE orders;
-- bad
ALTER PUBLICATION feed SET (publish = 'insert');
-- good
CREATE PUBLICATION feed FOR TABLE orders;
-- good
CREATE PUBLICATION feed;
-- good
ALTER PUBLICATION feed ADD TABLE orders;
