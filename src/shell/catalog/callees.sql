-- One row per callee, in order: may it be volatile, and may it depend on settings or on who calls? $1 'f' or 'o'; $2 schemas (empty: none written); $3 names.
-- Any overload counts, since which one is meant is not known here. Written without a schema: those in the
-- search path, or else those anywhere; none at all counts as volatile. So does one whose arguments have volatile
-- defaults, or whose result has a volatile text form.
WITH RECURSIVE wanted AS MATERIALIZED (
  SELECT w.place, w.kind, w.schema, w.name::pg_catalog.name AS name
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
      pg_catalog.unnest($3::pg_catalog.text[]))
    WITH ORDINALITY AS w(kind, schema, name, place)
), path AS MATERIALIZED (
  SELECT n.oid FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) AS s(name)
  JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) s.name
), found AS MATERIALIZED (
  SELECT w.place, w.schema, p.oid, p.pronamespace AS namespace, p.provolatile AS volatility,
    p.proacl IS NULL AS everybodys
  FROM wanted w JOIN pg_catalog.pg_proc p ON p.proname OPERATOR(pg_catalog.=) w.name
  WHERE w.kind OPERATOR(pg_catalog.=) 'f'
  UNION ALL
  SELECT w.place, w.schema, p.oid, o.oprnamespace, p.provolatile, p.proacl IS NULL
  FROM wanted w JOIN pg_catalog.pg_operator o ON o.oprname OPERATOR(pg_catalog.=) w.name
  LEFT JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.oprcode::pg_catalog.oid
  WHERE w.kind OPERATOR(pg_catalog.=) 'o'
), reached (root, oid) AS (
  -- And what is called for the arguments that are left out.
  SELECT f.oid, f.oid FROM found f
  UNION
  SELECT r.root, m.hit[1]::pg_catalog.oid FROM reached r JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) r.oid
  CROSS JOIN LATERAL pg_catalog.regexp_matches(p.proargdefaults::pg_catalog.text, ':(?:op)?funcid ([0-9]{1,})', 'g') AS m(hit)
), lively AS MATERIALIZED (
  SELECT r.root FROM reached r JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) r.oid
  LEFT JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) p.prorettype
  LEFT JOIN pg_catalog.pg_proc o ON o.oid OPERATOR(pg_catalog.=) t.typoutput::pg_catalog.oid
  WHERE p.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
    OR o.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
    -- Text forms of what is not known here, and sequences.
    OR pg_catalog.strpos(p.proargdefaults::pg_catalog.text, '{COERCEVIAIO') OPERATOR(pg_catalog.>) 0
    OR pg_catalog.strpos(p.proargdefaults::pg_catalog.text, '{NEXTVALUEEXPR') OPERATOR(pg_catalog.>) 0
), placed AS MATERIALIZED (
  SELECT f.place, f.volatility IS NULL OR EXISTS (SELECT FROM lively l WHERE l.root OPERATOR(pg_catalog.=) f.oid) AS volatile,
    COALESCE(f.volatility OPERATOR(pg_catalog.<>) 'i'::pg_catalog."char" OR NOT f.everybodys, true) AS unsettled,
    CASE WHEN f.schema OPERATOR(pg_catalog.=) ''
      THEN EXISTS (SELECT FROM path WHERE path.oid OPERATOR(pg_catalog.=) f.namespace)
      ELSE EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.oid OPERATOR(pg_catalog.=) f.namespace
        AND n.nspname OPERATOR(pg_catalog.=) f.schema::pg_catalog.name) END AS seen,
    f.schema OPERATOR(pg_catalog.=) '' AS anywhere
  FROM found f
)
SELECT COALESCE(
  (SELECT pg_catalog.bool_or(p.volatile) FROM placed p
   WHERE p.place OPERATOR(pg_catalog.=) w.place AND p.seen),
  (SELECT pg_catalog.bool_or(p.volatile) FROM placed p
   WHERE p.place OPERATOR(pg_catalog.=) w.place AND p.anywhere),
  true), COALESCE(
  (SELECT pg_catalog.bool_or(p.unsettled) FROM placed p
   WHERE p.place OPERATOR(pg_catalog.=) w.place AND p.seen),
  true)
FROM wanted w ORDER BY w.place
