-- bad
REINDEX TABLE orders;
-- bad
REINDEX INDEX orders_a_idx;
-- bad
REINDEX SCHEMA public;
-- good
REINDEX TABLE CONCURRENTLY orders;
-- good
VACUUM orders;
-- bad
REINDEX (VERBOSE, TABLESPACE fast) TABLE orders;
-- bad
REINDEX TABLE parts;
-- bad
REINDEX DATABASE shop;
-- good
REINDEX INDEX CONCURRENTLY orders_a_idx;
-- good
REINDEX SCHEMA CONCURRENTLY public;
