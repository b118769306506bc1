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
-- bad
DROP TABLE adopting;
-- bad
DROP TABLE temporary, adopting CASCADE;
-- bad: brief-lock
CREATE TABLE made (a int); ALTER SEQUENCE numbers OWNED BY made.a; DROP TABLE made;
-- bad: brief-lock
ALTER SEQUENCE numbers OWNED BY fresh.a; DROP TABLE fresh;
-- bad: privilege
CREATE TABLE made (a int); ALTER POLICY p ON watched USING (EXISTS (SELECT FROM made)); DROP TABLE made CASCADE;
-- good
CREATE TABLE made (a int); CREATE INDEX ON made (a); COMMENT ON TABLE made IS 'x'; DROP TABLE made CASCADE;
-- good
CREATE TABLE made (a int); CREATE VIEW seen AS SELECT 1; DROP TABLE made;
