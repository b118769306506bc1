-- bad
CREATE TABLE "Invoices" (id bigint PRIMARY KEY);
-- bad
ALTER TABLE orders ADD COLUMN "createdAt" timestamptz NULL;
-- bad
CREATE INDEX "orders by b" ON orders (b);
-- bad
ALTER TABLE orders RENAME TO "Orders";
-- good
CREATE TABLE Invoices (id bigint PRIMARY KEY, größe bigint);
-- good
ALTER TABLE orders ADD COLUMN "created_at" timestamptz;
-- bad: no-primary-key
CREATE TABLE days AS SELECT a AS "Day" FROM orders;
-- bad: no-primary-key
CREATE TABLE days (a, "Day") AS TABLE small;
-- bad: no-primary-key
CREATE TABLE "Copied" (LIKE orders);
-- good
CREATE TABLE days (a, day) AS SELECT "A" AS "Day", "B" FROM orders;
