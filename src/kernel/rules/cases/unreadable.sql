-- bad
DROP TABEL orders;
-- good
SELECT 1;
