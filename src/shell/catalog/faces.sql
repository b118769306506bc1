-- One row with one JSON value: what a relation shows to those who use it. $1 the relation's oid.
SELECT pg_catalog.json_build_object(
  'grants', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('privilege', x.privilege_type, 'grantable', x.is_grantable,
      'grantee', CASE WHEN x.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(x.grantee) END,
      'by_owner', x.grantor OPERATOR(pg_catalog.=) c.relowner) ORDER BY x.grantee, x.is_grantable, x.privilege_type)
    FROM pg_catalog.aclexplode(c.relacl) AS x WHERE x.grantee OPERATOR(pg_catalog.<>) c.relowner), '[]'::pg_catalog.json),
  'owner_has_all', c.relacl IS NULL OR NOT EXISTS (
    SELECT FROM pg_catalog.aclexplode(pg_catalog.acldefault('r'::pg_catalog."char", c.relowner)) AS a
    WHERE a.grantee OPERATOR(pg_catalog.=) c.relowner AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) AS x
      WHERE x.grantee OPERATOR(pg_catalog.=) c.relowner AND x.privilege_type OPERATOR(pg_catalog.=) a.privilege_type)),
  'column_grants', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('column', a.attname,
      'privilege', x.privilege_type, 'grantable', x.is_grantable,
      'grantee', CASE WHEN x.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(x.grantee) END,
      'by_owner', x.grantor OPERATOR(pg_catalog.=) c.relowner) ORDER BY a.attnum, x.grantee, x.privilege_type)
    FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) AS x
    WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND NOT a.attisdropped), '[]'::pg_catalog.json),
  'given_by_default', COALESCE((SELECT pg_catalog.json_agg(g.name ORDER BY g.name) FROM (
      SELECT CASE WHEN x.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(x.grantee) END AS name
      FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) AS x
      WHERE d.defaclobjtype OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
        AND pg_catalog.pg_get_userbyid(d.defaclrole) OPERATOR(pg_catalog.=) current_user
        AND (d.defaclnamespace OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR d.defaclnamespace OPERATOR(pg_catalog.=) c.relnamespace)
        AND x.grantee OPERATOR(pg_catalog.<>) d.defaclrole
      GROUP BY 1) g), '[]'::pg_catalog.json),
  'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
  'column_comments', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('column', a.attname,
      'comment', pg_catalog.col_description(c.oid, a.attnum::pg_catalog.int4)) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND NOT a.attisdropped
      AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
      AND pg_catalog.col_description(c.oid, a.attnum::pg_catalog.int4) IS NOT NULL), '[]'::pg_catalog.json),
  'row_security', c.relrowsecurity,
  'row_type_used', COALESCE((SELECT pg_catalog.json_agg(u.name ORDER BY u.name) FROM (
      SELECT p.proname AS name FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid
      JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) c.reltype
      WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
        AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
        AND (d.refobjid OPERATOR(pg_catalog.=) t.oid OR d.refobjid OPERATOR(pg_catalog.=) t.typarray)
      GROUP BY 1) u), '[]'::pg_catalog.json))
FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid
