-- expect: warn quoted-name
CREATE TABLE "User" ("id" TEXT NOT NULL, "email" TEXT, CONSTRAINT "User_pkey" PRIMARY KEY ("id"));
-- expect: warn quoted-name
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
