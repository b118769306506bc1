-- +goose Up
-- expect: pass transaction-block
CREATE INDEX CONCURRENTLY orders_a ON orders (a);
