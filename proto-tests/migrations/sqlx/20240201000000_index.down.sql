DROP INDEX notes_id;
