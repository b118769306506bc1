-- bad
DROP TABLE orders;
-- bad
DROP TABLE IF EXISTS public.orders, nowhere CASCADE;
-- bad
DROP MATERIALIZED VIEW totals;
-- bad
DROP TABLE small;
-- bad
DROP TABLE empty;
-- good
DROP TABLE temporary, fresh;
-- good
DROP TABLE IF EXISTS nowhere;
-- bad
DROP TABLE tied;
-- bad
DROP TABLE range_1;
