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
-- bad
SET search_path = other; DROP TABLE nowhere;
-- good
SET search_path = other; DROP TABLE public.nowhere;
-- good
CREATE TABLE made (a int); DROP TABLE made;
-- bad
BEGIN; CREATE TEMP TABLE orders (a int) ON COMMIT DROP; COMMIT; DROP TABLE orders;
-- bad
COMMIT; DROP TABLE nowhere;
-- good
BEGIN; CREATE TABLE made (a int); COMMIT; DROP TABLE made;
