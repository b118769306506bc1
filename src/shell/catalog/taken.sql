-- One row with one JSON value: what was there before the open transaction and would be dropped with a relation that is the
-- transaction's own: a sequence that it has got OWNED BY, a view that was replaced onto it. $1 the relation.
-- Nothing here takes a lock.
WITH RECURSIVE own AS MATERIALIZED (
  SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text::pg_catalog.int8 AS top,
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8 AS next
), gone (class, oid, sub, part, cascade) AS (
  -- With the column that it hangs on, 0 for all of it, and whether only CASCADE drops it.
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, $1::pg_catalog.oid, 0, 0, false
  UNION
  SELECT x.class, x.oid, x.sub, x.part, x.cascade FROM gone g, LATERAL (
    SELECT d.classid AS class, d.objid AS oid, d.objsubid AS sub,
      CASE WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND g.oid
        OPERATOR(pg_catalog.=) $1::pg_catalog.oid THEN d.refobjsubid ELSE g.part END AS part,
      g.cascade OR d.deptype OPERATOR(pg_catalog.=) 'n'::pg_catalog."char" AS cascade
    FROM pg_catalog.pg_depend d
    WHERE d.refclassid OPERATOR(pg_catalog.=) g.class AND d.refobjid OPERATOR(pg_catalog.=) g.oid AND (g.sub OPERATOR(pg_catalog.=) 0 OR
      d.refobjsubid OPERATOR(pg_catalog.=) g.sub)
    UNION ALL
    -- What is part of something is dropped with all of it: the rule of a view.
    SELECT d.refclassid, d.refobjid, d.refobjsubid, g.part, g.cascade FROM pg_catalog.pg_depend d
    WHERE d.classid OPERATOR(pg_catalog.=) g.class AND d.objid OPERATOR(pg_catalog.=) g.oid AND d.objsubid OPERATOR(pg_catalog.=) g.sub
      AND NOT (g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND g.oid OPERATOR(pg_catalog.=)
        $1::pg_catalog.oid)
      AND (d.deptype OPERATOR(pg_catalog.=) 'i'::pg_catalog."char" OR d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char")
  ) x
  WHERE NOT (x.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND x.oid OPERATOR(pg_catalog.=)
    $1::pg_catalog.oid)
), placed AS MATERIALIZED (
  -- Each with the relation it belongs to, none where it is apart from them.
  SELECT g.class, g.oid, g.sub, g.part, g.cascade, CASE
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid THEN COALESCE((SELECT i.indrelid
        FROM pg_catalog.pg_index i WHERE i.indexrelid OPERATOR(pg_catalog.=) g.oid), g.oid)
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid THEN (SELECT COALESCE(e.typrelid,
        t.typrelid) FROM pg_catalog.pg_type t
        LEFT JOIN pg_catalog.pg_type e ON e.typarray OPERATOR(pg_catalog.=) t.oid WHERE t.oid OPERATOR(pg_catalog.=) g.oid)
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid THEN (SELECT o.adrelid FROM
        pg_catalog.pg_attrdef o WHERE o.oid OPERATOR(pg_catalog.=) g.oid)
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid THEN (SELECT o.conrelid FROM
        pg_catalog.pg_constraint o WHERE o.oid OPERATOR(pg_catalog.=) g.oid)
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid THEN (SELECT o.tgrelid FROM
        pg_catalog.pg_trigger o WHERE o.oid OPERATOR(pg_catalog.=) g.oid)
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid THEN (SELECT o.polrelid FROM
        pg_catalog.pg_policy o WHERE o.oid OPERATOR(pg_catalog.=) g.oid)
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid THEN (SELECT o.ev_class FROM
        pg_catalog.pg_rewrite o WHERE o.oid OPERATOR(pg_catalog.=) g.oid)
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid THEN (SELECT o.stxrelid FROM
        pg_catalog.pg_statistic_ext o WHERE o.oid OPERATOR(pg_catalog.=) g.oid)
      WHEN g.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_publication_rel'::pg_catalog.regclass::pg_catalog.oid THEN (SELECT o.prrelid
        FROM pg_catalog.pg_publication_rel o WHERE o.oid OPERATOR(pg_catalog.=) g.oid)
    END AS relation
  FROM gone g
), old AS MATERIALIZED (
  -- Rows that are written when a relation is made and never again: between it and its row type, a sequence and its schema. They are
  -- visible, so if their writer is still in progress, it is the transaction itself.
  SELECT p.class, p.oid, p.sub, p.part, p.cascade, c.relkind FROM placed p
  LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.relation
  WHERE (p.relation OPERATOR(pg_catalog.=) $1::pg_catalog.oid) IS NOT TRUE AND (c.relpersistence OPERATOR(pg_catalog.=)
    't'::pg_catalog."char") IS NOT TRUE AND (c.relkind OPERATOR(pg_catalog.=) 't'::pg_catalog."char") IS NOT TRUE
    AND NOT EXISTS (
      SELECT FROM own JOIN pg_catalog.pg_depend d ON own.top IS NOT NULL
      WHERE CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char" THEN d.classid OPERATOR(pg_catalog.=)
        'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.refclassid
          OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
          WHEN c.relkind OPERATOR(pg_catalog.=) 'c'::pg_catalog."char" THEN d.classid OPERATOR(pg_catalog.=)
            'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.refclassid
              OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
          ELSE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid AND d.objid
            OPERATOR(pg_catalog.=) c.reltype AND d.refclassid OPERATOR(pg_catalog.=)
              'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND d.deptype OPERATOR(pg_catalog.=) 'i'::pg_catalog."char" END
        AND d.objsubid OPERATOR(pg_catalog.=) 0
        AND CASE
          WHEN pg_catalog.int8and(own.top, 4294967295) OPERATOR(pg_catalog.=) d.xmin::pg_catalog.text::pg_catalog.int8 THEN true
          ELSE (SELECT CASE WHEN w.writer OPERATOR(pg_catalog.<) own.next
                  THEN pg_catalog.pg_xact_status(w.writer::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=) 'in progress' ELSE
                    false END
                FROM (SELECT own.top OPERATOR(pg_catalog.+) pg_catalog.int8and(d.xmin::pg_catalog.text::pg_catalog.int8
                  OPERATOR(pg_catalog.-) own.top, 4294967295) AS writer) w)
          END)
)
SELECT COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('what', u.what, 'column', u.name, 'cascade', u.cascade)
    ORDER BY u.what, u.name)
  FROM (
    SELECT pg_catalog.concat_ws(' ', i.type, i.identity) AS what, a.attname AS name, pg_catalog.bool_and(o.cascade) AS cascade
    FROM old o CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.class, o.oid, o.sub) i
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND a.attnum::pg_catalog.int4
      OPERATOR(pg_catalog.=) o.part AND o.part OPERATOR(pg_catalog.<>) 0
    -- A view is told, not its rule or its row type, and a foreign key, not its triggers.
    WHERE NOT (o.class OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid AND (o.relkind
      OPERATOR(pg_catalog.=) 'v'::pg_catalog."char" OR o.relkind OPERATOR(pg_catalog.=) 'm'::pg_catalog."char")) AND NOT (o.class
        OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid AND o.relkind IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE o.class OPERATOR(pg_catalog.=)
        'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid AND t.oid OPERATOR(pg_catalog.=) o.oid AND t.tgisinternal)
      AND i.type IS NOT NULL
    GROUP BY i.type, i.identity, a.attname) u), '[]'::pg_catalog.json)
