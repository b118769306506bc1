-- bad
SELECT query_to_xml('DROP TABLE orders', true, true, '');
-- good
SELECT price(1);
