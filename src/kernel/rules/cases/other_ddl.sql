-- bad
CREATE EXTENSION hstore;
-- good
CREATE VIEW seen AS SELECT 1;
