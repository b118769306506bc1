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
