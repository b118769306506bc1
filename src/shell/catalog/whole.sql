-- One row with one JSON value, or none if it is gone: all that a table is made of. $1 lock timeout; $2 the table's oid.
-- Names in definitions are written out in full: nothing is found by the search path while they are made.
WITH guard AS MATERIALIZED (
  SELECT pg_catalog.set_config('lock_timeout', $1::pg_catalog.text, true) AS timeout, pg_catalog.set_config('search_path', '', true) AS path
), tab AS MATERIALIZED (
  SELECT c.oid, c.relname, c.relnamespace, c.reltype, c.reloftype, c.relowner, c.relam, c.reltablespace, c.reltoastrelid, c.reloptions,
    c.relreplident, c.relrowsecurity, c.relforcerowsecurity, t.typarray
  FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) c.reltype
  WHERE c.oid OPERATOR(pg_catalog.=) $2::pg_catalog.oid
), owned AS MATERIALIZED (
  SELECT s.oid, s.relname, s.relnamespace, s.relowner, s.relacl, a.attname, a.attidentity
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) d.objid AND s.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char"
  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) d.refobjid AND a.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) d.refobjsubid
  WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    AND d.refobjid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::pg_catalog."char"[])
), depends AS MATERIALIZED (
  SELECT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend d, tab
  WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
      AND (d.refobjid OPERATOR(pg_catalog.=) tab.oid
        -- Its sequence goes with an identity, and comes anew.
        OR d.refobjid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.oid FROM owned o WHERE o.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog."char")))
    OR d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
      AND (d.refobjid OPERATOR(pg_catalog.=) tab.reltype OR d.refobjid OPERATOR(pg_catalog.=) tab.typarray)
), views AS MATERIALIZED (
  SELECT r.oid AS rule, v.oid, v.relname, v.relnamespace, v.relowner, v.reloptions, v.relpersistence
  FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) r.ev_class
  WHERE r.rulename OPERATOR(pg_catalog.=) '_RETURN'::pg_catalog.name AND v.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
    AND r.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT d.objid FROM pg_catalog.pg_depend d
      WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
        AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        AND d.refobjid OPERATOR(pg_catalog.=) $2::pg_catalog.oid))
), others AS MATERIALIZED (
  SELECT d.classid, d.objid, d.objsubid FROM depends d, tab
  WHERE NOT CASE
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
      THEN d.objid OPERATOR(pg_catalog.=) tab.oid OR d.objid OPERATOR(pg_catalog.=) tab.reltoastrelid
        OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid OPERATOR(pg_catalog.=) d.objid AND i.indrelid OPERATOR(pg_catalog.=) tab.oid)
        OR EXISTS (SELECT FROM owned o WHERE o.oid OPERATOR(pg_catalog.=) d.objid)
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
      THEN d.objid OPERATOR(pg_catalog.=) tab.reltype OR d.objid OPERATOR(pg_catalog.=) tab.typarray
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
      THEN EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.oid OPERATOR(pg_catalog.=) d.objid
        AND (o.conrelid OPERATOR(pg_catalog.=) tab.oid OR o.confrelid OPERATOR(pg_catalog.=) tab.oid))
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid
      THEN EXISTS (SELECT FROM pg_catalog.pg_attrdef e WHERE e.oid OPERATOR(pg_catalog.=) d.objid AND e.adrelid OPERATOR(pg_catalog.=) tab.oid)
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid
      -- Those of a foreign key's other table are the foreign key's.
      THEN EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.oid OPERATOR(pg_catalog.=) d.objid
        AND (g.tgrelid OPERATOR(pg_catalog.=) tab.oid OR g.tgisinternal))
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid
      THEN EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.oid OPERATOR(pg_catalog.=) d.objid AND p.polrelid OPERATOR(pg_catalog.=) tab.oid)
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
      THEN EXISTS (SELECT FROM views v WHERE v.rule OPERATOR(pg_catalog.=) d.objid)
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid
      THEN EXISTS (SELECT FROM pg_catalog.pg_statistic_ext s WHERE s.oid OPERATOR(pg_catalog.=) d.objid AND s.stxrelid OPERATOR(pg_catalog.=) tab.oid)
    WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_publication_rel'::pg_catalog.regclass::pg_catalog.oid
      THEN EXISTS (SELECT FROM pg_catalog.pg_publication_rel p WHERE p.oid OPERATOR(pg_catalog.=) d.objid AND p.prrelid OPERATOR(pg_catalog.=) tab.oid)
    ELSE false END
)
SELECT pg_catalog.json_build_object(
  'shape', {shape},
  'access_method', COALESCE((SELECT m.amname FROM pg_catalog.pg_am m WHERE m.oid OPERATOR(pg_catalog.=) tab.relam), 'heap'),
  'tablespace', (SELECT s.spcname FROM pg_catalog.pg_tablespace s WHERE s.oid OPERATOR(pg_catalog.=)
    CASE WHEN tab.reltablespace OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN tab.reltablespace
      ELSE (SELECT d.dattablespace FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) END),
  'options', COALESCE((SELECT pg_catalog.json_agg(o.text) FROM (
      SELECT pg_catalog.unnest(tab.reloptions) AS text
      UNION ALL
      SELECT 'toast.' OPERATOR(pg_catalog.||) pg_catalog.unnest(t.reloptions) FROM pg_catalog.pg_class t
      WHERE t.oid OPERATOR(pg_catalog.=) tab.reltoastrelid) o), '[]'::pg_catalog.json),
  'replica_identity', tab.relreplident,
  'columns', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'number', a.attnum,
      'type_sql', pg_catalog.format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
      'plain', t.typtype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char" OR t.typtype OPERATOR(pg_catalog.=) 'b'::pg_catalog."char"
        AND t.typnamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid,
      'generated', CASE WHEN a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char" THEN a.attgenerated END,
      'statistics', CASE WHEN a.attstattarget::pg_catalog.int4 OPERATOR(pg_catalog.>=) 0 THEN a.attstattarget::pg_catalog.int4 END,
      'options', COALESCE(pg_catalog.array_to_json(a.attoptions), '[]'::pg_catalog.json)) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
    WHERE a.attrelid OPERATOR(pg_catalog.=) tab.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped), '[]'::pg_catalog.json),
  'indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', x.relname, 'definition', pg_catalog.pg_get_indexdef(x.oid),
      'valid', i.indisvalid AND i.indisready, 'unique', i.indisunique, 'immediate', i.indimmediate,
      'computed', i.indexprs IS NOT NULL OR i.indpred IS NOT NULL,
      'constraint', (SELECT o.conname FROM pg_catalog.pg_constraint o
        WHERE o.conindid OPERATOR(pg_catalog.=) x.oid AND o.conrelid OPERATOR(pg_catalog.=) i.indrelid
          AND o.contype OPERATOR(pg_catalog.=) ANY ('{p,u,x}'::pg_catalog."char"[]) LIMIT 1),
      'replica_identity', i.indisreplident, 'clustered', i.indisclustered,
      'tablespace', (SELECT s.spcname FROM pg_catalog.pg_tablespace s WHERE s.oid OPERATOR(pg_catalog.=)
        CASE WHEN x.reltablespace OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN x.reltablespace
          ELSE (SELECT d.dattablespace FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) END),
      'comment', pg_catalog.obj_description(x.oid, 'pg_class'),
      'btree', (SELECT m.amname OPERATOR(pg_catalog.=) 'btree'::pg_catalog.name FROM pg_catalog.pg_am m WHERE m.oid OPERATOR(pg_catalog.=) x.relam),
      'keys', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('column', a.attname,
          'descending', pg_catalog.int2and(k.option, 1::pg_catalog.int2) OPERATOR(pg_catalog.<>) 0::pg_catalog.int2,
          'nulls_first', pg_catalog.int2and(k.option, 2::pg_catalog.int2) OPERATOR(pg_catalog.<>) 0::pg_catalog.int2,
          'usual', COALESCE(c.opcdefault AND (k.sorts OPERATOR(pg_catalog.=) 0::pg_catalog.oid
            OR k.sorts OPERATOR(pg_catalog.=) a.attcollation), false)) ORDER BY k.place)
        FROM ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indoption::pg_catalog.int2[]),
            pg_catalog.unnest(i.indclass::pg_catalog.oid[]), pg_catalog.unnest(i.indcollation::pg_catalog.oid[]))
          WITH ORDINALITY AS k(attnum, option, class, sorts, place)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) k.attnum
          AND k.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
        LEFT JOIN pg_catalog.pg_opclass c ON c.oid OPERATOR(pg_catalog.=) k.class
        WHERE k.place OPERATOR(pg_catalog.<=) i.indnkeyatts::pg_catalog.int8), '[]'::pg_catalog.json),
      'statistics', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attstattarget) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) x.oid
          AND a.attstattarget::pg_catalog.int4 OPERATOR(pg_catalog.>=) 0), '[]'::pg_catalog.json)) ORDER BY x.relname)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
    WHERE i.indrelid OPERATOR(pg_catalog.=) tab.oid), '[]'::pg_catalog.json),
  'constraints', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', o.conname, 'kind', o.contype,
      'definition', pg_catalog.pg_get_constraintdef(o.oid), 'validated', o.convalidated,
      'deferrable', o.condeferrable, 'deferred', o.condeferred,
      'comment', pg_catalog.obj_description(o.oid, 'pg_constraint')) ORDER BY o.oid)
    FROM pg_catalog.pg_constraint o WHERE o.conrelid OPERATOR(pg_catalog.=) tab.oid
      AND o.contype OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
      -- The server has one of its own for each partition of a referenced table.
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p WHERE p.oid OPERATOR(pg_catalog.=) o.conparentid
        AND p.conrelid OPERATOR(pg_catalog.=) o.conrelid)), '[]'::pg_catalog.json),
  'triggers', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', g.tgname,
      'definition', pg_catalog.pg_get_triggerdef(g.oid), 'enabled', g.tgenabled,
      'comment', pg_catalog.obj_description(g.oid, 'pg_trigger')) ORDER BY g.tgname)
    FROM pg_catalog.pg_trigger g WHERE g.tgrelid OPERATOR(pg_catalog.=) tab.oid AND NOT g.tgisinternal
      AND NOT pg_catalog.starts_with(g.tgname::pg_catalog.text, '{copy_trigger}')), '[]'::pg_catalog.json),
  'policies', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', p.polname,
      'permissive', p.polpermissive, 'command', p.polcmd,
      'roles', (SELECT pg_catalog.json_agg(CASE WHEN r.oid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(r.oid) END
        ORDER BY r.oid) FROM pg_catalog.unnest(p.polroles) AS r(oid)),
      'using_sql', pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'check_sql', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
      'comment', pg_catalog.obj_description(p.oid, 'pg_policy')) ORDER BY p.polname)
    FROM pg_catalog.pg_policy p WHERE p.polrelid OPERATOR(pg_catalog.=) tab.oid), '[]'::pg_catalog.json),
  'statistics_objects', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', n.nspname, 'name', s.stxname,
      'definition', pg_catalog.pg_get_statisticsobjdef(s.oid), 'owner', pg_catalog.pg_get_userbyid(s.stxowner),
      'of_another', NOT pg_catalog.pg_has_role(s.stxowner, 'MEMBER'),
      'target', CASE WHEN s.stxstattarget::pg_catalog.int4 OPERATOR(pg_catalog.>=) 0 THEN s.stxstattarget::pg_catalog.int4 END,
      'comment', pg_catalog.obj_description(s.oid, 'pg_statistic_ext')) ORDER BY s.stxname)
    FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.stxnamespace
    WHERE s.stxrelid OPERATOR(pg_catalog.=) tab.oid), '[]'::pg_catalog.json),
  'sequences', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('column', s.attname,
      'identity', CASE WHEN s.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog."char" THEN s.attidentity END,
      'schema', n.nspname, 'name', s.relname, 'type_sql', pg_catalog.format_type(q.seqtypid, NULL),
      'start', q.seqstart, 'increment', q.seqincrement, 'min', q.seqmin, 'max', q.seqmax, 'cache', q.seqcache,
      'cycle', q.seqcycle, 'comment', pg_catalog.obj_description(s.oid, 'pg_class'),
      'grants', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('privilege', x.privilege_type,
          'grantable', x.is_grantable,
          'grantee', CASE WHEN x.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(x.grantee) END,
          'by_owner', x.grantor OPERATOR(pg_catalog.=) s.relowner))
        FROM pg_catalog.aclexplode(s.relacl) AS x WHERE x.grantee OPERATOR(pg_catalog.<>) s.relowner), '[]'::pg_catalog.json)) ORDER BY s.relname)
    FROM owned s JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.relnamespace
    JOIN pg_catalog.pg_sequence q ON q.seqrelid OPERATOR(pg_catalog.=) s.oid), '[]'::pg_catalog.json),
  'views', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', n.nspname, 'name', v.relname,
      'owner', pg_catalog.pg_get_userbyid(v.relowner), 'definition', pg_catalog.pg_get_viewdef(v.oid),
      'options', COALESCE(pg_catalog.array_to_json(v.reloptions), '[]'::pg_catalog.json),
      'temporary', v.relpersistence OPERATOR(pg_catalog.=) 't'::pg_catalog."char",
      'may_replace', pg_catalog.pg_has_role(v.relowner, 'USAGE') AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')
        AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')) ORDER BY v.oid)
    FROM views v JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) v.relnamespace), '[]'::pg_catalog.json),
  'incoming', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', n.nspname, 'table', c.relname,
      'name', o.conname, 'definition', pg_catalog.pg_get_constraintdef(o.oid), 'validated', o.convalidated,
      'comment', pg_catalog.obj_description(o.oid, 'pg_constraint'),
      'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
        FROM pg_catalog.unnest(o.confkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) o.confrelid AND a.attnum OPERATOR(pg_catalog.=) k.attnum),
      'index', (SELECT x.relname FROM pg_catalog.pg_class x WHERE x.oid OPERATOR(pg_catalog.=) o.conindid),
      'own', c.oid OPERATOR(pg_catalog.=) tab.oid,
      'plain', c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char" AND NOT c.relispartition,
      'persistence', CASE WHEN c.relpersistence OPERATOR(pg_catalog.=) 'p'::pg_catalog."char" THEN 'permanent'
        WHEN c.relpersistence OPERATOR(pg_catalog.=) 'u'::pg_catalog."char" THEN 'unlogged' ELSE 'temporary' END,
      'may_alter', pg_catalog.pg_has_role(c.relowner, 'USAGE') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')) ORDER BY o.oid)
    FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) o.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE o.confrelid OPERATOR(pg_catalog.=) tab.oid), '[]'::pg_catalog.json),
  'disabled_keys', EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgisinternal
    AND g.tgenabled OPERATOR(pg_catalog.<>) 'O'::pg_catalog."char"
    AND (g.tgrelid OPERATOR(pg_catalog.=) tab.oid OR g.tgconstrrelid OPERATOR(pg_catalog.=) tab.oid)),
  'refers_to_unlogged', (SELECT pg_catalog.format('%s.%s', n.nspname, c.relname)
    FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) o.confrelid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE o.conrelid OPERATOR(pg_catalog.=) tab.oid AND c.oid OPERATOR(pg_catalog.<>) tab.oid
      AND c.relpersistence OPERATOR(pg_catalog.<>) 'p'::pg_catalog."char" ORDER BY o.oid LIMIT 1),
  -- What 14 does not have is asked of the rows as they are there.
  'publications', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', p.pubname,
      'columns', CASE WHEN pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(r), 'prattrs') IS NOT NULL
        THEN pg_catalog.jsonb_extract_path(pg_catalog.to_jsonb(t), 'attnames') END,
      'filter', pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(t), 'rowfilter'),
      'may_alter', pg_catalog.pg_has_role(p.pubowner, 'USAGE')) ORDER BY r.oid)
    FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid OPERATOR(pg_catalog.=) r.prpubid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) tab.relnamespace
    LEFT JOIN pg_catalog.pg_publication_tables t ON t.pubname OPERATOR(pg_catalog.=) p.pubname
      AND t.schemaname OPERATOR(pg_catalog.=) n.nspname AND t.tablename OPERATOR(pg_catalog.=) tab.relname
    WHERE r.prrelid OPERATOR(pg_catalog.=) tab.oid), '[]'::pg_catalog.json),
  'published_by_place', (SELECT p.pubname FROM pg_catalog.pg_publication p
    -- FOR TABLES IN SCHEMA, from 15 on: 6237 is pg_publication_namespace, which 14 does not have.
    WHERE p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_depend o
        ON o.classid OPERATOR(pg_catalog.=) d.classid AND o.objid OPERATOR(pg_catalog.=) d.objid
      WHERE d.classid OPERATOR(pg_catalog.=) 6237::pg_catalog.oid AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
        AND d.refobjid OPERATOR(pg_catalog.=) tab.relnamespace AND o.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_publication'::pg_catalog.regclass::pg_catalog.oid
        AND o.refobjid OPERATOR(pg_catalog.=) p.oid) ORDER BY p.pubname LIMIT 1),
  'subscription', (SELECT COALESCE((SELECT u.subname::pg_catalog.text FROM pg_catalog.pg_subscription u WHERE u.oid OPERATOR(pg_catalog.=) s.srsubid),
      s.srsubid::pg_catalog.text)
    FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid OPERATOR(pg_catalog.=) tab.oid ORDER BY s.srsubid LIMIT 1),
  'others', COALESCE((SELECT pg_catalog.json_agg(u.what ORDER BY u.what) FROM (
      -- On 14 what the server needs itself hangs on nothing.
      SELECT COALESCE(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), 'the server') AS what FROM others d GROUP BY 1) u), '[]'::pg_catalog.json),
  'row_security', tab.relrowsecurity, 'forced_row_security', tab.relforcerowsecurity,
  'hides_rows', pg_catalog.row_security_active(tab.oid),
  'typed_table', tab.reloftype OPERATOR(pg_catalog.<>) 0::pg_catalog.oid,
  'inherits', EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) tab.oid),
  'of_extension', EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND d.objid OPERATOR(pg_catalog.=) tab.oid
      AND d.deptype OPERATOR(pg_catalog.=) ANY ('{e,x}'::pg_catalog."char"[])),
  'type_marked', EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) tab.reltype AND t.typacl IS NOT NULL)
    OR pg_catalog.obj_description(tab.reltype, 'pg_type') IS NOT NULL,
  'labelled', EXISTS (SELECT FROM pg_catalog.pg_seclabel l WHERE l.objoid OPERATOR(pg_catalog.=) tab.oid
    AND l.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid),
  'may_create', pg_catalog.has_schema_privilege(tab.relnamespace, 'CREATE'),
  'is_owner', pg_catalog.pg_has_role(tab.relowner, 'USAGE'),
  'helpers', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', h.name, 'notes', h.notes) ORDER BY h.name, h.notes) FROM (
      SELECT c.relname AS name, pg_catalog.obj_description(c.oid, 'pg_class') IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
          WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attname OPERATOR(pg_catalog.=) 'k0'::pg_catalog.name) AS notes
      FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) tab.relnamespace
        AND pg_catalog.starts_with(c.relname::pg_catalog.text, 'lockkeeper_')
      UNION ALL SELECT t.typname, false FROM pg_catalog.pg_type t WHERE t.typnamespace OPERATOR(pg_catalog.=) tab.relnamespace
        AND t.typrelid OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND pg_catalog.starts_with(t.typname::pg_catalog.text, 'lockkeeper_')
      UNION ALL SELECT p.proname, false FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) tab.relnamespace
        AND pg_catalog.starts_with(p.proname::pg_catalog.text, 'lockkeeper_')) h), '[]'::pg_catalog.json))
FROM guard, tab WHERE guard.timeout IS NOT NULL AND guard.path IS NOT NULL
