-- bad
ALTER TABLE keyless ADD PRIMARY KEY (a);
-- bad
ALTER TABLE keyless ADD CONSTRAINT pk PRIMARY KEY (b);
-- good
ALTER TABLE orders ADD PRIMARY KEY (a);
