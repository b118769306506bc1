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
-- bad: drop-object
ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (a);
-- bad: drop-object
ALTER TABLE orders ADD CONSTRAINT orders_key PRIMARY KEY (b) INCLUDE (a), DROP CONSTRAINT orders_pkey;
