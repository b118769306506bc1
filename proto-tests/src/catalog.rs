//! What a database's schema is, as sorted lines: two databases are the same when their lines are.

use crate::server::Server;

/// One query per kind of thing; names only, no object numbers, so that twin databases can be compared.
/// The order of columns is not compared: only the naive statement's own columns decide it.
const QUERIES: &[&str] = &[
    // Columns, with type, default, nullability, identity, storage and collation.
    "select format('column %s.%s %s%s default=%s identity=%s generated=%s storage=%s statistics=%s collation=%s \
            position=%s local=%s inherited=%s',
        a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then ' not null' else '' end,
        coalesce(pg_get_expr(d.adbin, d.adrelid), '-'), a.attidentity, a.attgenerated, a.attstorage,
        coalesce(nullif(a.attstattarget, -1)::text, '-'), a.attcollation::regcollation, a.attnum,
        a.attislocal, a.attinhcount)
     from pg_attribute a join pg_class c on c.oid = a.attrelid
     left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attnum > 0 and not a.attisdropped and c.relkind in ('r','p','v','m','f')
       and c.relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema')",
    // Constraints, with definition, validity, deferrability and their index. Only those that tables without
    // partitions inherit can be said not to be inherited; of the others the mark tells how they came to be there.
    // Nor is what 14 to 17 leave not validated: the rows of a foreign key that stand for the partitions it references.
    // Nor is an inherited NOT NULL's being local compared: 18 makes it so with a partition's PRIMARY KEY USING INDEX.
    "select format('constraint %s on %s: %s validated=%s deferrable=%s/%s inherit=%s index=%s
            local=%s inherited=%s parent=%s',
        k.conname, k.conrelid::regclass,
        case when exists (select from pg_constraint p where p.oid = k.conparentid and p.conrelid = k.conrelid)
          then replace(pg_get_constraintdef(k.oid), ' NOT VALID', '') else pg_get_constraintdef(k.oid) end,
        case when exists (select from pg_constraint p where p.oid = k.conparentid and p.conrelid = k.conrelid)
          then 'either' else k.convalidated::text end, k.condeferrable,
        k.condeferred, k.contype in ('c', 'n') and not k.connoinherit, nullif(k.conindid, 0)::regclass,
        case when k.contype = 'n' and k.coninhcount > 0 then 'either' else k.conislocal::text end,
        k.coninhcount, (select p.conname || ' on ' || p.conrelid::regclass from pg_constraint p where p.oid = k.conparentid))
     from pg_constraint k join pg_namespace n on n.oid = k.connamespace
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'",
    // Indexes, with definition and state.
    "select format('index %s: %s parts=%s valid=%s ready=%s unique=%s primary=%s owner=%s', i.indexrelid::regclass,
        pg_get_indexdef(i.indexrelid),
        (select array_agg(a.attname order by a.attnum) from pg_attribute a where a.attrelid = i.indexrelid),
        i.indisvalid, i.indisready, i.indisunique, i.indisprimary, pg_get_userbyid(c.relowner))
     from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'",
    // Relations and who owns them.
    "select format('relation %s kind=%s owner=%s persistence=%s acl=%s options=%s security=%s/%s', c.oid::regclass, c.relkind,
        pg_get_userbyid(c.relowner), c.relpersistence, c.relacl, c.reloptions,
        c.relrowsecurity, c.relforcerowsecurity)
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind <> 'i'",
    // Inheritance and partitions, of tables and of indexes.
    "select format('%s below %s place=%s pending=%s bound=%s', i.inhrelid::regclass, i.inhparent::regclass, i.inhseqno,
        i.inhdetachpending, pg_get_expr(c.relpartbound, c.oid))
     from pg_inherits i join pg_class c on c.oid = i.inhrelid",
    // Sequences and the columns that own them.
    "select format('sequence %s type=%s start=%s increment=%s max=%s cycle=%s owned by %s', s.seqrelid::regclass,
        s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqcycle,
        (select format('%s.%s (%s)', d.refobjid::regclass, a.attname, d.deptype) from pg_depend d
         join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
         where d.objid = s.seqrelid and d.classid = 'pg_class'::regclass and d.deptype in ('a','i')))
     from pg_sequence s",
    // Functions, triggers, rules, policies, types, schemas.
    "select format('function %s owner=%s md5=%s', p.oid::regprocedure, pg_get_userbyid(p.proowner), md5(p.prosrc))
     from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'",
    "select format('trigger %s enabled=%s', pg_get_triggerdef(oid), tgenabled) from pg_trigger where not tgisinternal",
    "select format('policy %s on %s: %s', polname, polrelid::regclass, pg_get_expr(polqual, polrelid)) from pg_policy",
    "select format('rule %s', pg_get_ruledef(r.oid)) from pg_rewrite r join pg_class c on c.oid = r.ev_class
     where c.relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema')",
    "select format('type %s kind=%s owner=%s labels=%s', t.oid::regtype, t.typtype, pg_get_userbyid(t.typowner),
        (select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum e where e.enumtypid = t.oid))
     from pg_type t join pg_namespace n on n.oid = t.typnamespace
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'",
    "select format('schema %s owner=%s acl=%s', nspname, pg_get_userbyid(nspowner), nspacl)
     from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'",
    "select format('comment %s on %s', description,
        (pg_identify_object(classoid, objoid, objsubid)).identity) from pg_description where objoid >= 16384",
    // Privileges and options of columns.
    "select format('column %s.%s acl=%s options=%s compression=%s', a.attrelid::regclass, a.attname,
        (select string_agg(x::text, ',' order by x::text) from unnest(a.attacl) x), a.attoptions, a.attcompression)
     from pg_attribute a join pg_class c on c.oid = a.attrelid
     where a.attnum > 0 and not a.attisdropped and c.relkind in ('r','p','v','m','f')
       and c.relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema')",
    // Replica identity, clustering, and what an index says of itself.
    "select format('table %s replica identity=%s', oid::regclass, relreplident) from pg_class
     where relkind in ('r','p') and oid >= 16384",
    "select format('index %s replica identity=%s clustered=%s tablespace=%s options=%s', i.indexrelid::regclass,
        i.indisreplident, i.indisclustered, c.reltablespace, c.reloptions)
     from pg_index i join pg_class c on c.oid = i.indexrelid where i.indexrelid >= 16384
       and c.relnamespace <> 'pg_toast'::regnamespace",
    // The order of columns in one is that in the table.
    "select format('statistics %s on %s %s %s owner=%s target=%s', s.stxname, s.stxrelid::regclass, s.stxkind,
        (select string_agg(a.attname, ',' order by a.attname) from pg_attribute a
         where a.attrelid = s.stxrelid and a.attnum = any (s.stxkeys)),
        pg_get_userbyid(s.stxowner), coalesce(nullif(s.stxstattarget, -1)::text, '-')) from pg_statistic_ext s",
    "select format('publication %s all=%s tables=%s', p.pubname, p.puballtables,
        (select string_agg(r.prrelid::regclass::text, ',' order by r.prrelid::regclass::text)
         from pg_publication_rel r where r.prpubid = p.oid)) from pg_publication p",
    "select format('sequence %s last=%s', schemaname || '.' || sequencename, last_value) from pg_sequences",
    "select format('extension %s', extname) from pg_extension",
];

/// The schema of a database as sorted lines.
#[must_use]
pub fn dump(server: &Server, database: &str) -> Vec<String> {
    let mut client = server.connect("postgres", database);
    let mut lines: Vec<String> = QUERIES.iter().flat_map(|sql| client.rows(sql)).collect();
    lines.sort();
    lines
}

/// The lines that only one of two schemas has, marked `-` (only left) and `+` (only right).
#[must_use]
pub fn difference(left: &[String], right: &[String]) -> Vec<String> {
    let only = |a: &[String], b: &[String], mark: &str| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).map(|line| format!("{mark} {line}")).collect()
    };
    let mut lines = only(left, right, "-");
    lines.extend(only(right, left, "+"));
    lines
}
