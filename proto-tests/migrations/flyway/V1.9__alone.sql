-- expect: rewrite create-index
CREATE INDEX orders_day ON orders (day);
