BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 1a

-- expect: warn integer-key,serial-column
CREATE TABLE account (id SERIAL NOT NULL, name VARCHAR(50) NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_account_name ON account (name);
INSERT INTO alembic_version (version_num) VALUES ('1a');
-- expect: refuse set-not-null
ALTER TABLE orders ALTER COLUMN total SET NOT NULL;
UPDATE alembic_version SET version_num='2b' WHERE alembic_version.version_num = '1a';

COMMIT;
