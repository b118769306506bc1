-- One row per object, in order: is there one of its kind with this name, in whatever schema and on whatever table?
-- $1 kinds; $2 names without their schemas.
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
    AND o.proname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
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
  WHERE w.kind OPERATOR(pg_catalog.=) ANY ('{SERVER,USER MAPPING}'::pg_catalog.text[])
    AND o.srvname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
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
  WHERE w.kind OPERATOR(pg_catalog.=) 'TEXT SEARCH TEMPLATE' AND o.tmplname OPERATOR(pg_catalog.=) w.name::pg_catalog.name)
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
  WITH ORDINALITY AS w(kind, name, place)
ORDER BY w.place
