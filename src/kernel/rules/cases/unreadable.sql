-- bad
-- good
SELECT 1;
