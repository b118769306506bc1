-- bad
CREATE INDEX orders_by_customer_and_by_delivery_date_and_by_status_where_not_paid ON orders (b);
-- bad
ALTER TABLE orders ADD COLUMN the_date_at_which_the_customer_told_us_that_he_has_not_got_his_order date NULL;
-- bad
ALTER TABLE orders RENAME COLUMN c TO überlängerungsmöglichkeitsüberprüfungsausschussvorsitzendergehilfe;
-- good
CREATE INDEX orders_by_customer_and_by_delivery_date_and_by_status_not_paid_ ON orders (b);
-- good
ALTER TABLE orders ADD COLUMN note text DEFAULT 'a text of more than 63 bytes is no name, however long it may be in the end';
