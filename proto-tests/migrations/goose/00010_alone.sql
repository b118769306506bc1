-- +goose NO TRANSACTION
-- +goose Up
-- expect: rewrite add-check
ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0);
-- +goose Down
ALTER TABLE orders DROP CONSTRAINT positive;
