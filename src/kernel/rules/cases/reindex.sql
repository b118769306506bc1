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
