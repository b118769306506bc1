-- bad
CREATE TABLE notes (id bigint PRIMARY KEY, body text);
-- bad
ALTER TABLE orders ADD COLUMN note text DEFAULT '';
-- good
CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, body text NULL, at timestamptz NOT NULL, PRIMARY KEY (id));
-- good
ALTER TABLE orders ADD COLUMN note text NULL;
