-- bad
DO $$ BEGIN NULL; END $$;
-- bad
CALL tidy_up();
-- good
SELECT price(1);
-- bad
CREATE CAST (int AS text) WITH FUNCTION shout(int);
-- bad
CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION f(internal));
-- bad
ALTER TYPE odd SET (RECEIVE = odd_in, STORAGE = plain);
-- bad
CREATE EXTENSION IF NOT EXISTS nosuch;
-- bad: drop-object
DROP EXTENSION plpgsql; CREATE EXTENSION IF NOT EXISTS plpgsql;
-- good
CREATE EXTENSION IF NOT EXISTS plpgsql;
