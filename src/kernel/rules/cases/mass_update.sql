-- bad
UPDATE orders SET a = 1;
-- bad
UPDATE small SET a = 1 WHERE true;
-- good
UPDATE orders SET a = 1 WHERE id = 5;
-- good
UPDATE temporary SET a = 1;
-- bad
/* lockkeeper: batches */ UPDATE orders SET a = 1, d = upper(v) WHERE true;
-- bad
/* lockkeeper: batches */ UPDATE orders SET a = a + 1;
-- bad
/* lockkeeper: batches */ UPDATE orders SET a = b + 1, c = 'x' || d;
-- bad
/* lockkeeper: batches */ UPDATE orders SET at = 'now';
-- bad
/* lockkeeper: batches */ UPDATE orders SET at = clock_timestamp() RETURNING id;
-- bad
UPDATE orders AS o SET a = 1;
-- bad
UPDATE report SET a = 1;
