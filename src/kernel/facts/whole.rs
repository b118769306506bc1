//! All that a table is made of, beside what [`super::RelationFacts`] and [`super::Face`] say: what another table must
//! have to take its place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IndexUse, Persistence, SequenceUse, StatisticsUse};

/// What belongs to a table, and what keeps another one from taking its place. Names in definitions are written out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "what the catalog says of one table")]
pub struct Whole {
    /// What [`shape`] gives for it.
    pub shape: String,
    pub access_method: String,
    /// Its own or the database's.
    pub tablespace: String,
    /// `fillfactor=70`, those of its TOAST with `toast.` before them.
    pub options: Vec<String>,
    /// `pg_class.relreplident`.
    pub replica_identity: char,
    pub columns: Vec<WholeColumn>,
    pub indexes: Vec<WholeIndex>,
    pub constraints: Vec<WholeConstraint>,
    pub triggers: Vec<WholeTrigger>,
    pub policies: Vec<WholePolicy>,
    pub statistics_objects: Vec<StatisticsUse>,
    pub sequences: Vec<WholeSequence>,
    /// Views over it.
    #[serde(default)]
    pub views: Vec<WholeView>,
    /// Foreign keys that refer to it, in the order in which they were made.
    #[serde(default)]
    pub incoming: Vec<IncomingKey>,
    /// A trigger of one of its constraints, here or at the other table, does not fire as it is made to.
    #[serde(default)]
    pub disabled_keys: bool,
    /// An unlogged table that a foreign key of its own refers to.
    #[serde(default)]
    pub refers_to_unlogged: Option<String>,
    /// Publications that name it, in the order in which they were given it.
    #[serde(default)]
    pub publications: Vec<WholePublication>,
    /// A publication of all tables, or of those of its schema.
    #[serde(default)]
    pub published_by_place: Option<String>,
    /// A subscription that writes to it.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Whatever else depends on it: `view v`.
    pub others: Vec<String>,
    pub row_security: bool,
    pub forced_row_security: bool,
    /// Row security hides rows of it from the role that asked.
    pub hides_rows: bool,
    pub typed_table: bool,
    /// It is a child of another table.
    pub inherits: bool,
    /// It belongs to an extension, or goes with one.
    pub of_extension: bool,
    pub labelled: bool,
    /// The role may make tables and functions in its schema.
    pub may_create: bool,
    /// The role has the rights of its owner.
    pub is_owner: bool,
}

/// What a column has beside its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeColumn {
    pub name: String,
    pub type_sql: String,
    pub not_null: bool,
    /// Of PostgreSQL's own types or an enum: its operators are PostgreSQL's own too.
    pub plain: bool,
    /// `attgenerated`.
    #[serde(default)]
    pub generated: Option<char>,
    pub statistics: Option<i32>,
    /// `attoptions`: `n_distinct=5`.
    pub options: Vec<String>,
}

/// An index, and how it sorts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeIndex {
    #[serde(flatten)]
    pub index: IndexUse,
    pub btree: bool,
    /// It checks at once.
    pub immediate: bool,
    pub keys: Vec<SortKey>,
    /// Statistics targets of its columns, by their numbers.
    pub statistics: Vec<(i16, i32)>,
}

/// One column of an index's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SortKey {
    /// Absent: an expression.
    pub column: Option<String>,
    pub descending: bool,
    pub nulls_first: bool,
    /// In the order of the column's own type and collation.
    pub usual: bool,
}

/// A constraint of the table's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeConstraint {
    pub name: String,
    /// `contype`.
    pub kind: char,
    pub definition: String,
    pub validated: bool,
    pub deferrable: bool,
    pub deferred: bool,
    pub comment: Option<String>,
}

/// A foreign key that refers to the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "what the catalog says of one constraint")]
pub struct IncomingKey {
    pub schema: String,
    pub table: String,
    pub name: String,
    pub definition: String,
    pub validated: bool,
    pub comment: Option<String>,
    /// The columns it refers to.
    pub columns: Vec<String>,
    /// The unique index by which rows are looked up.
    pub index: Option<String>,
    /// Of the table itself.
    pub own: bool,
    /// Its table is an ordinary one, and no partition.
    pub plain: bool,
    pub persistence: Persistence,
    /// The role has the rights of that table's owner, may use its schema, and may lock it.
    pub may_alter: bool,
}

/// A trigger of the application's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeTrigger {
    pub name: String,
    pub definition: String,
    /// `tgenabled`.
    pub enabled: char,
    pub comment: Option<String>,
}

/// A policy of row security.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholePolicy {
    pub name: String,
    pub permissive: bool,
    /// `polcmd`.
    pub command: char,
    /// Absent: PUBLIC.
    pub roles: Vec<Option<String>>,
    pub using_sql: Option<String>,
    pub check_sql: Option<String>,
    pub comment: Option<String>,
}

/// A view, not a materialized one, whose query names the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeView {
    pub schema: String,
    pub name: String,
    pub owner: String,
    /// Its query.
    pub definition: String,
    /// `security_barrier=true`.
    pub options: Vec<String>,
    /// It is a session's own.
    pub temporary: bool,
    /// The role has the rights of its owner, and may make views in its schema.
    pub may_replace: bool,
}

/// How a publication sends it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholePublication {
    pub name: String,
    /// Absent: all of its columns, also those to come.
    pub columns: Option<Vec<String>>,
    /// Which rows.
    pub filter: Option<String>,
    /// The role has the rights of the publication's owner.
    pub may_alter: bool,
}

/// A sequence that a column owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeSequence {
    pub column: String,
    /// `attidentity`.
    pub identity: Option<char>,
    #[serde(flatten)]
    pub sequence: SequenceUse,
}

/// The oid of `pg_publication_namespace` (FOR TABLES IN SCHEMA), which 14 does not have.
const PUBLISHED_SCHEMAS: u32 = 6237;

/// Triggers of ours that note what changes while a table is copied.
pub const COPY_TRIGGER: &str = "zzz_lockkeeper_copy";

/// An expression over a table's oid that gives another text whenever its definition has changed, or that of a view over
/// it, or what depends on it: it is looked up when a plan is made, and asked again before another table takes this one's
/// place. Rows are no part of it, nor what VACUUM and ANALYZE write, nor triggers of ours.
#[must_use]
pub fn shape(oid: &str) -> String {
    let own = format!("pg_catalog.starts_with(t.tgname::pg_catalog.text, '{COPY_TRIGGER}')");
    let class = "pg_catalog.to_jsonb(c) OPERATOR(pg_catalog.-) '{relpages,reltuples,relallvisible,relallfrozen,\
                 relfrozenxid,relminmxid,relhastriggers,relhasindex,relfilenode}'::pg_catalog.text[]";
    let is_class = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid";
    let is_type = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid";
    let is_trigger = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid";
    let is_rule = "OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid";
    let is_it = format!("OPERATOR(pg_catalog.=) {oid}");
    let parts = [
        all(&format!("({class})"), &format!("pg_catalog.pg_class c WHERE c.oid {is_it}"), "c.oid"),
        all("pg_catalog.to_jsonb(a)", &format!("pg_catalog.pg_attribute a WHERE a.attrelid {is_it}"), "a.attnum"),
        all("pg_catalog.to_jsonb(d)", &format!("pg_catalog.pg_attrdef d WHERE d.adrelid {is_it}"), "d.adnum"),
        all(
            "(pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.-) 'indcheckxmin'::pg_catalog.text)",
            &format!("pg_catalog.pg_index i WHERE i.indrelid {is_it}"),
            "i.indexrelid",
        ),
        all(
            "pg_catalog.concat(x.relname, x.reloptions, x.reltablespace)",
            &format!(
                "pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid \
                 WHERE i.indrelid {is_it}"
            ),
            "x.oid",
        ),
        all(
            "pg_catalog.to_jsonb(t)",
            &format!("pg_catalog.pg_trigger t WHERE (t.tgrelid {is_it} OR t.tgconstrrelid {is_it}) AND NOT {own}"),
            "t.oid",
        ),
        all("pg_catalog.to_jsonb(p)", &format!("pg_catalog.pg_policy p WHERE p.polrelid {is_it}"), "p.oid"),
        all(
            "pg_catalog.concat_ws(' ', r.oid, r.ev_action, v.relname, v.relnamespace, v.relowner, v.reloptions)",
            &format!(
                "pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) r.ev_class \
                 WHERE r.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT d.objid FROM pg_catalog.pg_depend d \
                 WHERE d.classid {is_rule} AND d.refclassid {is_class} AND d.refobjid {is_it}))"
            ),
            "r.oid",
        ),
        all(
            "pg_catalog.to_jsonb(e)",
            &format!("pg_catalog.pg_description e WHERE e.objoid {is_it} AND e.classoid {is_class}"),
            "e.objsubid",
        ),
        all(
            "pg_catalog.concat_ws(' ', d.classid, d.objid, d.objsubid, d.refobjsubid, d.deptype)",
            &format!(
                "pg_catalog.pg_depend d WHERE (d.refclassid {is_class} AND d.refobjid {is_it} OR d.refclassid {is_type} \
                 AND d.refobjid OPERATOR(pg_catalog.=) (SELECT c.reltype FROM pg_catalog.pg_class c WHERE c.oid {is_it})) \
                 AND NOT (d.classid {is_trigger} AND EXISTS (SELECT FROM pg_catalog.pg_trigger t \
                 WHERE t.oid OPERATOR(pg_catalog.=) d.objid AND {own}))"
            ),
            "d.classid, d.objid, d.objsubid, d.refobjsubid, d.deptype",
        ),
    ];
    let parts: Vec<String> = parts.into_iter().chain(constraints(&is_it)).chain(replicated(&is_it)).collect();
    let text = format!("pg_catalog.concat_ws(';', {})", parts.join(", "));
    format!("pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to({text}, 'UTF8')), 'hex')")
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
