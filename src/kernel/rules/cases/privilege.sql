-- bad
GRANT SELECT ON orders TO public;
-- bad
ALTER ROLE bob SUPERUSER;
-- bad
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
-- good
SELECT 1;
-- bad
ALTER VIEW report SET (security_barrier = true);
