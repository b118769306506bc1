//! `ALTER TABLE` and its subcommands.

use super::{AddColumn, LockMode, PartitionBound, RelationName, Repeats, TableConstraint, TypeName, Using};

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
    /// What it names, where what kind it is does not say: a column, a trigger, a rule, or storage parameters.
    pub named: Vec<String>,
    /// An expression in it names the table itself.
    pub names_table: bool,
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
        /// The tablespace, access method or column, where one is named.
        to: Option<String>,
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
    /// ALTER CONSTRAINT … [NO] INHERIT (18): whether a NOT NULL binds all children from then on.
    Inherit {
        name: String,
        inherits: bool,
    },
    /// RESTART, SET CYCLE and the like of an identity column.
    RestartIdentity {
        column: String,
        how: Repeats,
    },
    /// ALTER TYPE … CASCADE: also of every table that is made of the type.
    RowType(RowTypeChange),
    /// Known, not modelled.
    Other {
        command: &'static str,
    },
}

/// What becomes of the tables that are made of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowTypeChange {
    AddAttribute(String),
    DropAttribute(String),
    /// ALTER ATTRIBUTE … TYPE: every row is written anew.
    AlterAttribute(String),
}
