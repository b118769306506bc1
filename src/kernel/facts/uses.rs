//! What hangs on one column: all that a change of its type touches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::sql::statement::{RelationName, TypeName};
use super::{ColumnFacts, ConstraintFacts, Facts, IndexFacts, RelationFacts};

/// A column whose type changes, and the types it is cast to on the way, the new one last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedUse {
    pub relation: RelationName,
    pub column: String,
    pub types: Vec<TypeName>,
}

/// Something in a table's schema with a name like those of helpers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HelperName {
    pub name: String,
    /// A function: the trigger of ours on the table that calls it.
    #[serde(default)]
    pub trigger: Option<String>,
    /// A table for keys of rows, with what it is for as its comment.
    #[serde(default)]
    pub notes: bool,
}

/// What depends on a column, and what the column is beyond its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnUse {
    /// `attnum`.
    pub position: i16,
    /// What [`super::column_shape`] gives for it; empty where no server was asked.
    #[serde(default)]
    pub shape: String,
    /// Its type as declared, with all names qualified.
    #[serde(default)]
    pub type_sql: String,
    /// Its type; of a domain the one behind it.
    pub base_sql: String,
    /// One for each type asked for, in order.
    pub casts: Vec<CastFacts>,
    /// No column comes after it.
    pub is_last: bool,
    pub default_sql: Option<String>,
    /// `attidentity`.
    pub identity: Option<char>,
    /// Another collation than its type's own.
    pub collation: Option<RelationName>,
    pub comment: Option<String>,
    /// `attoptions`: `n_distinct=5`.
    pub options: Vec<String>,
    pub statistics: Option<i32>,
    /// `attstorage` as a word.
    #[serde(default)]
    pub storage: Option<String>,
    /// `attcompression` as a word; none: the server's own choice.
    #[serde(default)]
    pub compression: Option<String>,
    pub grants: Vec<Grant>,
    /// The sequence of an identity, or one that the column owns.
    pub sequence: Option<SequenceUse>,
    pub indexes: Vec<IndexUse>,
    pub constraints: Vec<ConstraintUse>,
    pub statistics_objects: Vec<StatisticsUse>,
    /// For these the server refuses the change at once: `view public.v`.
    pub refused: Vec<String>,
    /// Triggers of the application's that would fire for every row, or after one of ours.
    pub triggers: Vec<String>,
    /// Rules that change what an UPDATE or INSERT does.
    pub update_rules: Vec<String>,
    /// Publications with all of the table's columns.
    pub publications: Vec<String>,
    /// A partition or child has a CHECK on it, or an index over an expression, with a condition, or of its own
    /// partitions.
    pub children_hang: bool,
    /// A partition or child has an index or a foreign key on it.
    #[serde(default)]
    pub children_indexed: bool,
    /// Row security that binds the owner too.
    pub forced_row_security: bool,
    pub typed_table: bool,
    /// The table has one.
    pub generated_columns: bool,
    /// Has a security label.
    pub labelled: bool,
    /// The role may make functions in the table's schema.
    pub may_create: bool,
    /// What is called as the functions of triggers of ours are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<HelperName>,
}

impl ColumnUse {
    /// Without what hangs on one of these too.
    #[must_use]
    pub fn without(&self, others: &[Self]) -> Self {
        let mut left = self.clone();
        for other in others {
            left.indexes.retain(|index| other.index(&index.name).is_none());
            left.constraints.retain(|constraint| other.constraint(constraint).is_none());
            let same = |one: &StatisticsUse, two: &StatisticsUse| one.name == two.name && one.schema == two.schema;
            left.statistics_objects.retain(|object| !other.statistics_objects.iter().any(|found| same(found, object)));
        }
        left
    }

    /// An index, if it hangs on this column too.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<&IndexUse> {
        self.indexes.iter().find(|found| found.name == name)
    }

    /// A constraint, if it hangs on this column too.
    #[must_use]
    pub fn constraint(&self, of: &ConstraintUse) -> Option<&ConstraintUse> {
        let same =
            |found: &&ConstraintUse| (&found.name, &found.schema, &found.table) == (&of.name, &of.schema, &of.table);
        self.constraints.iter().find(same)
    }

    /// What can be told from the table alone, where no server can be asked.
    #[must_use]
    pub fn assumed(facts: &Facts, asked: &WantedUse) -> Option<Self> {
        let table = facts.relation(&asked.relation)??;
        let column = table.column(&asked.column)?;
        let mut from = column.type_sql.clone();
        let mut casts = Vec::new();
        for of in &asked.types {
            let of = facts.type_facts(of)?;
            casts.push(CastFacts::assumed(&from, &of.type_sql));
            from.clone_from(&of.type_sql);
        }
        // Which columns an expression uses is not in the facts: its text counts.
        let uses = |index: &&IndexFacts| {
            index.columns.contains(&column.name)
                || index.expression_or_partial
                    && (index.definition.is_empty() || index.definition.contains(&column.name))
        };
        let constraints = table.constraints.iter().filter(|constraint| constraint.columns.contains(&column.name));
        let place = |other: &ColumnFacts| other.name == column.name;
        Some(Self {
            position: table
                .columns
                .iter()
                .position(place)
                .and_then(|at| i16::try_from(at + 1).ok())
                .unwrap_or_default(),
            type_sql: column.type_sql.clone(),
            base_sql: column.type_sql.clone(),
            casts,
            is_last: table.columns.last().is_some_and(place),
            indexes: table.indexes.iter().filter(uses).map(IndexUse::assumed).collect(),
            constraints: constraints.map(|constraint| ConstraintUse::assumed(table, constraint)).collect(),
            may_create: true,
            ..Self::default()
        })
    }

    /// With what another look at the same column has found besides.
    pub fn extend(&mut self, other: Self) {
        for index in other.indexes {
            if !self.indexes.iter().any(|known| known.name == index.name) {
                self.indexes.push(index);
            }
        }
        for constraint in other.constraints {
            if !self.constraints.iter().any(|known| known.name == constraint.name) {
                self.constraints.push(constraint);
            }
        }
    }
}

/// One cast, from the type before to this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "what the catalog says of one cast")]
pub struct CastFacts {
    /// The type, qualified where that is needed to find it.
    pub type_sql: String,
    /// Of a domain the type behind it, else the same.
    pub base_sql: String,
    pub is_array: bool,
    /// From a type to itself, modifiers and domains aside.
    pub same: bool,
    /// The type's own collation is the column's.
    #[serde(default)]
    pub collates_alike: bool,
    /// `pg_cast.castmethod`, for arrays of their elements; absent: none is registered.
    pub method: Option<char>,
    /// `pg_cast.castcontext`.
    pub context: Option<char>,
    /// Its function is IMMUTABLE.
    pub immutable: bool,
    /// Both types have text forms that no setting changes.
    pub plain_text: bool,
    /// To a string type: possible from every type by its text form.
    pub to_string: bool,
}

impl CastFacts {
    /// Between strings nothing is computed; what has to do with time may depend on settings.
    fn assumed(from: &str, to: &str) -> Self {
        let bare = |text: &str| text.split('(').next().unwrap_or_default().trim().to_owned();
        let is_string = |text: &str| ["text", "character varying"].contains(&bare(text).as_str());
        let is_time = |text: &str| text.starts_with("time") || text.starts_with("date");
        Self {
            type_sql: to.to_owned(),
            base_sql: to.to_owned(),
            is_array: to.ends_with("[]"),
            same: bare(from) == bare(to),
            collates_alike: true,
            method: Some(if is_string(from) && is_string(to) { 'b' } else { 'f' }),
            // Without a cast the server would refuse it: whether there is one is not known.
            context: Some('a'),
            immutable: !is_time(from) && !is_time(to),
            plain_text: false,
            to_string: is_string(to),
        }
    }

    /// Whether ALTER COLUMN TYPE finds it without USING.
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        self.same || matches!(self.context, Some('a' | 'i')) || self.method.is_none() && self.to_string
    }

    /// Whether it gives the same in every session.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self.method {
            _ if self.same => true,
            Some('b') => true,
            Some('f') => self.immutable,
            _ => self.plain_text,
        }
    }
}

/// One privilege of one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    pub privilege: String,
    /// Absent: PUBLIC.
    pub grantee: Option<String>,
    pub grantable: bool,
    /// Given by the owner.
    pub by_owner: bool,
}

/// `pg_sequence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SequenceUse {
    pub schema: String,
    pub name: String,
    pub type_sql: String,
    pub start: i64,
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cache: i64,
    pub cycle: bool,
    pub comment: Option<String>,
    /// Of others than its owner.
    pub grants: Vec<Grant>,
}

/// An index with the column in its key, its INCLUDE, an expression or its condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "what the catalog says of one index")]
pub struct IndexUse {
    pub name: String,
    /// With all names qualified.
    pub definition: String,
    pub valid: bool,
    pub unique: bool,
    /// Has an expression or a condition.
    pub computed: bool,
    pub constraint: Option<String>,
    pub replica_identity: bool,
    pub clustered: bool,
    pub tablespace: Option<String>,
    pub comment: Option<String>,
    /// The names that the index itself has for what it is over, in order.
    #[serde(default)]
    pub parts: Vec<String>,
    /// Those of them that are the column as it is.
    #[serde(default)]
    pub plain: Vec<String>,
}

impl IndexUse {
    /// Whether an index over another column in this one's place can have the same name for it.
    #[must_use]
    pub fn names_it(&self, column: &str) -> bool {
        // A number behind the name would be there because it is taken, and is not where the column has another one.
        let numbered = |part: &String| part.strip_prefix(column).is_some_and(|rest| rest.parse::<u32>().is_ok());
        self.plain == [column] && !self.parts.iter().any(numbered)
    }

    fn assumed(index: &IndexFacts) -> Self {
        Self {
            name: index.name.clone(),
            definition: index.definition.clone(),
            valid: index.valid,
            unique: index.unique,
            computed: index.expression_or_partial,
            constraint: index.constraint.clone(),
            replica_identity: false,
            clustered: false,
            tablespace: None,
            comment: None,
            parts: Vec::new(),
            plain: Vec::new(),
        }
    }
}

/// A constraint on the column, or a foreign key that references it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "what the catalog says of one constraint")]
pub struct ConstraintUse {
    pub name: String,
    /// `contype`.
    pub kind: char,
    /// With all names qualified.
    pub definition: String,
    pub validated: bool,
    pub deferrable: bool,
    pub deferred: bool,
    pub comment: Option<String>,
    /// It is a constraint of this table.
    pub local: bool,
    /// It references this table.
    pub remote: bool,
    /// The table it belongs to.
    pub schema: String,
    pub table: String,
    /// That table has no partitions or children and is none itself.
    pub plain: bool,
    /// The table a foreign key references.
    pub referenced_schema: Option<String>,
    pub referenced_table: Option<String>,
    /// That table is partitioned.
    #[serde(default)]
    pub references_parts: bool,
    /// The role may alter that table.
    pub may_alter: bool,
    pub columns: Vec<String>,
    pub referenced: Vec<String>,
}

impl ConstraintUse {
    /// The table that a foreign key references.
    #[must_use]
    pub fn refers_to(&self) -> Option<RelationName> {
        Some(RelationName { schema: self.referenced_schema.clone(), name: self.referenced_table.clone()? })
    }

    /// The table it belongs to.
    #[must_use]
    pub fn belongs_to(&self) -> RelationName {
        RelationName { schema: Some(self.schema.clone()), name: self.table.clone() }
    }

    /// A valid one of a table of its own (schema and name), which no other table has a part in.
    #[must_use]
    pub fn own((schema, table): (&str, &str), name: &str, kind: char) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            definition: String::new(),
            validated: true,
            deferrable: false,
            deferred: false,
            comment: None,
            local: true,
            remote: false,
            schema: schema.to_owned(),
            table: table.to_owned(),
            plain: true,
            referenced_schema: None,
            referenced_table: None,
            references_parts: false,
            may_alter: true,
            columns: Vec::new(),
            referenced: Vec::new(),
        }
    }

    fn assumed(table: &RelationFacts, constraint: &ConstraintFacts) -> Self {
        Self {
            definition: constraint.definition.clone(),
            validated: constraint.validated,
            columns: constraint.columns.clone(),
            ..Self::own((&table.schema, &table.name), &constraint.name, constraint.kind)
        }
    }
}

/// `CREATE STATISTICS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatisticsUse {
    pub schema: String,
    pub name: String,
    pub definition: String,
    pub owner: String,
    /// This role may not make statistics for their owner.
    #[serde(default)]
    pub of_another: bool,
    pub target: Option<i32>,
    pub comment: Option<String>,
}

impl StatisticsUse {
    /// A clause for people that says why these cannot be made anew.
    #[must_use]
    pub fn kept_from_us(all: &[Self]) -> Option<String> {
        let one = all.iter().find(|one| one.of_another)?;
        Some(format!(
            "statistics {}.{} belong to {}, and this role is no member of that: they could not be made anew for it",
            one.schema, one.name, one.owner
        ))
    }
}
