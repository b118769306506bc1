-- bad
TRUNCATE orders;
-- bad
TRUNCATE small, fresh CASCADE;
-- good
TRUNCATE empty, temporary, fresh;
