-- bad
DELETE FROM orders;
-- bad
WITH gone AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM gone;
-- good
DELETE FROM orders WHERE id = 5;
-- good
DELETE FROM empty;
-- bad
/* lockkeeper: batches */ DELETE FROM orders;
-- bad
DELETE FROM orders USING small;
-- bad
DELETE FROM report;
