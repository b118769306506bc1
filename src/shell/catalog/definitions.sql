-- One row: a JSON value with definitions of relations, and something that only puts the search path back.
-- $1 lock timeout; $2 oids; $3 schemas (empty: by the search path) and $4 names; $5 schemas of which all is meant;
-- $6 with what is below them, $7 and what depends on them. Of an index, its table.
WITH RECURSIVE own AS MATERIALIZED (
  SELECT pg_catalog.current_setting('search_path') AS path
), guard AS MATERIALIZED (
  SELECT pg_catalog.set_config('lock_timeout', $1::pg_catalog.text, true) AS timeout
), asked AS MATERIALIZED (
  SELECT w.place, CASE
      WHEN w.schema OPERATOR(pg_catalog.=) '' THEN pg_catalog.to_regclass(pg_catalog.quote_ident(w.name))::pg_catalog.oid
      ELSE (SELECT c.oid FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
            WHERE c.relname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
              AND n.nspname OPERATOR(pg_catalog.=) w.schema::pg_catalog.name)
    END AS oid
  FROM ROWS FROM (pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.text[]))
    WITH ORDINALITY AS w(schema, name, place)
), plain AS MATERIALIZED (
  -- Names are found by the session's search path, and written in full.
  SELECT pg_catalog.set_config('search_path', '', true) AS path
  FROM own, (SELECT pg_catalog.count(a.place) AS n FROM asked a) AS counted
  WHERE own.path IS NOT NULL AND counted.n IS NOT NULL
), named AS MATERIALIZED (
  SELECT a.place, COALESCE((SELECT i.indrelid FROM pg_catalog.pg_index i
    WHERE i.indexrelid OPERATOR(pg_catalog.=) a.oid), a.oid) AS oid
  FROM asked a
), roots AS MATERIALIZED (
  SELECT n.oid FROM named n WHERE n.oid IS NOT NULL
  UNION
  SELECT o.oid FROM pg_catalog.unnest($2::pg_catalog.oid[]) AS o(oid)
  UNION
  SELECT c.oid FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE n.nspname OPERATOR(pg_catalog.=) ANY ($5::pg_catalog.name[])
), reach (oid) AS (
  SELECT r.oid FROM roots r
  UNION
  SELECT x.oid FROM reach r, LATERAL (
    SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i
    WHERE i.inhparent OPERATOR(pg_catalog.=) r.oid AND $6::pg_catalog.bool
    UNION ALL
    SELECT w.ev_class FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_rewrite w ON w.oid OPERATOR(pg_catalog.=) d.objid
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
      AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
      AND d.refobjid OPERATOR(pg_catalog.=) r.oid AND $7::pg_catalog.bool
  ) x
), wanted AS MATERIALIZED (
  SELECT r.oid FROM reach r
  UNION
  SELECT o.conrelid FROM reach r
  JOIN pg_catalog.pg_constraint o ON o.confrelid OPERATOR(pg_catalog.=) r.oid
  WHERE $7::pg_catalog.bool AND o.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
), held AS MATERIALIZED (
  -- Whoever has one of these would be waited for.
  SELECT l.relation AS oid FROM pg_catalog.pg_locks l
  WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock'
    AND l.database OPERATOR(pg_catalog.=) (SELECT b.oid FROM pg_catalog.pg_database b
      WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
    AND COALESCE(l.pid, 0) OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
), found AS MATERIALIZED (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.relpartbound,
    EXISTS (SELECT FROM held h WHERE h.oid OPERATOR(pg_catalog.=) c.oid) AS hidden
  FROM wanted w
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) w.oid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[])
    AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
  ORDER BY EXISTS (SELECT FROM roots r WHERE r.oid OPERATOR(pg_catalog.=) c.oid) DESC, c.oid
  LIMIT CASE WHEN $6::pg_catalog.bool THEN 300::pg_catalog.int8 END
), told AS MATERIALIZED (
  SELECT pg_catalog.json_build_object(
    'names', COALESCE((SELECT pg_catalog.json_agg(f.oid::pg_catalog.int8 ORDER BY n.place)
      FROM named n LEFT JOIN found f ON f.oid OPERATOR(pg_catalog.=) n.oid), '[]'::pg_catalog.json),
    'hidden', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('oid', f.oid::pg_catalog.int8,
        'schema', f.nspname, 'name', f.relname) ORDER BY f.oid)
      FROM found f WHERE f.hidden), '[]'::pg_catalog.json),
    'relations', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'oid', f.oid::pg_catalog.int8, 'schema', f.nspname, 'name', f.relname,
        'kind', CASE
          WHEN f.relkind OPERATOR(pg_catalog.=) 'p'::pg_catalog."char" THEN 'partitioned table'
          WHEN f.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char" THEN 'view'
          WHEN f.relkind OPERATOR(pg_catalog.=) 'm'::pg_catalog."char" THEN 'materialized view'
          WHEN f.relkind OPERATOR(pg_catalog.=) 'f'::pg_catalog."char" THEN 'foreign table'
          ELSE 'table' END,
        'query', CASE WHEN f.relkind OPERATOR(pg_catalog.=) ANY ('{v,m}'::pg_catalog."char"[])
          THEN pg_catalog.btrim(pg_catalog.pg_get_viewdef(f.oid)) END,
        'partition_key', CASE WHEN f.relkind OPERATOR(pg_catalog.=) 'p'::pg_catalog."char"
          THEN pg_catalog.pg_get_partkeydef(f.oid) END,
        'partition_of', CASE WHEN f.relispartition THEN (
          SELECT pg_catalog.concat(pn.nspname, '.', p.relname, ' ', pg_catalog.pg_get_expr(f.relpartbound, f.oid))
          FROM pg_catalog.pg_inherits i
          JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) i.inhparent
          JOIN pg_catalog.pg_namespace pn ON pn.oid OPERATOR(pg_catalog.=) p.relnamespace
          WHERE i.inhrelid OPERATOR(pg_catalog.=) f.oid LIMIT 1) END,
        'columns', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
            'default', CASE WHEN a.attgenerated OPERATOR(pg_catalog.=) ''::pg_catalog."char"
              THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
            'identity', CASE
              WHEN a.attidentity OPERATOR(pg_catalog.=) 'a'::pg_catalog."char" THEN 'always'
              WHEN a.attidentity OPERATOR(pg_catalog.=) 'd'::pg_catalog."char" THEN 'by default' END,
            'generated', CASE WHEN a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char"
              THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END) ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
          LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid OPERATOR(pg_catalog.=) a.attrelid
            AND d.adnum OPERATOR(pg_catalog.=) a.attnum
          WHERE a.attrelid OPERATOR(pg_catalog.=) f.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
            AND NOT a.attisdropped), '[]'::pg_catalog.json),
        'constraints', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', o.conname, 'definition', pg_catalog.pg_get_constraintdef(o.oid), 'validated', o.convalidated)
            ORDER BY o.conname, o.oid)
          FROM pg_catalog.pg_constraint o
          WHERE o.conrelid OPERATOR(pg_catalog.=) f.oid
            AND o.contype OPERATOR(pg_catalog.=) ANY ('{c,f,p,u,x}'::pg_catalog."char"[])), '[]'::pg_catalog.json),
        'indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', x.relname, 'definition', pg_catalog.pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid)
            ORDER BY x.relname)
          FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
          WHERE i.indrelid OPERATOR(pg_catalog.=) f.oid), '[]'::pg_catalog.json)
        ) ORDER BY f.oid)
      FROM found f WHERE NOT f.hidden), '[]'::pg_catalog.json)) AS answer
  FROM guard, plain WHERE guard.timeout IS NOT NULL AND plain.path IS NOT NULL
)
SELECT told.answer, pg_catalog.set_config('search_path', own.path, true) FROM told, own
