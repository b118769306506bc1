-- One row with one JSON value, or none if there is no such column: what hangs on one column whose type changes.
-- $1 lock timeout; $2 the table's oid; $3 the column; $4 the types it is cast to, one after the other.
-- Names in definitions are written out in full: nothing is found by the search path while they are made.
WITH RECURSIVE guard AS MATERIALIZED (
  SELECT pg_catalog.set_config('lock_timeout', $1::pg_catalog.text, true) AS timeout, pg_catalog.set_config('search_path', '', true) AS path
), col AS MATERIALIZED (
  SELECT a.attnum, a.atttypid, a.atttypmod, a.attcollation, a.attidentity, a.attgenerated, a.attstorage, a.attcompression, a.attoptions, a.attacl,
    a.attinhcount, a.attstattarget::pg_catalog.int4 AS statistics, c.relowner, c.relnamespace, c.relreplident, c.reltype,
    c.reloftype, c.relforcerowsecurity
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
  WHERE a.attrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND a.attname OPERATOR(pg_catalog.=) $3::pg_catalog.name AND NOT a.attisdropped AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
), hangs AS MATERIALIZED (
  SELECT d.classid, d.objid, d.objsubid, d.deptype FROM pg_catalog.pg_depend d, col
  WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND d.refobjid OPERATOR(pg_catalog.=) $2::pg_catalog.oid
    AND d.refobjsubid OPERATOR(pg_catalog.=) col.attnum::pg_catalog.int4
), chain (place, oid, modifier) AS MATERIALIZED (
  SELECT 0::pg_catalog.int8, col.atttypid, col.atttypmod FROM col
  UNION ALL SELECT w.place, w.oid, (-1)::pg_catalog.int4 FROM pg_catalog.unnest($4::pg_catalog.oid[]) WITH ORDINALITY AS w(oid, place)
), unwrapped (place, oid, modifier) AS (
  SELECT c.place, c.oid, c.modifier FROM chain c
  UNION ALL
  SELECT u.place, t.typbasetype, t.typtypmod FROM unwrapped u JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) u.oid
  WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
), whole AS MATERIALIZED (
  SELECT u.place, t.oid, u.modifier, t.typcategory OPERATOR(pg_catalog.=) 'A'::pg_catalog."char" AS is_array,
    CASE WHEN t.typcategory OPERATOR(pg_catalog.=) 'A'::pg_catalog."char" THEN t.typelem ELSE t.oid END AS element
  FROM unwrapped u JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) u.oid WHERE t.typtype OPERATOR(pg_catalog.<>) 'd'::pg_catalog."char"
), inner_most (place, oid) AS (
  -- Arrays of a domain are cast as what is behind it.
  SELECT w.place, w.element FROM whole w
  UNION ALL
  SELECT i.place, t.typbasetype FROM inner_most i JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) i.oid
  WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
), base AS MATERIALIZED (
  SELECT w.place, w.oid, w.modifier, w.is_array, t.oid AS element, t.typtype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char" AS is_row
  FROM whole w JOIN inner_most i ON i.place OPERATOR(pg_catalog.=) w.place
  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) i.oid AND t.typtype OPERATOR(pg_catalog.<>) 'd'::pg_catalog."char"
), casts AS MATERIALIZED (
  SELECT b.place, pg_catalog.format_type(c.oid, NULL) AS type_sql, pg_catalog.format_type(b.oid, b.modifier) AS base_sql, b.is_array,
    f.oid OPERATOR(pg_catalog.=) b.oid AS same,
    -- From an array to one of the same elements under another name, and from a table's row to that of its parent.
    f.is_array AND b.is_array AND f.element OPERATOR(pg_catalog.=) b.element AS alike,
    f.is_row AND b.is_row AND f.is_array OPERATOR(pg_catalog.=) b.is_array AS rows,
    -- A domain may have a collation that the type behind it has not.
    (SELECT n.typcollation OPERATOR(pg_catalog.=) col.attcollation FROM col, pg_catalog.pg_type n
      WHERE n.oid OPERATOR(pg_catalog.=) c.oid) AS collates_alike,
    (SELECT k.castmethod FROM pg_catalog.pg_cast k
      WHERE k.castsource OPERATOR(pg_catalog.=) f.element AND k.casttarget OPERATOR(pg_catalog.=) b.element AND f.is_array OPERATOR(pg_catalog.=) b.is_array) AS method,
    (SELECT k.castcontext FROM pg_catalog.pg_cast k
      WHERE k.castsource OPERATOR(pg_catalog.=) f.element AND k.casttarget OPERATOR(pg_catalog.=) b.element AND f.is_array OPERATOR(pg_catalog.=) b.is_array) AS context,
    (SELECT p.provolatile OPERATOR(pg_catalog.=) 'i'::pg_catalog."char" FROM pg_catalog.pg_cast k JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) k.castfunc
      WHERE k.castsource OPERATOR(pg_catalog.=) f.element AND k.casttarget OPERATOR(pg_catalog.=) b.element AND f.is_array OPERATOR(pg_catalog.=) b.is_array) AS immutable,
    -- Both have text forms that no setting changes.
    (SELECT pg_catalog.bool_and(e.typtype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char" OR e.typname OPERATOR(pg_catalog.=) 'citext'::pg_catalog.name OR e.oid OPERATOR(pg_catalog.=) ANY (
        '{16,18,19,20,21,23,25,26,114,650,774,829,869,1042,1043,1560,1562,1700,2950,3802}'::pg_catalog.oid[]))
      FROM pg_catalog.pg_type e WHERE e.oid OPERATOR(pg_catalog.=) f.element OR e.oid OPERATOR(pg_catalog.=) b.element) AS plain_text,
    (SELECT e.typcategory OPERATOR(pg_catalog.=) 'S'::pg_catalog."char" FROM pg_catalog.pg_type e WHERE e.oid OPERATOR(pg_catalog.=) b.element) AS to_string
  FROM base b JOIN base f ON f.place OPERATOR(pg_catalog.=) (b.place OPERATOR(pg_catalog.-) 1::pg_catalog.int8)
  JOIN chain c ON c.place OPERATOR(pg_catalog.=) b.place
), tree (oid) AS (
  SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) $2::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) tree.oid
), below AS MATERIALIZED (
  SELECT tree.oid, a.attnum FROM tree JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) tree.oid
    AND a.attname OPERATOR(pg_catalog.=) $3::pg_catalog.name
), below_indexes AS MATERIALIZED (
  SELECT below.oid, i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
      OR x.relkind OPERATOR(pg_catalog.=) 'I'::pg_catalog."char" AS anew
  FROM below JOIN pg_catalog.pg_depend d ON d.refobjid OPERATOR(pg_catalog.=) below.oid
    AND d.refobjsubid OPERATOR(pg_catalog.=) below.attnum::pg_catalog.int4
    AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
  JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) d.objid
  JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
  UNION ALL
  -- An index of a constraint hangs on that, and not on the column.
  SELECT below.oid, x.relkind OPERATOR(pg_catalog.=) 'I'::pg_catalog."char"
  FROM below JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) below.oid
    AND below.attnum OPERATOR(pg_catalog.=) ANY (i.indkey::pg_catalog.int2[])
  JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
)
SELECT pg_catalog.json_build_object(
  'position', col.attnum, 'shape', {shape}, 'type_sql', pg_catalog.format_type(col.atttypid, col.atttypmod), 'base_sql', (SELECT pg_catalog.format_type(b.oid, b.modifier) FROM base b WHERE b.place OPERATOR(pg_catalog.=) 0::pg_catalog.int8),
  'casts', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('type_sql', k.type_sql, 'base_sql', k.base_sql,
      'is_array', k.is_array, 'same', k.same, 'collates_alike', k.collates_alike, 'method', CASE WHEN k.alike THEN 'b' ELSE k.method END,
      'context', CASE WHEN k.alike OR k.rows THEN 'i' ELSE k.context END,
      'immutable', COALESCE(k.immutable, false), 'plain_text', COALESCE(k.plain_text, false),
      'to_string', COALESCE(k.to_string, false)) ORDER BY k.place) FROM casts k), '[]'::pg_catalog.json),
  'is_last', NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND NOT a.attisdropped
    AND a.attnum OPERATOR(pg_catalog.>) col.attnum),
  'default_sql', (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
    WHERE d.adrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND d.adnum OPERATOR(pg_catalog.=) col.attnum AND col.attgenerated OPERATOR(pg_catalog.=) ''::pg_catalog."char"),
  'identity', CASE WHEN col.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog."char" THEN col.attidentity END,
  'collation', (SELECT pg_catalog.json_build_object('schema', n.nspname, 'name', o.collname)
    FROM pg_catalog.pg_collation o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.collnamespace
    JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) col.atttypid
    WHERE o.oid OPERATOR(pg_catalog.=) col.attcollation AND o.oid OPERATOR(pg_catalog.<>) t.typcollation),
  'comment', pg_catalog.col_description($2::pg_catalog.oid, col.attnum::pg_catalog.int4),
  'options', COALESCE(pg_catalog.array_to_json(col.attoptions), '[]'::pg_catalog.json),
  'storage', CASE WHEN col.attstorage OPERATOR(pg_catalog.=) 'p'::pg_catalog."char" THEN 'PLAIN'
    WHEN col.attstorage OPERATOR(pg_catalog.=) 'e'::pg_catalog."char" THEN 'EXTERNAL'
    WHEN col.attstorage OPERATOR(pg_catalog.=) 'm'::pg_catalog."char" THEN 'MAIN'
    WHEN col.attstorage OPERATOR(pg_catalog.=) 'x'::pg_catalog."char" THEN 'EXTENDED' END,
  'compression', CASE WHEN col.attcompression OPERATOR(pg_catalog.=) 'p'::pg_catalog."char" THEN 'pglz'
    WHEN col.attcompression OPERATOR(pg_catalog.=) 'l'::pg_catalog."char" THEN 'lz4' END,
  'statistics', CASE WHEN col.statistics OPERATOR(pg_catalog.>=) 0 THEN col.statistics END,
  'grants', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('privilege', x.privilege_type, 'grantable', x.is_grantable,
      'grantee', CASE WHEN x.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(x.grantee) END,
      'by_owner', x.grantor OPERATOR(pg_catalog.=) col.relowner))
    FROM pg_catalog.aclexplode(col.attacl) AS x), '[]'::pg_catalog.json),
  'sequence', (SELECT pg_catalog.json_build_object('schema', n.nspname, 'name', s.relname, 'type_sql', pg_catalog.format_type(q.seqtypid, NULL),
      'start', q.seqstart, 'increment', q.seqincrement, 'min', q.seqmin, 'max', q.seqmax, 'cache', q.seqcache,
      'cycle', q.seqcycle, 'comment', pg_catalog.obj_description(s.oid, 'pg_class'),
      'grants', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('privilege', x.privilege_type,
          'grantable', x.is_grantable,
          'grantee', CASE WHEN x.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(x.grantee) END,
          'by_owner', x.grantor OPERATOR(pg_catalog.=) s.relowner))
        FROM pg_catalog.aclexplode(s.relacl) AS x WHERE x.grantee OPERATOR(pg_catalog.<>) s.relowner), '[]'::pg_catalog.json))
    FROM hangs h JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) h.objid JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.relnamespace
    JOIN pg_catalog.pg_sequence q ON q.seqrelid OPERATOR(pg_catalog.=) s.oid
    WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND h.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::pg_catalog."char"[]) LIMIT 1),
  'indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', x.relname, 'definition', pg_catalog.pg_get_indexdef(x.oid),
      'valid', i.indisvalid AND i.indisready, 'unique', i.indisunique,
      'computed', i.indexprs IS NOT NULL OR i.indpred IS NOT NULL,
      'constraint', (SELECT o.conname FROM pg_catalog.pg_constraint o
        WHERE o.conindid OPERATOR(pg_catalog.=) x.oid AND o.conrelid OPERATOR(pg_catalog.=) i.indrelid
          AND o.contype OPERATOR(pg_catalog.=) ANY ('{p,u,x}'::pg_catalog."char"[]) LIMIT 1),
      'replica_identity', i.indisreplident, 'clustered', i.indisclustered,
      -- Its database's own is named only where a new index would come elsewhere.
      'tablespace', (SELECT s.spcname FROM pg_catalog.pg_tablespace s, pg_catalog.pg_database d
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND s.oid OPERATOR(pg_catalog.=) CASE
          WHEN x.reltablespace OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN x.reltablespace
          WHEN pg_catalog.current_setting('default_tablespace') OPERATOR(pg_catalog.<>) '' THEN d.dattablespace END),
      'comment', pg_catalog.obj_description(x.oid, 'pg_class'),
      'parts', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid OPERATOR(pg_catalog.=) x.oid), '[]'::pg_catalog.json),
      'plain', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum)
        FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.oid
          AND a.attnum::pg_catalog.int8 OPERATOR(pg_catalog.=) k.place
        WHERE k.attnum OPERATOR(pg_catalog.=) col.attnum), '[]'::pg_catalog.json)) ORDER BY x.relname)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
    WHERE i.indrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND (col.attnum OPERATOR(pg_catalog.=) ANY (i.indkey::pg_catalog.int2[]) OR EXISTS (SELECT FROM hangs h
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND h.objid OPERATOR(pg_catalog.=) x.oid))), '[]'::pg_catalog.json),
  'constraints', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', o.conname, 'kind', o.contype,
      'definition', pg_catalog.pg_get_constraintdef(o.oid), 'validated', o.convalidated,
      'deferrable', o.condeferrable, 'deferred', o.condeferred,
      'comment', pg_catalog.obj_description(o.oid, 'pg_constraint'),
      'local', o.conrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid, 'remote', o.confrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid,
      'schema', n.nspname, 'table', r.relname, 'plain', r.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char" AND NOT r.relispartition
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent OPERATOR(pg_catalog.=) r.oid),
      'referenced_schema', fn.nspname, 'referenced_table', f.relname,
      'references_parts', COALESCE(f.relkind OPERATOR(pg_catalog.=) 'p'::pg_catalog."char", false), 'may_alter', pg_catalog.pg_has_role(r.relowner, 'USAGE')
        AND pg_catalog.has_table_privilege(r.oid, 'UPDATE, DELETE, TRUNCATE'),
      'columns', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
        FROM pg_catalog.unnest(o.conkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) o.conrelid AND a.attnum OPERATOR(pg_catalog.=) k.attnum), '[]'::pg_catalog.json),
      'referenced', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
        FROM pg_catalog.unnest(o.confkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) o.confrelid AND a.attnum OPERATOR(pg_catalog.=) k.attnum), '[]'::pg_catalog.json)) ORDER BY o.conname)
    FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) o.conrelid JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) r.relnamespace
    LEFT JOIN pg_catalog.pg_class f ON f.oid OPERATOR(pg_catalog.=) o.confrelid
    LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid OPERATOR(pg_catalog.=) f.relnamespace
    WHERE o.conparentid OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND o.contype OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
      AND (o.conrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND col.attnum OPERATOR(pg_catalog.=) ANY (o.conkey)
        OR o.confrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND col.attnum OPERATOR(pg_catalog.=) ANY (o.confkey)
        -- What has the column only in its index: in INCLUDE, an expression, the condition of EXCLUDE.
        OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid OPERATOR(pg_catalog.=) o.conindid AND i.indrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid
          AND (col.attnum OPERATOR(pg_catalog.=) ANY (i.indkey::pg_catalog.int2[]) OR EXISTS (SELECT FROM hangs h
            WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND h.objid OPERATOR(pg_catalog.=) i.indexrelid))))), '[]'::pg_catalog.json),
  'statistics_objects', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', n.nspname, 'name', s.stxname,
      'definition', pg_catalog.pg_get_statisticsobjdef(s.oid), 'owner', pg_catalog.pg_get_userbyid(s.stxowner),
      'of_another', NOT pg_catalog.pg_has_role(s.stxowner, 'MEMBER'),
      'target', CASE WHEN s.stxstattarget::pg_catalog.int4 OPERATOR(pg_catalog.>=) 0 THEN s.stxstattarget::pg_catalog.int4 END,
      'comment', pg_catalog.obj_description(s.oid, 'pg_statistic_ext')) ORDER BY s.stxname)
    FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.stxnamespace
    WHERE s.stxrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND (col.attnum OPERATOR(pg_catalog.=) ANY (s.stxkeys::pg_catalog.int2[]) OR EXISTS (SELECT FROM hangs h
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid AND h.objid OPERATOR(pg_catalog.=) s.oid))), '[]'::pg_catalog.json),
  'refused', COALESCE((SELECT pg_catalog.json_agg(u.what ORDER BY u.what) FROM (
      SELECT CASE WHEN r.rulename OPERATOR(pg_catalog.=) '_RETURN'::pg_catalog.name
          THEN (CASE WHEN v.relkind OPERATOR(pg_catalog.=) 'm'::pg_catalog."char" THEN 'materialized view ' ELSE 'view ' END)
          ELSE pg_catalog.format('rule %s on ', r.rulename) END OPERATOR(pg_catalog.||) pg_catalog.format('%s.%s', n.nspname, v.relname) AS what
      FROM hangs h JOIN pg_catalog.pg_rewrite r ON r.oid OPERATOR(pg_catalog.=) h.objid JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) r.ev_class
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) v.relnamespace
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
      UNION
      SELECT 'trigger ' OPERATOR(pg_catalog.||) t.tgname::pg_catalog.text FROM hangs h JOIN pg_catalog.pg_trigger t ON t.oid OPERATOR(pg_catalog.=) h.objid
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid AND NOT t.tgisinternal
      UNION
      SELECT 'policy ' OPERATOR(pg_catalog.||) p.polname::pg_catalog.text FROM hangs h JOIN pg_catalog.pg_policy p ON p.oid OPERATOR(pg_catalog.=) h.objid
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid
      UNION
      SELECT 'function ' OPERATOR(pg_catalog.||) p.proname::pg_catalog.text FROM hangs h JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) h.objid
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
      UNION
      SELECT 'publication ' OPERATOR(pg_catalog.||) p.pubname::pg_catalog.text FROM hangs h JOIN pg_catalog.pg_publication_rel r ON r.oid OPERATOR(pg_catalog.=) h.objid
      JOIN pg_catalog.pg_publication p ON p.oid OPERATOR(pg_catalog.=) r.prpubid
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_publication_rel'::pg_catalog.regclass::pg_catalog.oid
      UNION
      SELECT 'generated column ' OPERATOR(pg_catalog.||) a.attname::pg_catalog.text FROM hangs h JOIN pg_catalog.pg_attrdef d ON d.oid OPERATOR(pg_catalog.=) h.objid
      JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) d.adrelid AND a.attnum OPERATOR(pg_catalog.=) d.adnum
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid AND a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char"
        AND d.adnum OPERATOR(pg_catalog.<>) col.attnum
      UNION
      -- On 14 the column itself depends on the one it is computed from, and would go with it.
      SELECT 'generated column ' OPERATOR(pg_catalog.||) a.attname::pg_catalog.text FROM hangs h
      JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) h.objid AND a.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) h.objsubid
      WHERE h.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND h.objid OPERATOR(pg_catalog.=) $2::pg_catalog.oid
        AND a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char"
      UNION
      SELECT 'the partition key' FROM pg_catalog.pg_partitioned_table p
      WHERE p.partrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND col.attnum OPERATOR(pg_catalog.=) ANY (p.partattrs::pg_catalog.int2[])
      UNION
      SELECT pg_catalog.format('column %s of %s.%s', a.attname, n.nspname, u.relname) FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class u ON u.oid OPERATOR(pg_catalog.=) a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) u.relnamespace
      JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) col.reltype
      WHERE (a.atttypid OPERATOR(pg_catalog.=) col.reltype OR a.atttypid OPERATOR(pg_catalog.=) t.typarray) AND NOT a.attisdropped
        AND u.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m}'::pg_catalog."char"[])
      UNION
      SELECT 'a parent table' WHERE col.attinhcount::pg_catalog.int4 OPERATOR(pg_catalog.>) 0
    ) u), '[]'::pg_catalog.json),
  'triggers', COALESCE((SELECT pg_catalog.json_agg(t.tgname ORDER BY t.tgname) FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND NOT t.tgisinternal AND t.tgenabled OPERATOR(pg_catalog.=) ANY ('{O,A}'::pg_catalog."char"[])
      AND NOT pg_catalog.starts_with(t.tgname::pg_catalog.text, 'zzz_lockkeeper_')
      AND (pg_catalog.int2and(t.tgtype, 16::pg_catalog.int2) OPERATOR(pg_catalog.<>) 0::pg_catalog.int2 AND pg_catalog.cardinality(t.tgattr::pg_catalog.int2[]) OPERATOR(pg_catalog.=) 0
        OR t.tgname OPERATOR(pg_catalog.>) 'zzz_lockkeeper'::pg_catalog.name)), '[]'::pg_catalog.json),
  'update_rules', COALESCE((SELECT pg_catalog.json_agg(r.rulename ORDER BY r.rulename) FROM pg_catalog.pg_rewrite r
    WHERE r.ev_class OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND r.ev_type OPERATOR(pg_catalog.=) ANY ('{2,3}'::pg_catalog."char"[])), '[]'::pg_catalog.json),
  'publications', COALESCE((SELECT pg_catalog.json_agg(p.pubname ORDER BY p.pubname) FROM pg_catalog.pg_publication p
    WHERE p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prpubid OPERATOR(pg_catalog.=) p.oid
        AND r.prrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(r), 'prattrs') IS NULL)
      -- FOR TABLES IN SCHEMA, from 15 on: 6237 is pg_publication_namespace, which 14 does not have.
      OR EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_depend o ON o.classid OPERATOR(pg_catalog.=) d.classid AND o.objid OPERATOR(pg_catalog.=) d.objid
        WHERE d.classid OPERATOR(pg_catalog.=) 6237::pg_catalog.oid AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
          AND d.refobjid OPERATOR(pg_catalog.=) col.relnamespace AND o.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_publication'::pg_catalog.regclass::pg_catalog.oid
          AND o.refobjid OPERATOR(pg_catalog.=) p.oid)), '[]'::pg_catalog.json),
  'children_hang', EXISTS (SELECT FROM below
    WHERE EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conrelid OPERATOR(pg_catalog.=) below.oid
        AND o.contype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char"
        AND below.attnum OPERATOR(pg_catalog.=) ANY (o.conkey))
      OR EXISTS (SELECT FROM below_indexes x WHERE x.oid OPERATOR(pg_catalog.=) below.oid AND x.anew)),
  'children_indexed', EXISTS (SELECT FROM below_indexes)
    OR EXISTS (SELECT FROM below JOIN pg_catalog.pg_constraint o
      ON o.conrelid OPERATOR(pg_catalog.=) below.oid AND below.attnum OPERATOR(pg_catalog.=) ANY (o.conkey)
        OR o.confrelid OPERATOR(pg_catalog.=) below.oid AND below.attnum OPERATOR(pg_catalog.=) ANY (o.confkey)
      WHERE o.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"),
  'forced_row_security', col.relforcerowsecurity,
  'typed_table', col.reloftype OPERATOR(pg_catalog.<>) 0::pg_catalog.oid,
  'generated_columns', EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND NOT a.attisdropped
    AND a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char"),
  'labelled', EXISTS (SELECT FROM pg_catalog.pg_seclabel l WHERE l.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    AND l.objoid OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND l.objsubid OPERATOR(pg_catalog.=) col.attnum::pg_catalog.int4),
  'may_create', pg_catalog.has_schema_privilege(col.relnamespace, 'CREATE'),
  'helpers', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', h.name, 'trigger', h.trigger) ORDER BY h.name, h.trigger) FROM (
      SELECT p.proname AS name, (SELECT t.tgname FROM pg_catalog.pg_trigger t WHERE t.tgrelid OPERATOR(pg_catalog.=) $2::pg_catalog.oid
          AND t.tgfoid OPERATOR(pg_catalog.=) p.oid AND pg_catalog.starts_with(t.tgname::pg_catalog.text, 'zzz_lockkeeper_sync')
          ORDER BY t.tgname LIMIT 1) AS trigger
      FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) col.relnamespace
        AND pg_catalog.starts_with(p.proname::pg_catalog.text, 'lockkeeper_sync_')
      UNION ALL SELECT c.relname, NULL FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) col.relnamespace
        AND pg_catalog.starts_with(c.relname::pg_catalog.text, 'lockkeeper_sync_')) h), '[]'::pg_catalog.json))
FROM guard, col WHERE guard.timeout IS NOT NULL
