-- bad
DO $$ BEGIN NULL; END $$;
-- bad
CALL tidy_up();
-- good
SELECT price(1);
