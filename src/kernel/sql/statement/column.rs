//! Columns and constraints, as a statement would add them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RelationName;

/// A type as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeName {
    pub schema: Option<String>,
    /// Internal name: `int4`, `varchar`, `mytype`.
    pub name: String,
    /// Usable in SQL: `varchar(20)[]`, `numeric(10, 2)`.
    pub sql: String,
}

/// `ADD COLUMN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddColumn {
    pub name: String,
    /// Where it stands in the text, and where its type does: bytes.
    pub at: usize,
    pub type_at: usize,
    pub type_name: TypeName,
    pub if_not_exists: bool,
    pub collation_sql: Option<String>,
    pub default: Option<DefaultExpression>,
    pub not_null: Option<NotNull>,
    /// `NULL` is written.
    pub null: bool,
    /// smallserial, serial, bigserial: the integer type behind it is in `type_name`.
    pub serial: Option<Serial>,
    /// `GENERATED … AS IDENTITY`, as written from GENERATED on.
    pub identity_sql: Option<String>,
    pub generated: Option<Generated>,
    /// Inline UNIQUE, PRIMARY KEY, CHECK and REFERENCES, as table constraints of this column.
    pub constraints: Vec<TableConstraint>,
    /// STORAGE, COMPRESSION and the rest between type and constraints, if any.
    pub options_sql: Option<String>,
}

/// `NOT NULL`, and the name it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotNull {
    /// `CONSTRAINT name NOT NULL` (kept as a constraint's name from version 18).
    pub name: Option<String>,
    /// It binds rows of the table itself only (18).
    pub no_inherit: bool,
}

/// A serial type: a number with a sequence behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serial {
    Small,
    Int,
    Big,
}

/// How a column gets its value by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    Stored,
    Virtual,
    /// Neither word written: STORED is required up to 17, VIRTUAL is meant from 18.
    Unsaid,
}

/// A default, and what in it could be volatile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultExpression {
    pub sql: String,
    /// Every function and operator it calls, by name as written.
    pub callees: Vec<Callee>,
    pub hidden: Box<Hidden>,
    /// `DEFAULT NULL`.
    pub is_null: bool,
}

/// What an expression calls besides, without a name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Operators of BETWEEN and of CASE … WHEN.
    pub operators: Vec<Callee>,
    /// Casts that are written, and what is cast.
    pub casts: Vec<(TypeName, Operand)>,
    /// What the expression is as a whole, which is converted to the type it is assigned to.
    pub whole: Operand,
    /// Parts of it are passed on to something, and may be converted for that.
    pub composed: bool,
    /// What it is made of is not known.
    pub unclear: bool,
}

/// What is converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A string without a type of its own: the type's input function reads it once.
    Text,
    /// A number or a boolean.
    Number,
    /// Of this type.
    Typed(TypeName),
    Other,
}

/// `USING …` of a change of type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Using {
    pub sql: String,
    pub form: UsingForm,
}

/// What a new value is computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsingForm {
    /// The column itself, cast to these types one after the other.
    Casts(Vec<TypeName>),
    /// Columns by their bare names, constants, and these callees.
    Computed(Vec<Callee>),
    /// Anything else: what it depends on is not known.
    Unclear,
}

/// Something an expression calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Callee {
    Function { schema: Option<String>, name: String },
    Operator { schema: Option<String>, name: String },
}

/// A constraint of a table, or of one column written as a table's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableConstraint {
    pub name: Option<String>,
    pub kind: ConstraintKind,
    pub columns: Vec<String>,
    /// The columns of the other table that are written, of a foreign key.
    pub referenced: Vec<String>,
    /// Where it stands in the text, in bytes.
    pub at: usize,
    /// Without `CONSTRAINT name` and without `NOT VALID`: `CHECK (x > 0)`, `FOREIGN KEY (a) REFERENCES p (id)`.
    pub definition_sql: String,
    pub not_valid: bool,
    /// NOT ENFORCED (18).
    pub not_enforced: bool,
}

impl TableConstraint {
    /// As a column's NOT NULL.
    #[must_use]
    pub fn not_null(&self) -> NotNull {
        NotNull { name: self.name.clone(), no_inherit: self.definition_sql.ends_with(" NO INHERIT") }
    }
}

/// What a constraint demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// `columns` are those the expression mentions, each once, in the order of their first mention.
    Check {
        no_inherit: bool,
    },
    /// `index_sql` is what follows the table's name in CREATE UNIQUE INDEX;
    /// `tail_sql` what must follow USING INDEX (DEFERRABLE …).
    Unique {
        index_sql: String,
        tail_sql: String,
    },
    PrimaryKey {
        index_sql: String,
        tail_sql: String,
    },
    ForeignKey {
        references: RelationName,
    },
    Exclude,
    /// A NOT NULL written as a table constraint (18).
    NotNull,
}
