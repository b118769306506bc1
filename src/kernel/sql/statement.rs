//! Our vocabulary for SQL: what one text contains, in words that rules, plans and reviewers share.
//!
//! Built by [`super::read`] from PostgreSQL's own parse tree and from nothing else. Fragments named
//! `*_sql` are text deparsed from that tree: they can be put into a new statement as they are.

mod alter;
mod bound;
mod column;
mod index;
mod named;
mod object;
mod write;

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use alter::{AlterAction, AlterKind, AlterObject, AlterTable, RowTypeChange};
pub use bound::{Edge, PartitionBound};
pub use column::{
    AddColumn, Callee, ConstraintKind, DefaultExpression, Generated, Hidden, NotNull, Operand, Serial, TableConstraint,
    TypeName, Using, UsingForm,
};
pub use index::{CreateIndex, IndexElement, Reindex, ReindexOf};
pub use named::{Named, Reach};
pub use object::{
    BareName, CreateDomain, CreateTable, DatabaseEffect, Drop, DropKind, Opaque, OpaqueKind, PasswordOf, Privilege,
    Publication, PublicationEffect, Published, QueriedColumn, Rename, Repeats, Setting, Shrinks, TableOutline,
};
pub use write::{Assignment, ByRow, MassWriteKind};

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
    /// What the whole text statement names beside the relations that rules ask about, where it is a change that reaches
    /// further than those.
    pub named: Vec<Named>,
}

/// One statement, classified by what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Reads, writes with a condition, and utilities no rule is about. Passes without a look-up.
    Ordinary,
    /// As ordinary, but names without a schema may mean something else after it: SET search_path, SET ROLE, DISCARD TEMP,
    /// and FETCH, since a cursor's query may do the same.
    MovesNames,
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RelationName {
    pub schema: Option<String>,
    pub name: String,
}

impl RelationName {
    /// For people: with its schema where that was written.
    #[must_use]
    pub fn written(&self) -> String {
        let schema = self.schema.as_ref().map(|schema| format!("{schema}."));
        schema.unwrap_or_default() + &self.name
    }
}

/// What a statement would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    CreateIndex(CreateIndex),
    AlterTable(AlterTable),
    CreateTable(CreateTable),
    CreateDomain(CreateDomain),
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
        /// Present where it is all of the statement and writes each row by that row alone.
        by_row: Option<ByRow>,
    },
    /// RENAME of anything, and SET SCHEMA.
    Rename(Rename),
    /// GRANT, REVOKE, roles, ownership, default privileges, row security, security labels.
    Privilege(Privilege),
    /// A setting the gateway's reading or the database's guard depends on.
    Setting(Setting),
    /// Runs text or code nobody can read from here.
    Opaque(Opaque),
    Reindex(Reindex),
    /// VACUUM FULL, CLUSTER: rewrites under ACCESS EXCLUSIVE. No relation means all.
    RewriteTable {
        command: &'static str,
        relation: Option<RelationName>,
        /// VACUUM FULL that asks for a small table, and for nothing a compaction in place would not do.
        shrinks: Option<Shrinks>,
        /// CLUSTER: the index it goes by, where one is named.
        by: Option<String>,
    },
    /// REFRESH MATERIALIZED VIEW without CONCURRENTLY.
    RefreshMatview {
        relation: RelationName,
        with_data: bool,
    },
    /// ALTER DOMAIN with something that every table which uses it is checked for.
    CheckDomain {
        domain: String,
        /// Without its schema.
        bare: String,
    },
    /// CREATE RULE.
    CreateRule {
        relation: RelationName,
        /// It does something: not DO NOTHING.
        acts: bool,
    },
    /// CREATE PUBLICATION, ALTER PUBLICATION.
    Publication(Publication),
    /// ALTER SEQUENCE … RESTART, CYCLE, INCREMENT by less than nothing.
    RestartSequence {
        relation: RelationName,
        how: Repeats,
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
    /// ALTER DATABASE … SET TABLESPACE, its limits, REFRESH COLLATION VERSION; ALTER TABLESPACE.
    AlterDatabase {
        database: String,
        effect: DatabaseEffect,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
