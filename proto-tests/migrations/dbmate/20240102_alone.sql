-- migrate:up transaction:false
-- expect: rewrite add-column-volatile
ALTER TABLE orders ADD COLUMN code uuid DEFAULT gen_random_uuid();

-- migrate:down
ALTER TABLE orders DROP COLUMN code;
