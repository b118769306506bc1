-- bad
VACUUM FULL orders;
-- bad
CLUSTER orders USING orders_pkey;
-- bad
ALTER TABLE orders SET UNLOGGED;
-- good
VACUUM orders;
-- good
ALTER TABLE empty SET UNLOGGED;
-- bad
ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE fast;
-- bad
VACUUM (FULL, ANALYZE) orders;
-- bad
/* lockkeeper: compact */ VACUUM FULL orders;
-- bad
VACUUM (FULL, INDEX_CLEANUP off) orders;
-- bad
VACUUM FULL touched;
-- bad
VACUUM FULL ranges;
-- bad
VACUUM FULL totals;
-- bad
VACUUM FULL;
-- bad
ALTER TABLE orders SET TABLESPACE fast;
-- bad
ALTER INDEX orders_a_idx SET TABLESPACE fast;
-- bad
ALTER TABLE orders SET ACCESS METHOD other;
-- good
ALTER TABLE orders SET LOGGED;
-- good
ALTER TABLE parts SET TABLESPACE fast;
-- good
ALTER TABLE parts SET ACCESS METHOD heap;
-- bad
ALTER INDEX orders_pkey SET TABLESPACE "Fast One";
-- good
ALTER TABLE orders SET TABLESPACE pg_default;
-- good
ALTER INDEX orders_pkey SET TABLESPACE pg_default;
-- good
ALTER TABLE orders SET ACCESS METHOD heap;
