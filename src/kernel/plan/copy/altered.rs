//! What a statement of its own makes of the copy, while that is empty: its subcommands as they are, under the names that
//! the server would have chosen for the table. The rows are then copied by the columns that both have.

use crate::kernel::facts::{Facts, RelationFacts};
use crate::kernel::plan::names::Names;
use crate::kernel::plan::retype::{self, Retype, Work};
use crate::kernel::plan::set_not_null::{self, NAMED_FROM};
use crate::kernel::plan::{add_column, add_constraint, quote};
use crate::kernel::sql::statement::{
    AddColumn, AlterAction, AlterKind, AlterTable, ConstraintKind, Generated, TableConstraint,
};

/// The statement, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Altered {
    /// What stands after `ALTER TABLE copy `.
    actions: Vec<String>,
    /// `column x added`, for people.
    said: Vec<String>,
    /// Old columns that have other values afterwards.
    pub(super) changed: Vec<String>,
    /// What is copied into such a column, where it is not the column itself.
    pub(super) computed: Vec<(String, String)>,
    /// A new column is filled by a default.
    fills: bool,
}

impl Altered {
    /// Everything the statement does, or why the copy cannot be given all of it.
    ///
    /// # Errors
    /// A clause for people.
    pub fn of(alter: &AlterTable, table: &RelationFacts, facts: &Facts) -> Result<Self, String> {
        let mut altered = Self::default();
        // The copy has all of the statement, so nothing else in it has been given a name.
        let mut names = Names::new(facts);
        for action in &alter.actions {
            if action.names_table {
                return Err(
                    "an expression names the table itself, which has another name while it is a copy".to_owned()
                );
            }
            match &action.kind {
                AlterKind::AddColumn(column) => altered.add(column, table, facts, &mut names)?,
                AlterKind::Rewrites { command: "SET EXPRESSION", to: Some(column) } => {
                    altered.compute(action, column, table)?;
                }
                AlterKind::AlterType { .. } => {
                    altered.retype(action, alter, table, facts)?;
                }
                _ => return Err("the statement does more than a copy can be given while it is empty".to_owned()),
            }
        }
        Ok(altered)
    }

    pub(super) fn sql(&self, copy: &str) -> String {
        format!("ALTER TABLE {copy} {}", self.actions.join(", "))
    }

    /// What follows "is copied".
    pub(super) fn how(&self) -> String {
        format!("with {}", self.said.join(", "))
    }

    pub(super) fn remarks(&self) -> String {
        let default = if self.fills { " A default is computed for each row at the time it is copied." } else { "" };
        format!(
            " A row that its new values are not allowed for, also one that is written meanwhile, ends it with the server's \
             error, and all is taken back.{default}"
        )
    }

    fn add(
        &mut self,
        column: &AddColumn,
        table: &RelationFacts,
        facts: &Facts,
        names: &mut Names<'_>,
    ) -> Result<(), String> {
        if table.column(&column.name).is_some() {
            return Err(format!("column {} is there already", column.name));
        }
        if column.serial.is_some() || column.identity_sql.is_some() {
            return Err(format!("column {} is numbered, and a row that is copied twice would get two", column.name));
        }
        let mut text = format!("ADD COLUMN {}", add_column::definition(column));
        text.push_str(&value(column, facts)?);
        if let Some(not_null) = &column.not_null {
            let name = if facts.major() >= NAMED_FROM {
                Some(set_not_null::name_of(table, &column.name, Some(not_null), names))
            } else {
                not_null.name.clone()
            };
            text.extend(name.map(|name| format!(" CONSTRAINT {}", quote::identifier(&name))));
            text.push_str(" NOT NULL");
            text.push_str(set_not_null::tail(Some(not_null)));
        }
        self.actions.push(text);
        for constraint in &column.constraints {
            self.actions.push(check(column, constraint, table, names)?);
        }
        let of = facts.type_facts(&column.type_name);
        let has_default = column.default.as_ref().is_some_and(|default| !default.is_null);
        self.fills |= column.generated.is_none() && (has_default || of.is_some_and(|of| of.domain_default));
        self.said.push(format!("column {} added", column.name));
        Ok(())
    }

    fn compute(&mut self, action: &AlterAction, column: &str, table: &RelationFacts) -> Result<(), String> {
        if !table.column(column).is_some_and(|found| found.generated) {
            return Err(format!("column {column} is not a generated one"));
        }
        self.actions.push(action.sql.clone());
        self.changed.push(column.to_owned());
        self.said.push(format!("column {column} computed by its new expression"));
        Ok(())
    }

    fn retype(
        &mut self,
        action: &AlterAction,
        alter: &AlterTable,
        table: &RelationFacts,
        facts: &Facts,
    ) -> Result<(), String> {
        let Some(change) = Retype::of(alter, &action.kind) else { return Ok(()) };
        let column = change.column;
        match retype::work(table, &change, facts) {
            Work::Refused(why) => return Err(why),
            Work::Unknown(why) => return Err(why.to_owned()),
            Work::Nothing | Work::Checks(_) | Work::Rebuilds(_) | Work::Rewrites(_) => {}
        }
        let found = table.column(column).ok_or_else(|| format!("there is no column {column}"))?;
        let key = |kind: char| {
            let mut of_kind = table.constraints.iter().filter(move |one| one.kind == kind);
            of_kind.find(|one| one.columns.iter().any(|name| name == column))
        };
        if found.identity {
            return Err(format!("column {column} is an identity, whose sequence would have to change too"));
        }
        if let Some(key) = key('f') {
            return Err(format!("foreign key {} would be proven only when the copy has the table's place", key.name));
        }
        self.actions.push(action.sql.clone());
        self.changed.push(column.to_owned());
        self.computed.extend(change.using.map(|using| (column.to_owned(), using.sql.clone())));
        self.said.push(format!("the type of {column} changed"));
        Ok(())
    }
}

/// By what it gets its values.
fn value(column: &AddColumn, facts: &Facts) -> Result<String, String> {
    let Some(default) = &column.default else { return Ok(String::new()) };
    let by_itself = facts.major() >= 18;
    let word = match column.generated {
        None => return Ok(format!(" DEFAULT ({})", default.sql)),
        Some(Generated::Stored) => "STORED",
        Some(Generated::Virtual | Generated::Unsaid) if by_itself => "VIRTUAL",
        Some(Generated::Virtual | Generated::Unsaid) => {
            return Err("this server knows STORED generated columns only".to_owned());
        }
    };
    Ok(format!(" GENERATED ALWAYS AS ({}) {word}", default.sql))
}

/// A CHECK of the new column; other constraints are none of the copy's.
fn check(
    column: &AddColumn,
    constraint: &TableConstraint,
    table: &RelationFacts,
    names: &mut Names<'_>,
) -> Result<String, String> {
    let why = match &constraint.kind {
        ConstraintKind::Check { .. } => {
            let name = add_constraint::name_of(table, constraint, names).ok_or("a CHECK without a name")?;
            return Ok(format!("ADD CONSTRAINT {} {}", quote::identifier(&name), constraint.definition_sql));
        }
        ConstraintKind::ForeignKey { .. } => "REFERENCES",
        ConstraintKind::Unique { .. } => "UNIQUE",
        ConstraintKind::PrimaryKey { .. } => "PRIMARY KEY",
        ConstraintKind::Exclude => "EXCLUDE",
        ConstraintKind::NotNull => "NOT NULL",
    };
    Err(format!("{why} of the new column {} is for a statement of its own, after it", column.name))
}
