-- +goose Up
-- expect: warn integer-key
CREATE TABLE t (id int PRIMARY KEY, a int);
-- +goose StatementBegin
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.a := 1;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();

-- +goose Down
DROP TABLE t;
