-- bad
UPDATE orders SET a = 1;
-- bad
UPDATE small SET a = 1 WHERE true;
-- good
UPDATE orders SET a = 1 WHERE id = 5;
-- good
UPDATE temporary SET a = 1;
