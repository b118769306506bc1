//! What a table, or one of its columns, is, as a text that is another one when it has changed: looked up when a plan is
//! made, and asked again under the lock in which something else takes its place.
//!
//! It is a JSON object: for each thing that belongs to it, in words, what the catalog has of it, hashed.

/// The oid of `pg_publication_namespace` (FOR TABLES IN SCHEMA), which 14 does not have.
const PUBLISHED_SCHEMAS: u32 = 6237;

/// Triggers of ours that note what changes while a table is copied.
pub const COPY_TRIGGER: &str = "zzz_lockkeeper_copy";

/// An expression over a table's oid that gives another text whenever its definition has changed, or that of a view over
/// it, or what depends on it: it is looked up when a plan is made, and asked again before another table takes this one's
/// place. Rows are no part of it, nor what VACUUM and ANALYZE write, nor triggers of ours.
#[must_use]
pub fn shape(oid: &str) -> String {
    let is_it = format!("OPERATOR(pg_catalog.=) {oid}");
    let kin = [
        ("its constraints", joined(&constraints(&is_it))),
        ("who sends its rows on, or writes them", joined(&replicated(&is_it))),
    ];
    let parts = made_of(&is_it).into_iter().chain(hangs_on(&is_it)).chain(kin);
    let parts: Vec<String> = parts.map(|(what, text)| format!("'{what}', {}", hashed(&text))).collect();
    format!("pg_catalog.jsonb_build_object({})::pg_catalog.text", parts.join(", "))
}

const IS_CLASS: &str = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid";

/// What the table is made of.
fn made_of(is_it: &str) -> [(&'static str, String); 4] {
    let class = "pg_catalog.to_jsonb(c) OPERATOR(pg_catalog.-) '{relpages,reltuples,relallvisible,relallfrozen,\
                 relfrozenxid,relminmxid,relhastriggers,relhasindex,relfilenode}'::pg_catalog.text[]";
    [
        ("its definition", all(&format!("({class})"), &format!("pg_catalog.pg_class c WHERE c.oid {is_it}"), "c.oid")),
        (
            "its columns",
            all("pg_catalog.to_jsonb(a)", &format!("pg_catalog.pg_attribute a WHERE a.attrelid {is_it}"), "a.attnum"),
        ),
        (
            "its defaults",
            all("pg_catalog.to_jsonb(d)", &format!("pg_catalog.pg_attrdef d WHERE d.adrelid {is_it}"), "d.adnum"),
        ),
        (
            "its indexes",
            all(
                "pg_catalog.concat_ws(' ', pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.-) 'indcheckxmin'::pg_catalog.text, \
                 x.relname, x.reloptions, x.reltablespace)",
                &format!(
                    "pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid \
                     WHERE i.indrelid {is_it}"
                ),
                "x.oid",
            ),
        ),
    ]
}

/// What is on it, and said of it.
fn hangs_on(is_it: &str) -> [(&'static str, String); 5] {
    let own = format!("pg_catalog.starts_with(t.tgname::pg_catalog.text, '{COPY_TRIGGER}')");
    let is_type = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid";
    let is_trigger = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid";
    let is_rule = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid";
    [
        (
            "its triggers",
            all(
                "pg_catalog.to_jsonb(t)",
                &format!("pg_catalog.pg_trigger t WHERE (t.tgrelid {is_it} OR t.tgconstrrelid {is_it}) AND NOT {own}"),
                "t.oid",
            ),
        ),
        (
            "its policies",
            all("pg_catalog.to_jsonb(p)", &format!("pg_catalog.pg_policy p WHERE p.polrelid {is_it}"), "p.oid"),
        ),
        (
            "views over it",
            all(
                "pg_catalog.concat_ws(' ', r.oid, r.ev_action, v.relname, v.relnamespace, v.relowner, v.reloptions)",
                &format!(
                    "pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) r.ev_class \
                     WHERE r.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT d.objid FROM pg_catalog.pg_depend d \
                     WHERE d.classid {is_rule} AND d.refclassid {IS_CLASS} AND d.refobjid {is_it}))"
                ),
                "r.oid",
            ),
        ),
        (
            "its comments",
            all(
                "pg_catalog.to_jsonb(e)",
                &format!("pg_catalog.pg_description e WHERE e.objoid {is_it} AND e.classoid {IS_CLASS}"),
                "e.objsubid",
            ),
        ),
        (
            "what depends on it",
            all(
                "pg_catalog.concat_ws(' ', d.classid, d.objid, d.objsubid, d.refobjsubid, d.deptype)",
                &format!(
                    "pg_catalog.pg_depend d WHERE (d.refclassid {IS_CLASS} AND d.refobjid {is_it} OR d.refclassid {is_type} \
                     AND d.refobjid OPERATOR(pg_catalog.=) (SELECT c.reltype FROM pg_catalog.pg_class c WHERE c.oid {is_it})) \
                     AND NOT (d.classid {is_trigger} AND EXISTS (SELECT FROM pg_catalog.pg_trigger t \
                     WHERE t.oid OPERATOR(pg_catalog.=) d.objid AND {own}))"
                ),
                "d.classid, d.objid, d.objsubid, d.refobjsubid, d.deptype",
            ),
        ),
    ]
}

/// The same of one column: what of it, and of all that hangs on it, would go with it where another column takes its
/// place, and is made anew there. Helpers of ours are no part of it, nor is what the server refuses to drop it for, nor
/// how often an index was built again.
#[must_use]
pub fn column_shape(oid: &str, number: &str) -> String {
    let is = |what: &str| format!("OPERATOR(pg_catalog.=) {what}");
    let column = Column { oid, number, is_it: is(oid), is_number: is(number) };
    let rows = [column.own(), column.constraints(), column.indexes(), column.statistics()].join(" UNION ALL ");
    format!(
        "(SELECT pg_catalog.jsonb_object_agg(w.what, {}) FROM ({rows}) AS w(what, text))::pg_catalog.text",
        hashed("w.text")
    )
}

struct Column<'a> {
    oid: &'a str,
    number: &'a str,
    is_it: String,
    is_number: String,
}

impl Column<'_> {
    fn own(&self) -> String {
        let Self { oid, number, is_it, is_number } = self;
        let (comment, of_sequence) = (said_of("pg_class", oid, number), said_of("pg_class", "s.oid", "0"));
        format!(
            "SELECT v.what, v.text FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL (VALUES \
             ('its name'::pg_catalog.text, a.attname::pg_catalog.text), \
             ('its type', pg_catalog.concat_ws(' ', a.atttypid, a.atttypmod, a.attcollation, a.attgenerated)), \
             ('whether it is NOT NULL', a.attnotnull::pg_catalog.text), ('its privileges', a.attacl::pg_catalog.text), \
             ('its statistics target', a.attstattarget::pg_catalog.text), ('its options', a.attoptions::pg_catalog.text), \
             ('its storage', pg_catalog.concat_ws(' ', a.attstorage, a.attcompression)), \
             ('its default', (SELECT d.adbin::pg_catalog.text FROM pg_catalog.pg_attrdef d WHERE d.adrelid {is_it} \
             AND d.adnum {is_number})), ('its comment', {comment}), \
             ('its identity', pg_catalog.concat_ws(' ', a.attidentity, (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', \
             pg_catalog.to_jsonb(q), s.relname, s.relacl, {of_sequence}), ',' ORDER BY s.oid) \
             FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_sequence q ON q.seqrelid OPERATOR(pg_catalog.=) d.objid \
             JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) d.objid WHERE d.classid {IS_CLASS} AND d.refclassid {IS_CLASS} \
             AND d.refobjid {is_it} AND d.refobjsubid {is_number}::pg_catalog.int4 \
             AND d.deptype OPERATOR(pg_catalog.=) 'i'::pg_catalog.\"char\"))), \
             ('its security label', (SELECT pg_catalog.string_agg(l.label, ',' ORDER BY l.provider) FROM pg_catalog.pg_seclabel l \
             WHERE l.classoid {IS_CLASS} AND l.objoid {is_it} AND l.objsubid {is_number}::pg_catalog.int4))) AS v(what, text) \
             WHERE a.attrelid {is_it} AND a.attnum {is_number} AND NOT a.attisdropped"
        )
    }

    /// Which index a key has changes when that is built again.
    fn constraints(&self) -> String {
        let Self { oid, number, is_it, .. } = self;
        let (row, comment) = (without("o", "oid,conindid"), said_of("pg_constraint", "o.oid", "0"));
        let not_ours = not_ours("o.conname");
        format!(
            "SELECT pg_catalog.concat('constraint ', o.conname, CASE WHEN o.conrelid OPERATOR(pg_catalog.<>) {oid} \
             THEN pg_catalog.concat(' of ', n.nspname, '.', c.relname) END), pg_catalog.concat_ws(' ', {row}, {comment}) \
             FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) o.conrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
             WHERE o.conparentid OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND o.contype OPERATOR(pg_catalog.<>) 't'::pg_catalog.\"char\" \
             AND (o.conrelid {is_it} AND {number} OPERATOR(pg_catalog.=) ANY (o.conkey) \
             OR o.confrelid {is_it} AND {number} OPERATOR(pg_catalog.=) ANY (o.confkey)) AND {not_ours}"
        )
    }

    fn indexes(&self) -> String {
        let Self { number, is_it, .. } = self;
        let (row, comment) = (without("i", "indexrelid,indcheckxmin"), said_of("pg_class", "x.oid", "0"));
        let (hangs, not_ours) = (self.hangs("pg_class", "x.oid"), not_ours("x.relname"));
        format!(
            "SELECT pg_catalog.concat('index ', x.relname), pg_catalog.concat_ws(' ', {row}, x.reloptions, x.reltablespace, \
             x.relam, {comment}) FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid WHERE i.indrelid {is_it} \
             AND ({number} OPERATOR(pg_catalog.=) ANY (i.indkey::pg_catalog.int2[]) OR {hangs}) AND {not_ours}"
        )
    }

    fn statistics(&self) -> String {
        let Self { number, is_it, .. } = self;
        let (row, comment) = (without("s", "oid"), said_of("pg_statistic_ext", "s.oid", "0"));
        let hangs = self.hangs("pg_statistic_ext", "s.oid");
        format!(
            "SELECT pg_catalog.concat('statistics ', n.nspname, '.', s.stxname), pg_catalog.concat_ws(' ', {row}, {comment}) \
             FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.stxnamespace \
             WHERE s.stxrelid {is_it} AND ({number} OPERATOR(pg_catalog.=) ANY (s.stxkeys::pg_catalog.int2[]) OR {hangs})"
        )
    }

    fn hangs(&self, catalog: &str, oid: &str) -> String {
        let Self { is_it, is_number, .. } = self;
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid {IS_CLASS} AND d.refobjid {is_it} \
             AND d.refobjsubid {is_number}::pg_catalog.int4 AND d.classid OPERATOR(pg_catalog.=) \
             'pg_catalog.{catalog}'::pg_catalog.regclass::pg_catalog.oid AND d.objid OPERATOR(pg_catalog.=) {oid})"
        )
    }
}

fn said_of(catalog: &str, oid: &str, part: &str) -> String {
    format!(
        "(SELECT e.description FROM pg_catalog.pg_description e WHERE e.classoid OPERATOR(pg_catalog.=) \
         'pg_catalog.{catalog}'::pg_catalog.regclass::pg_catalog.oid AND e.objoid OPERATOR(pg_catalog.=) {oid} \
         AND e.objsubid OPERATOR(pg_catalog.=) {part}::pg_catalog.int4)"
    )
}

fn not_ours(name: &str) -> String {
    format!("NOT pg_catalog.starts_with({name}::pg_catalog.text, 'lockkeeper_')")
}

fn without(row: &str, keys: &str) -> String {
    format!("pg_catalog.to_jsonb({row}) OPERATOR(pg_catalog.-) '{{{keys}}}'::pg_catalog.text[]")
}

fn hashed(text: &str) -> String {
    format!("pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(coalesce({text}, ''), 'UTF8')), 'hex')")
}

fn joined(texts: &[String]) -> String {
    format!("pg_catalog.concat_ws(';', {})", texts.join(", "))
}

fn all(what: &str, from: &str, order: &str) -> String {
    format!("(SELECT pg_catalog.string_agg({what}::pg_catalog.text, ',' ORDER BY {order}) FROM {from})")
}

/// Who sends its rows on without naming it, and who writes what others send.
fn replicated(is_it: &str) -> [String; 2] {
    let is_namespace = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid";
    let in_schema = format!(
        "(SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) d.refobjid \
         WHERE d.classid OPERATOR(pg_catalog.=) {PUBLISHED_SCHEMAS}::pg_catalog.oid AND d.refclassid {is_namespace} AND c.oid {is_it} \
         UNION ALL SELECT p.oid FROM pg_catalog.pg_publication p WHERE p.puballtables) AS w(oid)"
    );
    [
        all("w.oid", &in_schema, "w.oid"),
        all("s.srsubid", &format!("pg_catalog.pg_subscription_rel s WHERE s.srrelid {is_it}"), "s.srsubid"),
    ]
}

/// Its constraints, those that refer to it with their tables, and what is said of them.
fn constraints(is_it: &str) -> [String; 3] {
    let is_constraint = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid";
    let is_ours = format!("(o.conrelid {is_it} OR o.confrelid {is_it})");
    [
        all("pg_catalog.to_jsonb(o)", &format!("pg_catalog.pg_constraint o WHERE {is_ours}"), "o.oid"),
        all(
            "pg_catalog.concat_ws(' ', o.oid, c.relname, c.relnamespace, c.relowner, c.relpersistence, \
             (SELECT pg_catalog.string_agg(a.attname::pg_catalog.text, ',' ORDER BY a.attnum) \
             FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) o.conrelid \
             AND a.attnum OPERATOR(pg_catalog.=) ANY (o.conkey)))",
            &format!(
                "pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) o.conrelid \
                 WHERE o.confrelid {is_it}"
            ),
            "o.oid",
        ),
        all(
            "pg_catalog.to_jsonb(e)",
            &format!(
                "pg_catalog.pg_description e WHERE e.classoid {is_constraint} AND e.objoid OPERATOR(pg_catalog.=) ANY \
                 (ARRAY(SELECT o.oid FROM pg_catalog.pg_constraint o WHERE {is_ours}))"
            ),
            "e.objoid",
        ),
    ]
}
