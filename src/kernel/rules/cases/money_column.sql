-- bad
CREATE TABLE prices (id bigint PRIMARY KEY, amount money NOT NULL);
-- good
CREATE TABLE prices (id bigint PRIMARY KEY, amount numeric(12, 2) NOT NULL, currency text NOT NULL);
-- bad: no-primary-key
CREATE TABLE prices AS SELECT a, 0::money FROM orders;
