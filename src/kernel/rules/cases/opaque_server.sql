-- bad
COPY orders TO PROGRAM 'cat';
-- good
COPY orders TO STDOUT;
