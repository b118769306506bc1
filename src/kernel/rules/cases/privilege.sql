-- bad
GRANT SELECT ON orders TO public;
-- bad
ALTER ROLE bob SUPERUSER;
-- bad
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
-- good
SELECT 1;
-- bad
ALTER ROLE bob PASSWORD 'x';
-- bad
ALTER ROLE owner PASSWORD 'x' SUPERUSER;
-- good
ALTER USER owner PASSWORD 'x';
-- good
ALTER ROLE CURRENT_USER PASSWORD 'x';
-- bad
ALTER VIEW report SET (security_barrier = true);
