-- expect: bounded
ALTER TABLE "Order" ADD COLUMN "note" TEXT;
-- expect: refuse add-foreign-key,foreign-key-index,quoted-name
ALTER TABLE "Order" ADD CONSTRAINT "Order_user_fkey" FOREIGN KEY ("user") REFERENCES "User"("id");
