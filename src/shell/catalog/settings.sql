-- One row with one JSON value: a table's parameters and switches. $1 the table's oid.
SELECT pg_catalog.json_build_object(
  'options', COALESCE((SELECT pg_catalog.json_agg(o.text ORDER BY o.place) FROM (
      SELECT x.text, x.place FROM pg_catalog.unnest(c.reloptions) WITH ORDINALITY AS x(text, place)
      UNION ALL
      SELECT pg_catalog.concat('toast.', x.text), 1000000::pg_catalog.int8 OPERATOR(pg_catalog.+) x.place
      FROM pg_catalog.pg_class t, pg_catalog.unnest(t.reloptions) WITH ORDINALITY AS x(text, place)
      WHERE t.oid OPERATOR(pg_catalog.=) c.reltoastrelid) o), '[]'::pg_catalog.json),
  'replica_identity', c.relreplident,
  'switches', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('trigger', s.is_trigger, 'name', s.name,
      'fires', s.fires) ORDER BY s.is_trigger, s.name) FROM (
      SELECT true AS is_trigger, t.tgname AS name, t.tgenabled AS fires FROM pg_catalog.pg_trigger t
      WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid AND NOT t.tgisinternal
      UNION ALL
      SELECT false, r.rulename, r.ev_enabled FROM pg_catalog.pg_rewrite r
      WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid) s), '[]'::pg_catalog.json))
FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid
