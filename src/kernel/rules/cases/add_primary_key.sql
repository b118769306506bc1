-- bad
ALTER TABLE keyless ADD PRIMARY KEY (a);
-- bad
ALTER TABLE keyless ADD CONSTRAINT pk PRIMARY KEY (b);
-- good
ALTER TABLE orders ADD PRIMARY KEY (a);
-- bad
ALTER TABLE keyless ADD PRIMARY KEY USING INDEX keyless_a_idx;
-- good
ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_a_idx;
