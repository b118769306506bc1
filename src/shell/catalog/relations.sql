-- One row with one JSON value: the session, and the relations in the order asked.
-- $1 lock timeout; $2 schemas (empty: by the search path); $3 names; $4 whether to call what takes locks;
-- $5 in a transaction that may hold some.
WITH RECURSIVE guard AS MATERIALIZED (
  SELECT pg_catalog.set_config('lock_timeout', $1::pg_catalog.text, true) AS timeout
), wanted AS MATERIALIZED (
  SELECT w.place, CASE
      WHEN w.schema OPERATOR(pg_catalog.=) '' THEN pg_catalog.to_regclass(pg_catalog.quote_ident(w.name))::pg_catalog.oid
      ELSE (SELECT c.oid FROM pg_catalog.pg_class c
            WHERE c.relname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
              AND c.relnamespace OPERATOR(pg_catalog.=) CASE
                WHEN w.schema OPERATOR(pg_catalog.=) 'pg_temp' THEN pg_catalog.pg_my_temp_schema()
                ELSE (SELECT n.oid FROM pg_catalog.pg_namespace n
                      WHERE n.nspname OPERATOR(pg_catalog.=) w.schema::pg_catalog.name) END)
    END AS oid
  FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
    WITH ORDINALITY AS w(schema, name, place)
), tree (root, oid) AS (
  -- Not pg_partition_tree: it locks every member.
  SELECT w.oid, w.oid FROM wanted w WHERE w.oid IS NOT NULL
  UNION
  SELECT t.root, i.inhrelid FROM tree t
  JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
), measured AS MATERIALIZED (
  SELECT t.root, c.reltuples, c.relpages, pg_catalog.pg_stat_get_live_tuples(c.oid) AS live,
    pg_catalog.current_setting('block_size')::pg_catalog.int8 AS block,
    CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_relation_size(c.oid) END AS heap,
    COALESCE(CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_relation_size(c.reltoastrelid)
      ELSE (SELECT o.relpages OPERATOR(pg_catalog.*) pg_catalog.current_setting('block_size')::pg_catalog.int8
        FROM pg_catalog.pg_class o WHERE o.oid OPERATOR(pg_catalog.=) c.reltoastrelid) END, 0) AS toast,
    CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_total_relation_size(c.oid) END AS total
  FROM guard, tree t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.oid
  WHERE guard.timeout IS NOT NULL
    AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m,t,i,S}'::pg_catalog."char"[])
), guessed AS MATERIALIZED (
  -- Without sizes: by the statistics, and a table nobody ever analysed counts as large (1 GiB).
  SELECT m.root, m.reltuples, m.relpages, m.block, m.total, m.toast, pg_catalog.int8larger(0, CASE
      WHEN m.heap IS NOT NULL THEN m.heap
      WHEN m.relpages OPERATOR(pg_catalog.>) 0 THEN m.relpages OPERATOR(pg_catalog.*) m.block
      WHEN m.live OPERATOR(pg_catalog.>) 0 THEN m.live OPERATOR(pg_catalog.*) 100::pg_catalog.int8
      WHEN m.reltuples OPERATOR(pg_catalog.=) 0::pg_catalog.float4 THEN 0
      ELSE 1073741824 END) AS heap
  FROM measured m
), sized AS MATERIALIZED (
  -- Rows as the planner reckons them: the density of the last ANALYZE on today's pages.
  SELECT g.root, pg_catalog.sum(g.heap) AS heap, pg_catalog.sum(g.toast) AS toast,
    pg_catalog.sum(COALESCE(g.total, g.heap)) AS total,
    CASE WHEN pg_catalog.bool_or(g.heap OPERATOR(pg_catalog.>) 0::pg_catalog.int8 AND
        (g.relpages OPERATOR(pg_catalog.=) 0 OR g.reltuples OPERATOR(pg_catalog.<) 0::pg_catalog.float4))
      THEN NULL
      ELSE pg_catalog.sum(CASE WHEN g.relpages OPERATOR(pg_catalog.=) 0 THEN 0::pg_catalog.float8
        ELSE g.reltuples::pg_catalog.float8 OPERATOR(pg_catalog./) g.relpages::pg_catalog.float8
          OPERATOR(pg_catalog.*) (g.heap::pg_catalog.float8 OPERATOR(pg_catalog./) g.block::pg_catalog.float8)
        END) END AS rows
  FROM guessed g GROUP BY g.root
), own AS MATERIALIZED (
  SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text::pg_catalog.int8 AS top,
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8 AS next
), near (root, oid, own) AS (
  SELECT t.root, t.oid, true FROM tree t
  UNION
  SELECT t.root, o.conrelid, false FROM own JOIN tree t ON own.top IS NOT NULL JOIN pg_catalog.pg_depend d
    ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    AND d.refobjid OPERATOR(pg_catalog.=) t.oid
    AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
  JOIN pg_catalog.pg_constraint o ON o.oid OPERATOR(pg_catalog.=) d.objid
    AND o.confrelid OPERATOR(pg_catalog.=) t.oid AND o.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
), made AS MATERIALIZED (
  -- Written when the relation is made and never again, whereas ALTER writes a new pg_class row. The
  -- row is visible, so if its writer is still in progress, the writer is us (or a savepoint of ours).
  -- With what was there before below it, it is not new.
  SELECT t.root, pg_catalog.bool_and(f.fresh) FILTER (WHERE t.own) AS now,
    pg_catalog.bool_and(f.fresh) FILTER (WHERE NOT t.own) AS alone
  FROM own JOIN near t ON own.top IS NOT NULL JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.oid
  CROSS JOIN LATERAL (SELECT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
        AND d.objid OPERATOR(pg_catalog.=) COALESCE(
          (SELECT t.reltype FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t
             ON t.oid OPERATOR(pg_catalog.=) i.indrelid WHERE i.indexrelid OPERATOR(pg_catalog.=) c.oid),
          c.reltype)
        AND d.objsubid OPERATOR(pg_catalog.=) 0
        AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        AND d.deptype OPERATOR(pg_catalog.=) 'i'::pg_catalog."char"
        AND CASE
          WHEN pg_catalog.int8and(own.top, 4294967295)
            OPERATOR(pg_catalog.=) d.xmin::pg_catalog.text::pg_catalog.int8 THEN true
          -- The writer's number with its epoch: the first one from our own on that ends in these 32 bits.
          ELSE (SELECT CASE WHEN w.writer OPERATOR(pg_catalog.<) own.next
                  THEN pg_catalog.pg_xact_status(w.writer::pg_catalog.text::pg_catalog.xid8)
                    OPERATOR(pg_catalog.=) 'in progress' ELSE false END
                FROM (SELECT own.top OPERATOR(pg_catalog.+) pg_catalog.int8and(
                    d.xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.-) own.top, 4294967295)
                  AS writer) w)
          END) AS fresh) f
  GROUP BY t.root
)
SELECT pg_catalog.json_build_object(
  'server_version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
  'encoding', pg_catalog.getdatabaseencoding(), 'current_role', current_user, 'session_role', session_user,
  'database', pg_catalog.current_database(), 'search_path', pg_catalog.current_setting('search_path'),
  'current_schema', pg_catalog.current_schema(),
  'time_zone', pg_catalog.current_setting('TimeZone'),
  'lock_slots', pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8 OPERATOR(pg_catalog.*)
    (pg_catalog.current_setting('max_connections')::pg_catalog.int8 OPERATOR(pg_catalog.+)
     pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8),
  -- What it keeps others waiting for: not what is its own, or what it has made itself.
  'held', CASE WHEN $5::pg_catalog.bool THEN (SELECT pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname)
    FROM own, pg_catalog.pg_locks l
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    LEFT JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) c.reltype
    WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.granted
      AND l.locktype OPERATOR(pg_catalog.=) 'relation'
      AND l.mode OPERATOR(pg_catalog.=) ANY (
        '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[])
      AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m,f,v}'::pg_catalog."char"[])
      AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
      AND (t.xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.>=)
        pg_catalog.int8and(own.top, 4294967295)) IS NOT TRUE
    ORDER BY l.relation LIMIT 1) END,
  'relations', (SELECT pg_catalog.json_agg(CASE WHEN c.oid IS NOT NULL THEN pg_catalog.json_build_object(
    'oid', c.oid::pg_catalog.int8, 'schema', n.nspname, 'name', c.relname,
    'kind', c.relkind, 'persistence', c.relpersistence, 'owner', pg_catalog.pg_get_userbyid(c.relowner),
    'rows', s.rows, 'heap_bytes', COALESCE(s.heap, 0), 'toast_bytes', COALESCE(s.toast, 0),
    'total_bytes', COALESCE(s.total, 0),
    'new_in_transaction', COALESCE(made.now, false), 'referenced_by_old', NOT COALESCE(made.alone, true),
    'populated', c.relispopulated,
    'tablespace', (SELECT s.spcname FROM pg_catalog.pg_tablespace s, pg_catalog.pg_database d
      WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
        AND s.oid OPERATOR(pg_catalog.=) CASE WHEN c.reltablespace OPERATOR(pg_catalog.=) 0::pg_catalog.oid
          THEN d.dattablespace ELSE c.reltablespace END),
    'access_method', (SELECT m.amname FROM pg_catalog.pg_am m WHERE m.oid OPERATOR(pg_catalog.=) c.relam),
    -- Bits of tgtype (pg_trigger.h): 0 row, 2 insert, 3 delete, 4 update.
    'reacts', pg_catalog.json_build_object(
      'hides_rows', EXISTS (SELECT FROM tree b JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) b.oid
        WHERE b.root OPERATOR(pg_catalog.=) c.oid AND t.relrowsecurity AND pg_catalog.row_security_active(t.oid)),
      -- By its replica identity: without one, with a list of columns that leaves some of it out, or a filter that reads more.
      'refuses_updates', EXISTS (SELECT FROM tree b JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) b.oid
        CROSS JOIN LATERAL (SELECT pg_catalog.array_agg(a.attname) AS identity FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.oid AND a.attnum OPERATOR(pg_catalog.=)
            ANY (pg_catalog.trim_array(i.indkey::pg_catalog.int2[], i.indnatts::pg_catalog.int4 OPERATOR(pg_catalog.-) i.indnkeyatts))
          WHERE i.indrelid OPERATOR(pg_catalog.=) t.oid AND i.indisvalid AND CASE
            WHEN t.relreplident OPERATOR(pg_catalog.=) 'i'::pg_catalog."char" THEN i.indisreplident
            -- A key that may be checked later is none.
            ELSE i.indisprimary AND i.indimmediate AND t.relreplident OPERATOR(pg_catalog.=) 'd'::pg_catalog."char" END) k
        CROSS JOIN LATERAL (SELECT t.relreplident OPERATOR(pg_catalog.=) 'f'::pg_catalog."char" AS is_row) whole
        WHERE b.root OPERATOR(pg_catalog.=) c.oid AND t.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
          AND t.relpersistence OPERATOR(pg_catalog.=) 'p'::pg_catalog."char"
          AND (NOT whole.is_row AND k.identity IS NULL AND (
            EXISTS (SELECT FROM pg_catalog.pg_publication p WHERE p.puballtables AND p.pubupdate)
            -- FOR TABLES IN SCHEMA, as below; whether it has UPDATEs is not looked at.
            OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid OPERATOR(pg_catalog.=) 6237::pg_catalog.oid
              AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
              AND d.refobjid OPERATOR(pg_catalog.=) t.relnamespace))
          OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r
            JOIN pg_catalog.pg_publication p ON p.oid OPERATOR(pg_catalog.=) r.prpubid
            -- What 14 does not have is asked of the row as it is there.
            CROSS JOIN LATERAL (SELECT pg_catalog.array_agg(a.attname) AS columns FROM pg_catalog.pg_attribute a
              WHERE a.attrelid OPERATOR(pg_catalog.=) r.prrelid AND a.attnum::pg_catalog.text OPERATOR(pg_catalog.=)
                ANY (SELECT pg_catalog.jsonb_path_query(pg_catalog.to_jsonb(r), '$.prattrs[0 to last]')::pg_catalog.text)) sent
            CROSS JOIN LATERAL (SELECT pg_catalog.array_agg(a.attname) AS columns FROM pg_catalog.pg_attribute a
              WHERE a.attrelid OPERATOR(pg_catalog.=) r.prrelid AND a.attnum::pg_catalog.text OPERATOR(pg_catalog.=)
                ANY (SELECT (pg_catalog.regexp_matches(
                  pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(r), 'prqual'), ':varattno ([0-9]{1,})', 'g'))[1])) seen
            WHERE p.pubupdate AND r.prrelid OPERATOR(pg_catalog.=) ANY (ARRAY[t.oid, c.oid])
              AND CASE WHEN whole.is_row THEN sent.columns IS NOT NULL
                ELSE k.identity IS NULL OR NOT sent.columns OPERATOR(pg_catalog.@>) k.identity
                  OR NOT seen.columns OPERATOR(pg_catalog.<@) k.identity END))),
      'unproven', EXISTS (SELECT FROM tree b JOIN pg_catalog.pg_constraint o ON o.conrelid OPERATOR(pg_catalog.=) b.oid
        WHERE b.root OPERATOR(pg_catalog.=) c.oid AND NOT o.convalidated
          AND o.contype OPERATOR(pg_catalog.=) ANY ('{c,n}'::pg_catalog."char"[])
          -- What 17 does not have is asked of the row as it is there.
          AND (pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(o), 'conenforced')
            OPERATOR(pg_catalog.=) 'false') IS NOT TRUE),
      'rules', c.relhasrules AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[]),
      'update_rules', COALESCE((SELECT pg_catalog.json_agg(r.rulename ORDER BY r.rulename)
        FROM pg_catalog.pg_rewrite r JOIN tree b ON b.oid OPERATOR(pg_catalog.=) r.ev_class
        WHERE b.root OPERATOR(pg_catalog.=) c.oid AND r.ev_type OPERATOR(pg_catalog.=) '2'::pg_catalog."char"
          AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[])
          AND r.ev_enabled OPERATOR(pg_catalog.=) ANY ('{O,A}'::pg_catalog."char"[])), '[]'::pg_catalog.json),
      -- Of its parts as well: theirs fire for its rows.
      'triggers', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', t.tgname, 'for_each_row', pg_catalog.int2and(t.tgtype, 1::pg_catalog.int2) OPERATOR(pg_catalog.>) 0::pg_catalog.int2,
          'transition_tables', t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL,
          'on_insert', pg_catalog.int2and(t.tgtype, 4::pg_catalog.int2) OPERATOR(pg_catalog.>) 0::pg_catalog.int2,
          'on_delete', pg_catalog.int2and(t.tgtype, 8::pg_catalog.int2) OPERATOR(pg_catalog.>) 0::pg_catalog.int2,
          'on_update', pg_catalog.int2and(t.tgtype, 16::pg_catalog.int2) OPERATOR(pg_catalog.>) 0::pg_catalog.int2,
          'columns', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid OPERATOR(pg_catalog.=) t.tgrelid
              AND a.attnum OPERATOR(pg_catalog.=) ANY (t.tgattr::pg_catalog.int2[])), '[]'::pg_catalog.json))
          ORDER BY t.tgname, t.tgrelid)
        FROM pg_catalog.pg_trigger t JOIN tree b ON b.oid OPERATOR(pg_catalog.=) t.tgrelid
        WHERE b.root OPERATOR(pg_catalog.=) c.oid AND NOT t.tgisinternal
          AND t.tgenabled OPERATOR(pg_catalog.=) ANY ('{O,A}'::pg_catalog."char"[])), '[]'::pg_catalog.json)),
    'is_partition', c.relispartition,
    'has_children', EXISTS (SELECT FROM pg_catalog.pg_inherits i
      WHERE i.inhparent OPERATOR(pg_catalog.=) c.oid),
    'has_default_partition', EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p
      WHERE p.partrelid OPERATOR(pg_catalog.=) c.oid
        AND p.partdefid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid),
    'columns', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', a.attname, 'type_sql', pg_catalog.format_type(a.atttypid, a.atttypmod),
        'type_oid', a.atttypid::pg_catalog.int8, 'type_modifier', a.atttypmod,
        'not_null', a.attnotnull,
        'has_default', a.atthasdef AND a.attgenerated OPERATOR(pg_catalog.=) ''::pg_catalog."char",
        'generated', a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char",
        'identity', a.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog."char",
        -- Only a domain has to be looked behind.
        'is_row', (SELECT CASE WHEN y.typtype OPERATOR(pg_catalog.<>) 'd'::pg_catalog."char"
            THEN y.typtype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char" ELSE EXISTS (
              WITH RECURSIVE chain (oid) AS (
                SELECT y.typbasetype
                UNION
                SELECT t.typbasetype FROM chain d JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) d.oid
                WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
              )
              SELECT FROM chain d JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) d.oid
              WHERE t.typtype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char") END
          FROM pg_catalog.pg_type y WHERE y.oid OPERATOR(pg_catalog.=) a.atttypid)) ORDER BY a.attnum)
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
        AND NOT a.attisdropped), '[]'::pg_catalog.json),
    'indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'oid', x.oid::pg_catalog.int8, 'name', x.relname, 'valid', i.indisvalid, 'ready', i.indisready,
        'unique', i.indisunique, 'primary', i.indisprimary,
        'columns', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
          FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
            AND a.attnum OPERATOR(pg_catalog.=) k.attnum
          WHERE k.place OPERATOR(pg_catalog.<=) i.indnkeyatts::pg_catalog.int8), '[]'::pg_catalog.json),
        'definition', CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_get_indexdef(x.oid) ELSE '' END,
        'expression_or_partial', i.indexprs IS NOT NULL OR i.indpred IS NOT NULL,
        'constraint', (SELECT o.conname FROM pg_catalog.pg_constraint o
          WHERE o.conindid OPERATOR(pg_catalog.=) x.oid AND o.conrelid OPERATOR(pg_catalog.=) i.indrelid
            AND o.contype OPERATOR(pg_catalog.=) ANY ('{p,u,x}'::pg_catalog."char"[]) LIMIT 1),
        'bytes', CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_relation_size(x.oid)
          ELSE x.relpages OPERATOR(pg_catalog.*)
            pg_catalog.current_setting('block_size')::pg_catalog.int8 END,
        'parts', (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
          WHERE a.attrelid OPERATOR(pg_catalog.=) x.oid),
        'parent', (SELECT h.inhparent::pg_catalog.int8 FROM pg_catalog.pg_inherits h
          WHERE h.inhrelid OPERATOR(pg_catalog.=) x.oid LIMIT 1),
        'marks', pg_catalog.json_build_object('replica_identity', i.indisreplident, 'clustered', i.indisclustered,
          'comment', pg_catalog.obj_description(x.oid, 'pg_class'),
          'tablespace', (SELECT s.spcname FROM pg_catalog.pg_tablespace s, pg_catalog.pg_database d
            WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND s.oid OPERATOR(pg_catalog.=) CASE
              WHEN x.reltablespace OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN x.reltablespace
              WHEN pg_catalog.current_setting('default_tablespace') OPERATOR(pg_catalog.<>) '' THEN d.dattablespace END),
          'statistics', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attstattarget)
            ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) x.oid
            AND a.attstattarget::pg_catalog.int4 OPERATOR(pg_catalog.>=) 0), '[]'::pg_catalog.json)))
        ORDER BY x.relname)
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
      WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid OR i.indexrelid OPERATOR(pg_catalog.=) c.oid),
      '[]'::pg_catalog.json),
    'constraints', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', o.conname, 'kind', o.contype, 'validated', o.convalidated,
        'columns', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
          FROM pg_catalog.unnest(o.conkey) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) o.conrelid
            AND a.attnum OPERATOR(pg_catalog.=) k.attnum), '[]'::pg_catalog.json),
        'definition', CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_get_constraintdef(o.oid) ELSE '' END,
        'inherited', o.coninhcount::pg_catalog.int4 OPERATOR(pg_catalog.>) 0
          OR o.conparentid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid,
        'comment', pg_catalog.obj_description(o.oid, 'pg_constraint'))
        ORDER BY o.conname)
      FROM pg_catalog.pg_constraint o WHERE o.conrelid OPERATOR(pg_catalog.=) c.oid), '[]'::pg_catalog.json),
    -- Names made for it begin with 24 bytes of its own, or more.
    'constraint_names', COALESCE((SELECT pg_catalog.json_agg(o.conname ORDER BY o.conname)
      FROM pg_catalog.pg_constraint o WHERE o.connamespace OPERATOR(pg_catalog.=) c.relnamespace
        AND o.conrelid OPERATOR(pg_catalog.<>) c.oid AND pg_catalog.starts_with(o.conname::pg_catalog.text,
          pg_catalog."left"(c.relname::pg_catalog.text, CASE
            WHEN pg_catalog.octet_length(c.relname::pg_catalog.text)
              OPERATOR(pg_catalog.=) pg_catalog.length(c.relname::pg_catalog.text) THEN 24 ELSE 6 END))
        AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,f}'::pg_catalog."char"[])), '[]'::pg_catalog.json),
    -- Of its children by INHERITS; partitions have none of their own.
    'columns_below', COALESCE((SELECT pg_catalog.json_agg(b.column ORDER BY b.attname) FROM (
        SELECT a.attname, pg_catalog.json_build_object('name', a.attname,
          'type_sql', pg_catalog.format_type(a.atttypid, a.atttypmod),
          'table', pg_catalog.min(pg_catalog.concat(bn.nspname, '.', bc.relname))) AS column
        FROM tree t
        JOIN pg_catalog.pg_class bc ON bc.oid OPERATOR(pg_catalog.=) t.oid
        JOIN pg_catalog.pg_namespace bn ON bn.oid OPERATOR(pg_catalog.=) bc.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.oid
          AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute o WHERE o.attrelid OPERATOR(pg_catalog.=) c.oid
            AND o.attname OPERATOR(pg_catalog.=) a.attname AND NOT o.attisdropped)
        WHERE t.root OPERATOR(pg_catalog.=) c.oid AND t.oid OPERATOR(pg_catalog.<>) c.oid
          AND c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
        GROUP BY a.attname, a.atttypid, a.atttypmod) b), '[]'::pg_catalog.json),
    'dependents', COALESCE((SELECT pg_catalog.json_agg(u.what ORDER BY u.what) FROM (
        SELECT CASE WHEN v.relkind OPERATOR(pg_catalog.=) 'm'::pg_catalog."char" THEN 'materialized view '
            WHEN v.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char" THEN 'view ' ELSE 'rule on ' END
            OPERATOR(pg_catalog.||) vn.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.'
            OPERATOR(pg_catalog.||) v.relname::pg_catalog.text AS what
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_rewrite r ON r.oid OPERATOR(pg_catalog.=) d.objid
        JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) r.ev_class
        JOIN pg_catalog.pg_namespace vn ON vn.oid OPERATOR(pg_catalog.=) v.relnamespace
        WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
          AND d.refobjid OPERATOR(pg_catalog.=) c.oid AND v.oid OPERATOR(pg_catalog.<>) c.oid
        UNION
        SELECT 'function ' OPERATOR(pg_catalog.||) fn.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.'
            OPERATOR(pg_catalog.||) f.proname::pg_catalog.text
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) d.objid
        JOIN pg_catalog.pg_namespace fn ON fn.oid OPERATOR(pg_catalog.=) f.pronamespace
        WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
          AND d.refobjid OPERATOR(pg_catalog.=) c.oid
        UNION
        SELECT 'foreign key ' OPERATOR(pg_catalog.||) o.conname::pg_catalog.text OPERATOR(pg_catalog.||) ' of '
            OPERATOR(pg_catalog.||) fn.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.'
            OPERATOR(pg_catalog.||) f.relname::pg_catalog.text
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_constraint o ON o.oid OPERATOR(pg_catalog.=) d.objid
        JOIN pg_catalog.pg_class f ON f.oid OPERATOR(pg_catalog.=) o.conrelid
        JOIN pg_catalog.pg_namespace fn ON fn.oid OPERATOR(pg_catalog.=) f.relnamespace
        WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
          AND d.refobjid OPERATOR(pg_catalog.=) c.oid AND o.confrelid OPERATOR(pg_catalog.=) c.oid
          AND f.oid OPERATOR(pg_catalog.<>) c.oid
      ) u), '[]'::pg_catalog.json),
    'index_of', (SELECT pg_catalog.json_build_object('schema', tn.nspname, 'name', t.relname)
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) i.indrelid
      JOIN pg_catalog.pg_namespace tn ON tn.oid OPERATOR(pg_catalog.=) t.relnamespace
      WHERE i.indexrelid OPERATOR(pg_catalog.=) c.oid),
    'table_oid', (SELECT i.indrelid::pg_catalog.int8 FROM pg_catalog.pg_index i
      WHERE i.indexrelid OPERATOR(pg_catalog.=) c.oid),
    'published', EXISTS (SELECT FROM pg_catalog.pg_publication p WHERE p.puballtables)
      OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel p WHERE p.prrelid OPERATOR(pg_catalog.=) c.oid)
      -- FOR TABLES IN SCHEMA, from 15 on: 6237 is pg_publication_namespace, which 14 does not have.
      OR EXISTS (SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid OPERATOR(pg_catalog.=) 6237::pg_catalog.oid
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
          AND d.refobjid OPERATOR(pg_catalog.=) c.relnamespace),
    'kin', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'relation', pg_catalog.json_build_object('schema', kn.nspname, 'name', r.relname),
        'how', k.how, 'constraint', k.fk, 'columns', COALESCE((
          SELECT pg_catalog.json_agg(a.attname ORDER BY u.place)
          FROM pg_catalog.unnest(k.key) WITH ORDINALITY AS u(attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
            AND a.attnum OPERATOR(pg_catalog.=) u.attnum), '[]'::pg_catalog.json))
        ORDER BY k.how, kn.nspname, r.relname, k.fk)
      FROM (
        (SELECT t.oid, 'below' AS how, NULL::pg_catalog.name AS fk, NULL::pg_catalog.int2[] AS key
        FROM tree t WHERE t.root OPERATOR(pg_catalog.=) c.oid AND t.oid OPERATOR(pg_catalog.<>) c.oid LIMIT 1000)
        UNION ALL
        SELECT p.partdefid, 'default', NULL, NULL FROM pg_catalog.pg_partitioned_table p
        WHERE p.partrelid OPERATOR(pg_catalog.=) c.oid AND p.partdefid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
        UNION ALL
        SELECT b.oid, 'above', NULL, NULL FROM pg_catalog.pg_inherits i
        LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid OPERATOR(pg_catalog.=) i.inhparent
        JOIN pg_catalog.pg_class b ON b.oid OPERATOR(pg_catalog.=) i.inhparent
          OR b.oid OPERATOR(pg_catalog.=) p.partdefid
        WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid AND c.relispartition
          AND b.oid OPERATOR(pg_catalog.<>) c.oid
        UNION ALL
        SELECT o.confrelid, 'references', o.conname, o.conkey FROM pg_catalog.pg_constraint o
        WHERE o.conrelid OPERATOR(pg_catalog.=) c.oid AND o.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
        UNION ALL
        SELECT o.conrelid, 'referenced_by', o.conname, o.confkey FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_constraint o ON o.oid OPERATOR(pg_catalog.=) d.objid
        WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
          AND d.refobjid OPERATOR(pg_catalog.=) c.oid AND o.confrelid OPERATOR(pg_catalog.=) c.oid
          AND o.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
      ) k
      -- Of an index, the tables of those below it.
      JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) COALESCE((SELECT x.indrelid
        FROM pg_catalog.pg_index x WHERE x.indexrelid OPERATOR(pg_catalog.=) k.oid), k.oid)
      JOIN pg_catalog.pg_namespace kn ON kn.oid OPERATOR(pg_catalog.=) r.relnamespace), '[]'::pg_catalog.json),
    'partitioned', (SELECT pg_catalog.json_build_object('strategy', p.partstrat,
        'key', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
          FROM pg_catalog.unnest(p.partattrs::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
          LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
            AND a.attnum OPERATOR(pg_catalog.=) k.attnum AND k.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2),
        'own_storage', c.reltablespace OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
          OR c.relam OPERATOR(pg_catalog.<>) 0::pg_catalog.oid)
      FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid OPERATOR(pg_catalog.=) c.oid),
    -- One more than is looked at, so that too many are seen to be too many.
    'members', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'oid', m.oid::pg_catalog.int8, 'parent', m.inhparent::pg_catalog.int8, 'schema', m.nspname,
        'name', m.relname, 'kind', m.relkind, 'detach_pending', m.inhdetachpending,
        'bound', CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_get_expr(m.relpartbound, m.oid) END)
        ORDER BY m.oid)
      FROM (SELECT mc.oid, mc.relname, mc.relkind, mc.relpartbound, mi.inhparent, mi.inhdetachpending, mn.nspname
        FROM tree t
        JOIN pg_catalog.pg_inherits mi ON mi.inhrelid OPERATOR(pg_catalog.=) t.oid
        JOIN pg_catalog.pg_class mc ON mc.oid OPERATOR(pg_catalog.=) t.oid
        JOIN pg_catalog.pg_namespace mn ON mn.oid OPERATOR(pg_catalog.=) mc.relnamespace
        WHERE t.root OPERATOR(pg_catalog.=) c.oid AND t.oid OPERATOR(pg_catalog.<>) c.oid
          AND c.relkind OPERATOR(pg_catalog.=) ANY ('{p,I}'::pg_catalog."char"[])
        ORDER BY mc.oid LIMIT 1001) m), '[]'::pg_catalog.json),
    'withheld', pg_catalog.json_build_object(
      'owned', (SELECT pg_catalog.concat(bn.nspname, '.', t.relname) FROM tree b
        JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) COALESCE((SELECT x.indrelid
          FROM pg_catalog.pg_index x WHERE x.indexrelid OPERATOR(pg_catalog.=) b.oid), b.oid)
        JOIN pg_catalog.pg_namespace bn ON bn.oid OPERATOR(pg_catalog.=) t.relnamespace
        WHERE b.root OPERATOR(pg_catalog.=) c.oid AND b.oid OPERATOR(pg_catalog.<>) c.oid
          AND NOT pg_catalog.pg_has_role(t.relowner, 'USAGE') ORDER BY t.oid LIMIT 1),
      'update', (SELECT pg_catalog.concat(bn.nspname, '.', t.relname) FROM tree b
        JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) b.oid
        JOIN pg_catalog.pg_namespace bn ON bn.oid OPERATOR(pg_catalog.=) t.relnamespace
        WHERE b.root OPERATOR(pg_catalog.=) c.oid AND b.oid OPERATOR(pg_catalog.<>) c.oid
          AND NOT (pg_catalog.has_table_privilege(t.oid, 'SELECT')
            AND pg_catalog.has_table_privilege(t.oid, 'UPDATE')) ORDER BY t.oid LIMIT 1),
      'delete', (SELECT pg_catalog.concat(bn.nspname, '.', t.relname) FROM tree b
        JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) b.oid
        JOIN pg_catalog.pg_namespace bn ON bn.oid OPERATOR(pg_catalog.=) t.relnamespace
        WHERE b.root OPERATOR(pg_catalog.=) c.oid AND b.oid OPERATOR(pg_catalog.<>) c.oid
          AND NOT (pg_catalog.has_table_privilege(t.oid, 'SELECT')
            AND pg_catalog.has_table_privilege(t.oid, 'DELETE')) ORDER BY t.oid LIMIT 1)),
    'partition_of', (SELECT pg_catalog.json_build_object(
        'parent', pg_catalog.json_build_object('schema', hn.nspname, 'name', hc.relname),
        'bound', CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) END,
        'constraint', CASE WHEN $4::pg_catalog.bool THEN pg_catalog.pg_get_partition_constraintdef(c.oid) END,
        'detach_pending', h.inhdetachpending)
      FROM pg_catalog.pg_inherits h
      JOIN pg_catalog.pg_class hc ON hc.oid OPERATOR(pg_catalog.=) h.inhparent
      JOIN pg_catalog.pg_namespace hn ON hn.oid OPERATOR(pg_catalog.=) hc.relnamespace
      WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid AND c.relispartition
        AND c.relkind OPERATOR(pg_catalog.<>) ALL ('{i,I}'::pg_catalog."char"[]) LIMIT 1)
    ) END ORDER BY w.place)
  FROM guard, wanted w
  LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) w.oid
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN sized s ON s.root OPERATOR(pg_catalog.=) c.oid
  LEFT JOIN made ON made.root OPERATOR(pg_catalog.=) c.oid
  WHERE guard.timeout IS NOT NULL))
