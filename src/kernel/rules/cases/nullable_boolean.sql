-- bad
ALTER TABLE orders ADD COLUMN paid boolean;
-- bad
CREATE TABLE flags (id bigint PRIMARY KEY, seen bool);
-- good
ALTER TABLE orders ADD COLUMN paid boolean NOT NULL DEFAULT false;
-- good
ALTER TABLE orders ADD COLUMN paid boolean NULL;
-- good
ALTER TABLE orders ADD COLUMN paid boolean DEFAULT false;
-- good
ALTER TABLE orders ADD COLUMN open boolean GENERATED ALWAYS AS (a IS NULL) STORED;
