//! Our vocabulary for SQL: what one text contains, in words that rules, plans and reviewers share.
//!
//! Built by [`super::read`] from PostgreSQL's own parse tree and from nothing else. Fragments named
//! `*_sql` are text deparsed from that tree: they can be put into a new statement as they are.

mod bound;
mod column;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use bound::{Edge, PartitionBound};
pub use column::{
    AddColumn, Callee, ConstraintKind, DefaultExpression, Generated, NotNull, Serial, TableConstraint, TypeName, Using,
    UsingForm,
};

/// What the parser of record made of one text: its statements, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// One text statement may stand here more than once, with the same span: once for each thing it
    /// would do (`WITH a AS (DELETE …) SELECT … INTO …`, the elements of a CREATE SCHEMA).
    pub statements: Vec<Parsed>,
    /// Names and literals are the client's own characters. False when bytes of another encoding were
    /// read one to one ([`super::encoding`]): the kinds are right, but nothing may be rewritten from it.
    pub exact_names: bool,
}

/// One statement and where it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Byte offsets into the text, without surrounding white space and semicolon.
    pub span: Range<usize>,
    pub statement: Statement,
}

/// One statement, classified by what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Reads, writes with a condition, and utilities no rule is about. Passes without a look-up.
    Ordinary,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their kin.
    Transaction(TransactionControl),
    /// `PREPARE name AS …`: shares its name space with the protocol's Parse.
    Prepare { name: String, inner: Box<Statement> },
    /// `EXECUTE name`, also below EXPLAIN ANALYZE: as dangerous as what the name stands for.
    Execute { name: String },
    /// `DEALLOCATE name`, or `DEALLOCATE ALL` and `DISCARD ALL` with no name.
    Deallocate { name: Option<String> },
    /// A schema change, a mass write, or anything else that a rule may be about.
    Change(Change),
}

/// Transaction control, as far as the session has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionControl {
    Begin,
    Commit,
    Rollback,
    /// SAVEPOINT, RELEASE, ROLLBACK TO.
    Savepoint,
    /// PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
    TwoPhase,
}

/// A relation's name as written, decoded by the grammar (quotes removed, case folded).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelationName {
    pub schema: Option<String>,
    pub name: String,
}

/// What a statement would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    CreateIndex(CreateIndex),
    AlterTable(AlterTable),
    CreateTable(CreateTable),
    Drop(Drop),
    /// TRUNCATE.
    Truncate {
        relations: Vec<RelationName>,
        /// ONLY before each of them.
        only: bool,
        cascade: bool,
    },
    /// UPDATE or DELETE (also inside a CTE, EXPLAIN ANALYZE, COPY) whose WHERE is absent or a tautology.
    MassWrite {
        kind: MassWriteKind,
        relation: RelationName,
    },
    /// RENAME of anything, and SET SCHEMA.
    Rename(Rename),
    /// GRANT, REVOKE, roles, ownership, default privileges, row security, security labels.
    Privilege(Privilege),
    /// A setting the gateway's reading or the database's guard depends on.
    Setting(Setting),
    /// Runs text or code nobody can read from here.
    Opaque(Opaque),
    /// REINDEX without CONCURRENTLY; `target` absent for SCHEMA, DATABASE, SYSTEM.
    Reindex {
        target: Option<RelationName>,
        index: bool,
    },
    /// VACUUM FULL, CLUSTER: rewrites under ACCESS EXCLUSIVE. No relation means all.
    RewriteTable {
        command: &'static str,
        relation: Option<RelationName>,
    },
    /// REFRESH MATERIALIZED VIEW without CONCURRENTLY.
    RefreshMatview {
        relation: RelationName,
    },
    /// ALTER DOMAIN with something that every table which uses it is checked for.
    CheckDomain {
        domain: String,
    },
    /// CREATE RULE.
    CreateRule {
        relation: RelationName,
    },
    /// CREATE PUBLICATION, ALTER PUBLICATION.
    Publication(Publication),
    /// ALTER SEQUENCE … RESTART.
    RestartSequence {
        relation: RelationName,
    },
    /// LOCK TABLE in a mode that blocks readers or writers.
    LockTable {
        relations: Vec<RelationName>,
        mode: LockMode,
    },
    /// A schema change that needs only a brief or weak lock and is passed under a lock timeout
    /// (CREATE TRIGGER, CREATE VIEW, COMMENT, CREATE SEQUENCE, CREATE TYPE, …).
    Brief {
        command: &'static str,
        relation: Option<RelationName>,
    },
    /// Known to be a change, not modelled: the policy's `other-ddl` decides, closed by default.
    Other {
        command: &'static str,
    },
    /// The grammar of record cannot read it, or it is beyond the bounds.
    Unreadable {
        why: String,
    },
}

/// Lock modes, weakest first (PostgreSQL docs, 13.3.1 Table-Level Locks).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl LockMode {
    /// As PostgreSQL's documentation writes it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }
}

/// What a write of all rows does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassWriteKind {
    Update,
    Delete,
}

/// `CREATE INDEX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateIndex {
    pub relation: RelationName,
    /// `ON ONLY`.
    pub only: bool,
    /// Absent: PostgreSQL chooses (see [`IndexElement::name_part`]).
    pub name: Option<String>,
    pub unique: bool,
    pub concurrently: bool,
    pub if_not_exists: bool,
    /// Key columns and then INCLUDE columns, in order.
    pub elements: Vec<IndexElement>,
    /// All after the table's name: `USING btree (a, lower(b)) INCLUDE (c) WITH (…) WHERE …`.
    pub body_sql: String,
}

/// One element of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexElement {
    /// A plain column.
    pub column: Option<String>,
    /// What PostgreSQL uses of it when it makes up the index's name (column, function name or `expr`).
    pub name_part: String,
}

/// `ALTER TABLE` (and ALTER INDEX/VIEW/SEQUENCE/MATERIALIZED VIEW/FOREIGN TABLE, which share its node).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterTable {
    pub relation: RelationName,
    /// What was written after ALTER.
    pub object: AlterObject,
    pub if_exists: bool,
    /// `ALTER TABLE ONLY`.
    pub only: bool,
    pub actions: Vec<AlterAction>,
}

/// What the subcommands are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlterObject {
    Table,
    Index,
    View,
    MaterializedView,
    Sequence,
    ForeignTable,
    Type,
}

/// One subcommand, with its own text for a statement that does only this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterAction {
    pub kind: AlterKind,
    /// As it stands after `ALTER TABLE t `.
    pub sql: String,
}

/// What a subcommand does, told apart by its lock and its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterKind {
    AddColumn(AddColumn),
    DropColumn {
        column: String,
        if_exists: bool,
        cascade: bool,
    },
    SetNotNull {
        column: String,
    },
    DropNotNull {
        column: String,
    },
    SetDefault {
        column: String,
    },
    DropDefault {
        column: String,
    },
    AlterType {
        column: String,
        type_name: TypeName,
        using: Option<Using>,
        collation: Option<String>,
    },
    AddConstraint(TableConstraint),
    ValidateConstraint {
        name: String,
    },
    DropConstraint {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    /// `ADD CONSTRAINT … {UNIQUE | PRIMARY KEY} USING INDEX …`.
    AddConstraintUsingIndex {
        name: Option<String>,
        index: String,
        primary_key: bool,
    },
    /// Without bounds it is `ALTER INDEX … ATTACH PARTITION`.
    AttachPartition {
        partition: RelationName,
        bound: Option<PartitionBound>,
    },
    DetachPartition {
        partition: RelationName,
        concurrently: bool,
        finalize: bool,
    },
    /// SET (fillfactor …), SET STATISTICS, CLUSTER ON …: SHARE UPDATE EXCLUSIVE and catalog only.
    WeakLock {
        command: &'static str,
    },
    /// Catalog only, under a strong but brief lock.
    BriefLock {
        command: &'static str,
        lock: LockMode,
    },
    /// SET LOGGED/UNLOGGED, SET TABLESPACE, SET ACCESS METHOD, SET EXPRESSION …: rewrites the table.
    Rewrites {
        command: &'static str,
    },
    /// Row security, ownership.
    Security {
        command: &'static str,
    },
    /// Disables a trigger or rule, or weakens replica identity.
    Weakens {
        command: &'static str,
        lock: LockMode,
    },
    /// REPLICA IDENTITY DEFAULT: the primary key, if there is one.
    ReplicaIdentityDefault,
    /// ALTER CONSTRAINT … [NOT] ENFORCED (18).
    Enforce {
        name: String,
        enforced: bool,
    },
    /// SET … RESTART of an identity column.
    RestartIdentity {
        column: String,
    },
    /// Known, not modelled.
    Other {
        command: &'static str,
    },
}

/// `CREATE TABLE`, `CREATE TABLE AS`, `SELECT INTO`, `CREATE FOREIGN TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    pub relation: RelationName,
    pub temporary: bool,
    /// Tables referenced by foreign keys: SHARE ROW EXCLUSIVE on each.
    pub references: Vec<RelationName>,
    /// PARTITION OF: ACCESS EXCLUSIVE on the parent (and a scan of its default partition).
    pub partition_of: Option<RelationName>,
    /// The bounds of a permanent PARTITION OF that says nothing else.
    pub plain_partition: Option<PartitionBound>,
    /// CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW.
    pub from_query: bool,
}

/// `DROP …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    pub kind: DropKind,
    /// Dotted names as written; for relations also in `relations`.
    pub objects: Vec<String>,
    pub relations: Vec<RelationName>,
    pub if_exists: bool,
    pub cascade: bool,
    pub concurrently: bool,
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
    pub to: String,
}

/// Rights, roles and policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// `GRANT`, `REVOKE`, `ALTER ROLE`, `CREATE POLICY`, …
    pub command: &'static str,
    /// A change of a role's own password only: passes by default, its text is redacted.
    pub own_password: bool,
    /// The table a policy is of.
    pub relation: Option<RelationName>,
}

/// What is sent to subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    pub command: &'static str,
    /// Tables named in it.
    pub relations: Vec<RelationName>,
    pub effect: PublicationEffect,
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
