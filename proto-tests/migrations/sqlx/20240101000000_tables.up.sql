-- expect: warn serial-column
CREATE TABLE notes (id bigserial PRIMARY KEY, body text NOT NULL DEFAULT '');
CREATE INDEX notes_body ON notes (body);
