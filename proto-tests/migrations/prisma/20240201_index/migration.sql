-- expect: rewrite create-index,quoted-name
CREATE INDEX "Order_day_idx" ON "Order"("day");
