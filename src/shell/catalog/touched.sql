-- One row with one JSON value: what a change touches beside its relations. Nothing here takes a lock on it.
-- $1 kinds as DROP calls them, RELATION for all relations; $2 schemas (empty: by the search path); $3 names; $4 what is
-- meant of them; $5 how far from there; $6 how many are told one by one.
WITH RECURSIVE asked AS MATERIALIZED (
  SELECT w.place, w.kind, w.schema, w.name::pg_catalog.name AS name, w.part, w.reach
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
      pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.text[]))
    WITH ORDINALITY AS w(kind, schema, name, part, reach, place)
), path AS MATERIALIZED (
  SELECT n.oid, s.rank FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS s(name, rank)
  JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) s.name
), named AS MATERIALIZED (
  -- Namespace 0: there is one of its name only.
  SELECT a.place, a.kind, a.schema, a.part, a.reach, o.class, o.oid, o.namespace
  FROM asked a, LATERAL (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, c.oid, c.relnamespace AS namespace
    FROM pg_catalog.pg_class c
    WHERE a.kind OPERATOR(pg_catalog.=) 'RELATION' AND c.relname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid, t.typnamespace
    FROM pg_catalog.pg_type t
    WHERE a.kind OPERATOR(pg_catalog.=) ANY ('{TYPE,DOMAIN,CAST,TRANSFORM}'::pg_catalog.text[])
      AND t.typname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid, p.pronamespace
    FROM pg_catalog.pg_proc p
    WHERE a.kind OPERATOR(pg_catalog.=) ANY ('{FUNCTION,PROCEDURE,ROUTINE,AGGREGATE}'::pg_catalog.text[])
      AND p.proname OPERATOR(pg_catalog.=) a.name
      AND p.pronamespace OPERATOR(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
    UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, t.oid, c.relnamespace
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_trigger t ON t.tgrelid OPERATOR(pg_catalog.=) c.oid
    WHERE a.kind OPERATOR(pg_catalog.=) 'TRIGGER' AND c.relname OPERATOR(pg_catalog.=) a.name
      AND t.tgname OPERATOR(pg_catalog.=) a.part::pg_catalog.name
    UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid, p.oid, c.relnamespace
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_policy p ON p.polrelid OPERATOR(pg_catalog.=) c.oid
    WHERE a.kind OPERATOR(pg_catalog.=) 'POLICY' AND c.relname OPERATOR(pg_catalog.=) a.name
      AND p.polname OPERATOR(pg_catalog.=) a.part::pg_catalog.name
    UNION ALL SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, r.oid, c.relnamespace
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) c.oid
    WHERE a.kind OPERATOR(pg_catalog.=) 'RULE' AND c.relname OPERATOR(pg_catalog.=) a.name
      AND r.rulename OPERATOR(pg_catalog.=) a.part::pg_catalog.name
    UNION ALL SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.collnamespace
    FROM pg_catalog.pg_collation o
    WHERE a.kind OPERATOR(pg_catalog.=) 'COLLATION' AND o.collname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_conversion'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.connamespace
    FROM pg_catalog.pg_conversion o
    WHERE a.kind OPERATOR(pg_catalog.=) 'CONVERSION' AND o.conname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.oprnamespace
    FROM pg_catalog.pg_operator o
    WHERE a.kind OPERATOR(pg_catalog.=) 'OPERATOR' AND o.oprname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.opcnamespace
    FROM pg_catalog.pg_opclass o
    WHERE a.kind OPERATOR(pg_catalog.=) 'OPERATOR CLASS' AND o.opcname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.opfnamespace
    FROM pg_catalog.pg_opfamily o
    WHERE a.kind OPERATOR(pg_catalog.=) 'OPERATOR FAMILY' AND o.opfname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.cfgnamespace
    FROM pg_catalog.pg_ts_config o
    WHERE a.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH CONFIGURATION' AND o.cfgname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_ts_dict'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.dictnamespace
    FROM pg_catalog.pg_ts_dict o
    WHERE a.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH DICTIONARY' AND o.dictname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_ts_parser'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.prsnamespace
    FROM pg_catalog.pg_ts_parser o
    WHERE a.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH PARSER' AND o.prsname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_ts_template'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.tmplnamespace
    FROM pg_catalog.pg_ts_template o
    WHERE a.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH TEMPLATE' AND o.tmplname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid, o.oid, o.stxnamespace
    FROM pg_catalog.pg_statistic_ext o
    WHERE a.kind OPERATOR(pg_catalog.=) 'STATISTICS' AND o.stxname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_namespace o
    WHERE a.kind OPERATOR(pg_catalog.=) 'SCHEMA' AND o.nspname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_extension o
    WHERE a.kind OPERATOR(pg_catalog.=) 'EXTENSION' AND o.extname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_publication o
    WHERE a.kind OPERATOR(pg_catalog.=) 'PUBLICATION' AND o.pubname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_subscription'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_subscription o
    WHERE a.kind OPERATOR(pg_catalog.=) 'SUBSCRIPTION' AND o.subname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_foreign_server'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_foreign_server o
    WHERE a.kind OPERATOR(pg_catalog.=) 'SERVER' AND o.srvname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_foreign_data_wrapper o
    WHERE a.kind OPERATOR(pg_catalog.=) 'FOREIGN DATA WRAPPER' AND o.fdwname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_event_trigger'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_event_trigger o
    WHERE a.kind OPERATOR(pg_catalog.=) 'EVENT TRIGGER' AND o.evtname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_language'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_language o
    WHERE a.kind OPERATOR(pg_catalog.=) 'LANGUAGE' AND o.lanname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_am'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_am o
    WHERE a.kind OPERATOR(pg_catalog.=) 'ACCESS METHOD' AND o.amname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_authid'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_roles o
    WHERE a.kind OPERATOR(pg_catalog.=) 'ROLE' AND o.rolname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_database'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_database o
    WHERE a.kind OPERATOR(pg_catalog.=) 'DATABASE' AND o.datname OPERATOR(pg_catalog.=) a.name
    UNION ALL SELECT 'pg_catalog.pg_tablespace'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0
    FROM pg_catalog.pg_tablespace o
    WHERE a.kind OPERATOR(pg_catalog.=) 'TABLESPACE' AND o.spcname OPERATOR(pg_catalog.=) a.name
  ) o
), ranked AS MATERIALIZED (
  SELECT n.place, n.kind, n.part, n.reach, n.class, n.oid, CASE
      WHEN n.namespace OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 1
      WHEN n.schema OPERATOR(pg_catalog.=) '' THEN (SELECT p.rank FROM path p WHERE p.oid OPERATOR(pg_catalog.=) n.namespace)
      WHEN n.namespace OPERATOR(pg_catalog.=) CASE
          WHEN n.schema OPERATOR(pg_catalog.=) 'pg_temp' THEN pg_catalog.pg_my_temp_schema()
          ELSE (SELECT s.oid FROM pg_catalog.pg_namespace s
                WHERE s.nspname OPERATOR(pg_catalog.=) n.schema::pg_catalog.name) END THEN 1
    END AS rank
  FROM named n
), roots AS MATERIALIZED (
  -- Which overload is meant is not known here: all of them count.
  SELECT r.kind, r.part, r.reach, r.class, r.oid FROM ranked r
  WHERE r.rank IS NOT NULL
    AND (r.class OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid,
        'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid])
      OR r.rank OPERATOR(pg_catalog.=) (SELECT pg_catalog.min(o.rank) FROM ranked o
        WHERE o.place OPERATOR(pg_catalog.=) r.place))
), tree (oid) AS (
  -- What is written with a table: the tables below it.
  SELECT r.oid FROM roots r WHERE r.reach OPERATOR(pg_catalog.=) 'written'
  UNION
  SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
), reach (class, oid, sub, spreads) AS (
  SELECT o.class, o.oid, o.sub, o.spreads FROM (
    SELECT r.class, r.oid, 0 AS sub, r.reach OPERATOR(pg_catalog.=) 'dependents' AS spreads FROM roots r
    WHERE r.reach OPERATOR(pg_catalog.=) ANY ('{itself,dependents,owned,owned-dependents}'::pg_catalog.text[])
    UNION ALL
    SELECT d.classid, d.objid, d.objsubid, r.reach OPERATOR(pg_catalog.=) 'owned-dependents'
    FROM roots r JOIN pg_catalog.pg_shdepend d ON d.refclassid OPERATOR(pg_catalog.=) r.class
      AND d.refobjid OPERATOR(pg_catalog.=) r.oid
    WHERE r.reach OPERATOR(pg_catalog.=) ANY ('{owned,owned-dependents}'::pg_catalog.text[])
      AND (d.deptype OPERATOR(pg_catalog.=) 'o'::pg_catalog."char"
        OR r.reach OPERATOR(pg_catalog.=) 'owned-dependents' AND d.deptype OPERATOR(pg_catalog.=) 'r'::pg_catalog."char")
      AND d.dbid OPERATOR(pg_catalog.=) (SELECT b.oid FROM pg_catalog.pg_database b
        WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, c.oid, 0, false
    FROM roots r JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) r.oid
    WHERE r.reach OPERATOR(pg_catalog.=) 'contents' AND (CASE
      WHEN r.part OPERATOR(pg_catalog.=) 'TABLE' THEN c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[])
      WHEN r.part OPERATOR(pg_catalog.=) 'SEQUENCE' THEN c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char" END)
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid, 0, false
    FROM roots r JOIN pg_catalog.pg_proc p ON p.pronamespace OPERATOR(pg_catalog.=) r.oid
    WHERE r.reach OPERATOR(pg_catalog.=) 'contents' AND (CASE
      WHEN r.part OPERATOR(pg_catalog.=) 'FUNCTION' THEN p.prokind OPERATOR(pg_catalog.<>) 'p'::pg_catalog."char"
      WHEN r.part OPERATOR(pg_catalog.=) 'PROCEDURE' THEN p.prokind OPERATOR(pg_catalog.=) 'p'::pg_catalog."char"
      WHEN r.part OPERATOR(pg_catalog.=) 'ROUTINE' THEN true END)
    UNION ALL
    SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, g.oid, 0, false
    FROM tree t JOIN pg_catalog.pg_trigger g ON g.tgrelid OPERATOR(pg_catalog.=) t.oid
    WHERE NOT g.tgisinternal AND NOT pg_catalog.starts_with(g.tgname::pg_catalog.text, '{copy_trigger}')
    UNION ALL
    SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, w.oid, 0, false
    FROM tree t JOIN pg_catalog.pg_rewrite w ON w.ev_class OPERATOR(pg_catalog.=) t.oid
    UNION ALL
    -- Its rows may go, or change, with those that they refer to.
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, k.oid, 0, false
    FROM tree t JOIN pg_catalog.pg_constraint k ON k.confrelid OPERATOR(pg_catalog.=) t.oid
    WHERE k.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
  ) o
  UNION
  SELECT x.class, x.oid, x.sub, true FROM reach r, LATERAL (
    SELECT d.classid AS class, d.objid AS oid, d.objsubid AS sub FROM pg_catalog.pg_depend d
    WHERE d.refclassid OPERATOR(pg_catalog.=) r.class AND d.refobjid OPERATOR(pg_catalog.=) r.oid
      AND (r.sub OPERATOR(pg_catalog.=) 0 OR d.refobjsubid OPERATOR(pg_catalog.=) r.sub)
      -- In 14 what nobody may drop stands there as needed by nothing.
      AND d.classid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
    UNION ALL
    -- What is part of something is dropped with all of it.
    SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d
    WHERE d.classid OPERATOR(pg_catalog.=) r.class AND d.objid OPERATOR(pg_catalog.=) r.oid
      AND d.objsubid OPERATOR(pg_catalog.=) r.sub AND d.deptype OPERATOR(pg_catalog.=) ANY ('{i,e}'::pg_catalog."char"[])
  ) x
  WHERE r.spreads
), reached AS MATERIALIZED (
  SELECT r.class, r.oid, r.sub FROM reach r GROUP BY r.class, r.oid, r.sub
), kept AS MATERIALIZED (
  -- Parts of what is there as a whole say nothing more: indexes of a table, its row type, the rule of a view.
  SELECT r.class, r.oid, r.sub, c.relkind FROM reached r
  LEFT JOIN pg_catalog.pg_class c ON r.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    AND c.oid OPERATOR(pg_catalog.=) r.oid
  WHERE CASE
    WHEN r.sub OPERATOR(pg_catalog.<>) 0 THEN NOT EXISTS (SELECT FROM reached w WHERE w.class OPERATOR(pg_catalog.=) r.class
      AND w.oid OPERATOR(pg_catalog.=) r.oid AND w.sub OPERATOR(pg_catalog.=) 0)
    WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[]) THEN true
    ELSE NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d JOIN reached w ON w.class OPERATOR(pg_catalog.=) d.refclassid
        AND w.oid OPERATOR(pg_catalog.=) d.refobjid
      WHERE d.classid OPERATOR(pg_catalog.=) r.class AND d.objid OPERATOR(pg_catalog.=) r.oid
        AND d.objsubid OPERATOR(pg_catalog.=) r.sub AND d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i,P,S}'::pg_catalog."char"[])
        AND (w.sub OPERATOR(pg_catalog.=) 0 OR w.sub OPERATOR(pg_catalog.=) d.refobjsubid
          AND r.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid))
    END
), defined AS MATERIALIZED (
  SELECT k.class, k.oid, k.sub, i.type, i.identity,
    CASE WHEN k.sub OPERATOR(pg_catalog.=) 0 AND k.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m}'::pg_catalog."char"[]) THEN
      (SELECT CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) 0::pg_catalog.float4
            OR pg_catalog.pg_stat_get_live_tuples(c.oid) OPERATOR(pg_catalog.>) 0::pg_catalog.int8
          THEN pg_catalog.int8larger(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid)) END
       FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) k.oid) END AS rows,
    -- Members of an extension are told last: whoever knows it expects them.
    EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid OPERATOR(pg_catalog.=) k.class
      AND d.objid OPERATOR(pg_catalog.=) k.oid AND d.objsubid OPERATOR(pg_catalog.=) k.sub
      AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char") AS member,
    -- Its own relations are told by themselves.
    NOT EXISTS (SELECT FROM roots r WHERE r.kind OPERATOR(pg_catalog.=) 'RELATION'
      AND r.reach OPERATOR(pg_catalog.=) 'dependents' AND r.class OPERATOR(pg_catalog.=) k.class
      AND r.oid OPERATOR(pg_catalog.=) k.oid) AS told,
    CASE
      WHEN k.relkind IS NOT NULL THEN (
        SELECT pg_catalog.concat_ws(' ', c.relowner, c.relpersistence, c.relkind, c.reloptions, c.relrowsecurity,
          c.relforcerowsecurity,
          (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull,
              a.attidentity, a.attgenerated), ',' ORDER BY a.attnum)
           FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND NOT a.attisdropped
             AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
             AND (k.sub OPERATOR(pg_catalog.=) 0 OR a.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) k.sub)),
          (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', w.rulename, w.ev_enabled, w.ev_qual, w.ev_action), ',' ORDER BY w.oid)
           FROM pg_catalog.pg_rewrite w WHERE w.ev_class OPERATOR(pg_catalog.=) c.oid AND k.sub OPERATOR(pg_catalog.=) 0))
        FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT (pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.-) 'proacl'::pg_catalog.text)::pg_catalog.text
        FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.concat_ws(' ', (pg_catalog.to_jsonb(t) OPERATOR(pg_catalog.-) 'typacl'::pg_catalog.text),
          (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder)
           FROM pg_catalog.pg_enum e WHERE e.enumtypid OPERATOR(pg_catalog.=) t.oid),
          (SELECT pg_catalog.string_agg(pg_catalog.to_jsonb(o)::pg_catalog.text, ',' ORDER BY o.oid)
           FROM pg_catalog.pg_constraint o WHERE o.contypid OPERATOR(pg_catalog.=) t.oid),
          (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attname, a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
           FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) t.typrelid AND NOT a.attisdropped
             AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2))
        FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT (pg_catalog.to_jsonb(o) OPERATOR(pg_catalog.-) 'conindid'::pg_catalog.text)::pg_catalog.text
        FROM pg_catalog.pg_constraint o WHERE o.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.concat_ws(' ', pg_catalog.to_jsonb(t),
          (SELECT pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.-) 'proacl'::pg_catalog.text
           FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.=) t.tgfoid))
        FROM pg_catalog.pg_trigger t WHERE t.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_event_trigger'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.concat_ws(' ', pg_catalog.to_jsonb(t),
          (SELECT pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.-) 'proacl'::pg_catalog.text
           FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.=) t.evtfoid))
        FROM pg_catalog.pg_event_trigger t WHERE t.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.to_jsonb(w)::pg_catalog.text
        FROM pg_catalog.pg_rewrite w WHERE w.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.to_jsonb(p)::pg_catalog.text
        FROM pg_catalog.pg_policy p WHERE p.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.to_jsonb(d)::pg_catalog.text
        FROM pg_catalog.pg_attrdef d WHERE d.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.to_jsonb(e)::pg_catalog.text
        FROM pg_catalog.pg_extension e WHERE e.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_publication'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.to_jsonb(p)::pg_catalog.text
        FROM pg_catalog.pg_publication p WHERE p.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT n.nspowner::pg_catalog.text
        FROM pg_catalog.pg_namespace n WHERE n.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_foreign_server'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT (pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.-) 'srvacl'::pg_catalog.text)::pg_catalog.text
        FROM pg_catalog.pg_foreign_server s WHERE s.oid OPERATOR(pg_catalog.=) k.oid)
      WHEN k.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass::pg_catalog.oid THEN (
        SELECT pg_catalog.concat_ws(' ', o.rolsuper, o.rolinherit, o.rolcreaterole, o.rolcreatedb, o.rolcanlogin,
          o.rolreplication, o.rolbypassrls,
          (SELECT pg_catalog.string_agg(m.roleid::pg_catalog.text, ',' ORDER BY m.roleid)
           FROM pg_catalog.pg_auth_members m WHERE m.member OPERATOR(pg_catalog.=) o.oid))
        FROM pg_catalog.pg_roles o WHERE o.oid OPERATOR(pg_catalog.=) k.oid)
    END AS definition
  FROM kept k, LATERAL pg_catalog.pg_identify_object(k.class, k.oid, k.sub) i
), shown AS MATERIALIZED (
  SELECT pg_catalog.row_number() OVER (ORDER BY d.rows IS NULL, d.member, d.type, d.identity, d.oid) AS place, d.type, d.identity, d.rows
  FROM defined d WHERE d.told AND d.identity IS NOT NULL
)
SELECT pg_catalog.json_build_object(
  'objects', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'kind', s.type, 'name', s.identity, 'rows', s.rows) ORDER BY s.place)
    FROM shown s WHERE s.place OPERATOR(pg_catalog.<=) $6::pg_catalog.int8), '[]'::pg_catalog.json),
  'count', (SELECT pg_catalog.count(s.place) FROM shown s),
  'rows', (SELECT COALESCE(pg_catalog.sum(d.rows), 0)::pg_catalog.int8 FROM defined d WHERE d.told),
  'fingerprint', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE((
    SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', d.class, d.oid, d.sub, d.type, d.identity,
        pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE(d.definition, ''),
          pg_catalog.getdatabaseencoding())), 'hex')), ';' ORDER BY d.class, d.oid, d.sub)
    FROM defined d), ''), pg_catalog.getdatabaseencoding())), 'hex'))
