-- expect: rewrite create-index
CREATE INDEX "Order_day_idx" ON "Order"("day");
