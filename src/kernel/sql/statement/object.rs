//! Statements about whole objects: created, dropped, renamed, granted, published; settings and what may run anything.

use super::{AddColumn, PartitionBound, RelationName, TableConstraint, TypeName};

/// `CREATE TABLE`, `CREATE TABLE AS`, `SELECT INTO`, `CREATE FOREIGN TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    pub relation: RelationName,
    pub temporary: bool,
    /// It may make nothing.
    pub if_not_exists: bool,
    /// Tables referenced by foreign keys: SHARE ROW EXCLUSIVE on each.
    pub references: Vec<RelationName>,
    /// PARTITION OF: ACCESS EXCLUSIVE on the parent (and a scan of its default partition).
    pub partition_of: Option<RelationName>,
    /// The bounds of a permanent PARTITION OF that says nothing else.
    pub plain_partition: Option<PartitionBound>,
    /// CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW.
    pub from_query: bool,
    /// CREATE MATERIALIZED VIEW.
    pub view: bool,
    pub outline: Box<TableOutline>,
}

/// What a CREATE TABLE says of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableOutline {
    pub columns: Vec<AddColumn>,
    /// Of a table that a query makes, as far as the query says what they are.
    pub queried: Vec<QueriedColumn>,
    pub constraints: Vec<TableConstraint>,
    /// False when columns come from elsewhere: LIKE, INHERITS, PARTITION OF, OF, AS.
    pub complete: bool,
    /// LIKE … INCLUDING INDEXES: keys and indexes may come from there.
    pub like_indexes: bool,
    pub partitioned: bool,
    /// A table it inherits from, or is a partition of.
    pub parent: Option<RelationName>,
    /// `PARTITION OF … DEFAULT`.
    pub default_partition: bool,
}

/// A column that a query gives to the table it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueriedColumn {
    pub name: String,
    /// Where in the text its name stands, or what stands before it; absent where the server makes it up.
    pub name_at: Option<usize>,
    /// What the query casts it to, and where that is written.
    pub cast: Option<(TypeName, usize)>,
}

/// `CREATE DOMAIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateDomain {
    pub name: RelationName,
    pub type_name: TypeName,
    /// Where the type is written, in bytes.
    pub type_at: usize,
}

/// `DROP …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    pub kind: DropKind,
    /// Dotted names as written; for relations also in `relations`.
    pub objects: Vec<String>,
    /// The last parts of their names, and of the types behind those that tell it from others of its name.
    pub bare: Vec<BareName>,
    /// Those named, or the tables that what is named is on.
    pub relations: Vec<RelationName>,
    pub if_exists: bool,
    pub cascade: bool,
    pub concurrently: bool,
}

/// What something is called without its schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BareName {
    pub name: String,
    /// Of a function its parameters' types, of an operator its operands', of a cast from what to what, of a user mapping the
    /// role. Absent where they are not written, or not to be told from the text.
    pub arguments: Option<Vec<String>>,
}

impl From<String> for BareName {
    fn from(name: String) -> Self {
        Self { name, arguments: None }
    }
}

impl Drop {
    /// Each object's kind and bare name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &BareName)> {
        let kind = match self.kind {
            DropKind::Schema => "SCHEMA",
            DropKind::Database => "DATABASE",
            DropKind::Other(kind) => kind,
            DropKind::Table
            | DropKind::Index
            | DropKind::View
            | DropKind::MaterializedView
            | DropKind::Sequence
            | DropKind::ForeignTable => "",
        };
        self.bare.iter().map(move |name| (kind, name))
    }
}

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropKind {
    Table,
    Index,
    View,
    MaterializedView,
    Sequence,
    Schema,
    Database,
    ForeignTable,
    /// Type, function, extension, trigger, policy, role, owned …: the object type's SQL name.
    Other(&'static str),
}

/// `… RENAME …`, `… SET SCHEMA …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// `table`, `column`, `constraint`, `index`, `schema`, …
    pub what: &'static str,
    pub relation: Option<RelationName>,
    pub from: String,
    /// The new name, or the schema where it `moves`.
    pub to: String,
    /// SET SCHEMA.
    pub moves: bool,
}

impl Rename {
    /// Of something in a relation: no relation has another name afterwards.
    #[must_use]
    pub fn is_within(&self) -> bool {
        !self.moves && matches!(self.what, "column" | "constraint" | "trigger" | "policy" | "rule" | "attribute")
    }

    /// Where the relation of this schema and name is afterwards.
    #[must_use]
    pub fn place(&self, schema: Option<&String>, name: &str) -> RelationName {
        let (schema, name) = if self.moves { (Some(&self.to), name) } else { (schema, self.to.as_str()) };
        RelationName { schema: schema.cloned(), name: name.to_owned() }
    }
}

/// Rights, roles and policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// `GRANT`, `REVOKE`, `ALTER ROLE`, `CREATE POLICY`, …
    pub command: &'static str,
    /// The role whose password it sets, if it does nothing else.
    pub password_of: Option<PasswordOf>,
    /// The table a policy is of, or the tables that rights are given on by name.
    pub relations: Vec<RelationName>,
}

impl Privilege {
    /// Rights that are given or taken: under no lock of the tables.
    #[must_use]
    pub fn is_grant(&self) -> bool {
        matches!(self.command, "GRANT" | "REVOKE")
    }
}

/// Whose password an ALTER ROLE sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordOf {
    /// `CURRENT_USER`, `CURRENT_ROLE`, `SESSION_USER`.
    Own,
    Named(String),
}

/// What is sent to subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    pub command: &'static str,
    /// Tables named in it.
    pub tables: Vec<Published>,
    pub effect: PublicationEffect,
    /// UPDATEs or DELETEs may be sent too, which tell by the replica identity which row they are about.
    pub old_rows: bool,
}

/// A table that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub relation: RelationName,
    /// Only these columns of it; all where there are none.
    pub columns: Vec<String>,
    /// What its filter reads.
    pub filter: Vec<String>,
}

/// What becomes of what subscribers get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationEffect {
    /// The tables named, if any, are sent from now on.
    Adds,
    /// So are tables that are not named: all, or those of a schema.
    AddsMore,
    /// Something may not be sent any more.
    Removes,
}

/// A setting that statements depend on, or that reaches beyond the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    pub value: Option<String>,
}

/// What may run anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// `DO`, `CALL`, `COPY … PROGRAM`, `dblink_exec()`, …
    pub what: String,
    pub kind: OpaqueKind,
    /// Nothing runs where this extension is there.
    pub unless: Option<String>,
}

/// How far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpaqueKind {
    /// Code in the statement or in the database: DO, CALL.
    Code,
    /// Reaches the server's files or programs.
    Server,
    /// A built-in that runs text or reaches another server.
    Function,
}

/// How a sequence comes to give numbers that it has given before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    Restarts,
    /// INCREMENT by less than nothing.
    TurnsBack,
    Cycles,
}

/// What ALTER DATABASE does to those who use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseEffect {
    /// SET TABLESPACE: all its files are copied, while nobody may be connected.
    Moves,
    /// ALLOW_CONNECTIONS, CONNECTION LIMIT, IS_TEMPLATE: who is let in, and who may copy it.
    Admits,
    /// REFRESH COLLATION VERSION: the server no longer says that indexes may be in another order.
    ForgetsCollation,
    /// ALTER TABLESPACE … SET, RESET: costs and prefetching of all that is in it; the name is the tablespace's.
    Reckons,
}

/// VACUUM FULL of one table, and what else it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrinks {
    pub analyze: bool,
}
