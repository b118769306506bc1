-- bad
DROP INDEX orders_a_idx;
-- bad
DROP INDEX IF EXISTS public.orders_a_idx;
-- good
DROP INDEX orders_pkey;
-- bad
DROP INDEX orders_a_idx, customers_a_idx;
-- bad
DROP INDEX orders_a_idx CASCADE;
-- good
DROP INDEX CONCURRENTLY orders_a_idx;
-- good
DROP INDEX IF EXISTS nothing_idx;
