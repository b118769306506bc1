-- no-transaction
CREATE INDEX CONCURRENTLY notes_id ON orders (id);
