-- One row per type that exists: place, oid, format_type without a modifier, domain, constrained, default, array, composite (or a domain over one), and
-- which casts to it may call something volatile: 0 none, 1 those written, 2 of what is assigned, 3 of a number, 4 all;
-- then, the same in each row, whether some cast that happens unasked may.
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
), parts (place, oid) AS (
  -- What is behind a domain, and in an array.
  SELECT w.place, w.oid FROM wanted w
  UNION
  SELECT r.place, CASE WHEN t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char" THEN t.typbasetype ELSE t.typelem END
  FROM parts r JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) r.oid
  WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
    OR t.typelem OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND t.typlen OPERATOR(pg_catalog.=) (-1)::pg_catalog.int2
), forms AS MATERIALIZED (
  -- Types whose text form may be volatile, as what is read or as what is written.
  SELECT t.oid, i.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog."char" AS read,
    o.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog."char" AS written
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_proc i ON i.oid OPERATOR(pg_catalog.=) t.typinput::pg_catalog.oid
  JOIN pg_catalog.pg_proc o ON o.oid OPERATOR(pg_catalog.=) t.typoutput::pg_catalog.oid
  -- Arrays (750 is array_in) are as their elements are.
  WHERE t.typtype OPERATOR(pg_catalog.=) 'b'::pg_catalog."char" AND t.typinput::pg_catalog.oid OPERATOR(pg_catalog.<>) 750::pg_catalog.oid
    AND (i.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
      OR o.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog."char")
), casts AS MATERIALIZED (
  SELECT k.casttarget AS target, k.castcontext OPERATOR(pg_catalog.=) 'i'::pg_catalog."char" AS unasked, CASE
      WHEN k.castsource OPERATOR(pg_catalog.=) k.casttarget THEN 4
      WHEN k.castcontext OPERATOR(pg_catalog.=) 'e'::pg_catalog."char" THEN 1
      WHEN k.castsource OPERATOR(pg_catalog.=) ANY ('{16,20,23,1700}'::pg_catalog.oid[]) THEN 3
      ELSE 2 END AS level
  FROM pg_catalog.pg_cast k LEFT JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) k.castfunc
  WHERE p.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
    OR k.castmethod OPERATOR(pg_catalog.=) 'i'::pg_catalog."char" AND EXISTS (SELECT FROM forms f
      WHERE f.read AND f.oid OPERATOR(pg_catalog.=) k.casttarget
        OR f.written AND f.oid OPERATOR(pg_catalog.=) k.castsource)
  UNION ALL
  SELECT f.oid, false, 1 FROM forms f
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
  t.typelem OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND t.typlen OPERATOR(pg_catalog.=) (-1)::pg_catalog.int2,
  EXISTS (SELECT FROM chain c JOIN pg_catalog.pg_type d ON d.oid OPERATOR(pg_catalog.=) c.oid
    WHERE c.place OPERATOR(pg_catalog.=) w.place AND d.typtype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char"),
  COALESCE((SELECT pg_catalog.max(k.level) FROM parts r JOIN casts k ON k.target OPERATOR(pg_catalog.=) r.oid
    WHERE r.place OPERATOR(pg_catalog.=) w.place), 0),
  EXISTS (SELECT FROM casts k WHERE k.unasked)
FROM wanted w JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) w.oid
ORDER BY w.place
