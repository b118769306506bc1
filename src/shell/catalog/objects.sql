-- One row per object, in order: is there one of its kind with this name, in whatever schema and on whatever table?
-- Or does a table have a column of a type, or of what is made of it (USED TYPE)?
-- $1 kinds; $2 names without their schemas; $3 arrays of the types that tell it from others of its name, empty where they
-- are not known.
SELECT EXISTS (
  SELECT 1 FROM pg_catalog.pg_namespace o
  WHERE w.kind OPERATOR(pg_catalog.=) 'SCHEMA' AND o.nspname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_extension o
  WHERE w.kind OPERATOR(pg_catalog.=) 'EXTENSION' AND o.extname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_type o
  WHERE w.kind OPERATOR(pg_catalog.=) ANY ('{TYPE,DOMAIN}'::pg_catalog.text[])
    AND o.typname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_proc o
  WHERE w.kind OPERATOR(pg_catalog.=) ANY ('{FUNCTION,PROCEDURE,ROUTINE,AGGREGATE}'::pg_catalog.text[])
    AND o.proname OPERATOR(pg_catalog.=) w.name::pg_catalog.name AND CASE WHEN w.arguments OPERATOR(pg_catalog.=) '' THEN true ELSE EXISTS (
      SELECT FROM (SELECT o.proargtypes::pg_catalog.oid[] AS types UNION ALL SELECT o.proallargtypes) k
      WHERE w.arguments::pg_catalog.text[] OPERATOR(pg_catalog.=) COALESCE((SELECT pg_catalog.array_agg(t.typname::pg_catalog.text ORDER BY a.place)
        FROM pg_catalog.unnest(k.types) WITH ORDINALITY AS a(oid, place)
        JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.oid), '{}'::pg_catalog.text[])) END
  UNION ALL SELECT 1 FROM pg_catalog.pg_operator o
  WHERE w.kind OPERATOR(pg_catalog.=) 'OPERATOR' AND o.oprname OPERATOR(pg_catalog.=) w.name::pg_catalog.name AND CASE WHEN w.arguments OPERATOR(pg_catalog.=) '' THEN true
    ELSE w.arguments::pg_catalog.text[] OPERATOR(pg_catalog.=) ARRAY[
      COALESCE((SELECT t.typname::pg_catalog.text FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) o.oprleft), ''),
      COALESCE((SELECT t.typname::pg_catalog.text FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) o.oprright), '')] END
  UNION ALL SELECT 1 FROM pg_catalog.pg_cast o JOIN pg_catalog.pg_type f ON f.oid OPERATOR(pg_catalog.=) o.castsource JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) o.casttarget
  WHERE w.kind OPERATOR(pg_catalog.=) 'CAST' AND CASE WHEN w.arguments OPERATOR(pg_catalog.=) '' THEN true
    ELSE w.arguments::pg_catalog.text[] OPERATOR(pg_catalog.=) ARRAY[f.typname::pg_catalog.text, t.typname::pg_catalog.text] END
  UNION ALL SELECT 1 FROM pg_catalog.pg_transform o JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) o.trflang JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) o.trftype
  WHERE w.kind OPERATOR(pg_catalog.=) 'TRANSFORM' AND l.lanname OPERATOR(pg_catalog.=) w.name::pg_catalog.name AND CASE WHEN w.arguments OPERATOR(pg_catalog.=) '' THEN true
    ELSE w.arguments::pg_catalog.text[] OPERATOR(pg_catalog.=) ARRAY[t.typname::pg_catalog.text] END
  UNION ALL SELECT 1 FROM pg_catalog.pg_trigger o
  WHERE w.kind OPERATOR(pg_catalog.=) 'TRIGGER' AND o.tgname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_policy o
  WHERE w.kind OPERATOR(pg_catalog.=) 'POLICY' AND o.polname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_rewrite o
  WHERE w.kind OPERATOR(pg_catalog.=) 'RULE' AND o.rulename OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_publication o
  WHERE w.kind OPERATOR(pg_catalog.=) 'PUBLICATION' AND o.pubname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_subscription o
  WHERE w.kind OPERATOR(pg_catalog.=) 'SUBSCRIPTION' AND o.subname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_statistic_ext o
  WHERE w.kind OPERATOR(pg_catalog.=) 'STATISTICS' AND o.stxname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_collation o
  WHERE w.kind OPERATOR(pg_catalog.=) 'COLLATION' AND o.collname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_foreign_server o
  WHERE (w.kind OPERATOR(pg_catalog.=) 'SERVER' OR w.kind OPERATOR(pg_catalog.=) 'USER MAPPING' AND w.arguments OPERATOR(pg_catalog.=) '') AND o.srvname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_user_mappings o
  WHERE w.kind OPERATOR(pg_catalog.=) 'USER MAPPING' AND o.srvname OPERATOR(pg_catalog.=) w.name::pg_catalog.name AND CASE WHEN w.arguments OPERATOR(pg_catalog.=) '' THEN true
    ELSE w.arguments::pg_catalog.text[] OPERATOR(pg_catalog.=) ARRAY[o.usename::pg_catalog.text] END
  UNION ALL SELECT 1 FROM pg_catalog.pg_foreign_data_wrapper o
  WHERE w.kind OPERATOR(pg_catalog.=) 'FOREIGN DATA WRAPPER' AND o.fdwname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_event_trigger o
  WHERE w.kind OPERATOR(pg_catalog.=) 'EVENT TRIGGER' AND o.evtname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_language o
  WHERE w.kind OPERATOR(pg_catalog.=) 'LANGUAGE' AND o.lanname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_roles o
  WHERE w.kind OPERATOR(pg_catalog.=) 'ROLE' AND o.rolname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_database o
  WHERE w.kind OPERATOR(pg_catalog.=) 'DATABASE' AND o.datname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_conversion o
  WHERE w.kind OPERATOR(pg_catalog.=) 'CONVERSION' AND o.conname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_am o
  WHERE w.kind OPERATOR(pg_catalog.=) 'ACCESS METHOD' AND o.amname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_tablespace o
  WHERE w.kind OPERATOR(pg_catalog.=) 'TABLESPACE' AND o.spcname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_opclass o
  WHERE w.kind OPERATOR(pg_catalog.=) 'OPERATOR CLASS' AND o.opcname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_opfamily o
  WHERE w.kind OPERATOR(pg_catalog.=) 'OPERATOR FAMILY' AND o.opfname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_ts_config o
  WHERE w.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH CONFIGURATION' AND o.cfgname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_ts_dict o
  WHERE w.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH DICTIONARY' AND o.dictname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_ts_parser o
  WHERE w.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH PARSER' AND o.prsname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM pg_catalog.pg_ts_template o
  WHERE w.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH TEMPLATE' AND o.tmplname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL SELECT 1 FROM (
    WITH RECURSIVE made (oid) AS (
      SELECT t.oid FROM pg_catalog.pg_type t WHERE w.kind OPERATOR(pg_catalog.=) 'USED TYPE' AND t.typname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
      UNION
      SELECT x.oid FROM made m, LATERAL (
        SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typelem OPERATOR(pg_catalog.=) m.oid OR t.typbasetype OPERATOR(pg_catalog.=) m.oid
        UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngsubtype OPERATOR(pg_catalog.=) m.oid
        UNION ALL SELECT r.rngmultitypid FROM pg_catalog.pg_range r WHERE r.rngtypid OPERATOR(pg_catalog.=) m.oid
        UNION ALL SELECT c.reltype FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
        WHERE a.atttypid OPERATOR(pg_catalog.=) m.oid AND NOT a.attisdropped AND c.relkind OPERATOR(pg_catalog.=) 'c'::pg_catalog."char"
      ) x
    )
    SELECT FROM made m WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.reloftype OPERATOR(pg_catalog.=) m.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
        WHERE a.atttypid OPERATOR(pg_catalog.=) m.oid AND NOT a.attisdropped AND c.relkind OPERATOR(pg_catalog.<>) 'c'::pg_catalog."char")
  ) used)
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
    pg_catalog.unnest($3::pg_catalog.text[]))
  WITH ORDINALITY AS w(kind, name, arguments, place)
ORDER BY w.place
