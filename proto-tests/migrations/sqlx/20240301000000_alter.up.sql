-- expect: refuse set-not-null
ALTER TABLE orders ALTER COLUMN total SET NOT NULL;
