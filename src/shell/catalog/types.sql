-- One row per type that exists: place, oid, format_type without a modifier, domain, constrained, default, array.
-- $1 types as written, to be found by the search path.
WITH RECURSIVE wanted AS MATERIALIZED (
  SELECT w.place, pg_catalog.to_regtype(w.sql)::pg_catalog.oid AS oid
  FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS w(sql, place)
), chain (place, oid) AS (
  SELECT w.place, w.oid FROM wanted w
  UNION
  SELECT c.place, t.typbasetype FROM chain c
  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) c.oid
  WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
)
SELECT w.place, t.oid, pg_catalog.format_type(t.oid, NULL),
  t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char",
  EXISTS (SELECT FROM chain c JOIN pg_catalog.pg_type d ON d.oid OPERATOR(pg_catalog.=) c.oid
    WHERE c.place OPERATOR(pg_catalog.=) w.place AND d.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
      AND (d.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint o
        WHERE o.contypid OPERATOR(pg_catalog.=) d.oid))),
  EXISTS (SELECT FROM chain c JOIN pg_catalog.pg_type d ON d.oid OPERATOR(pg_catalog.=) c.oid
    WHERE c.place OPERATOR(pg_catalog.=) w.place AND d.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
      AND d.typdefault IS NOT NULL),
  t.typelem OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND t.typlen OPERATOR(pg_catalog.=) (-1)::pg_catalog.int2
FROM wanted w JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) w.oid
ORDER BY w.place
