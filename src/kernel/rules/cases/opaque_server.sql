-- bad
COPY orders TO PROGRAM 'cat';
-- good
COPY orders TO STDOUT;
-- bad
CREATE FOREIGN TABLE far (id int) SERVER elsewhere;
-- bad
CREATE  foreign TABLE IF NOT EXISTS far PARTITION OF parts DEFAULT SERVER elsewhere;
