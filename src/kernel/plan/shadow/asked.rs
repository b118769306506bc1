//! What the same statement asks of the columns whose types it changes, besides: constraints that are made with the new
//! columns, and so are proven before these take their places.

use super::text::{references, renamed};
use crate::kernel::facts::{ColumnUse, ConstraintUse, Facts, IndexUse, RelationFacts, RelationKind};
use crate::kernel::plan::names::{Names, included};
use crate::kernel::plan::retype::Retype;
use crate::kernel::plan::{Step, add_constraint, add_index_constraint, helper, quote, retype, set_not_null};
use crate::kernel::sql::read;
use crate::kernel::sql::statement::{AlterKind, AlterTable, ConstraintKind, NotNull, RelationName, TableConstraint};

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Which subcommands it stands for, by their places.
    pub actions: Vec<usize>,
    /// What others of their columns need before: NOT NULL for a primary key.
    pub before: Vec<Step>,
    indexes: Vec<(IndexUse, Vec<String>)>,
    constraints: Vec<(ConstraintUse, Vec<String>)>,
    not_null: Vec<String>,
}

/// Looks through the statement for it.
pub struct Look<'a> {
    alter: &'a AlterTable,
    table: &'a RelationFacts,
    facts: &'a Facts,
    /// Columns that are written anew, and those whose type changes in the catalog only.
    anew: Vec<&'a str>,
    kept: Vec<&'a str>,
}

impl Asked {
    /// With what hangs on a column by itself.
    pub(super) fn put(&self, column: &str, hangs: &mut ColumnUse) {
        let of = |columns: &[String]| columns.iter().any(|name| name == column);
        hangs.indexes.extend(self.indexes.iter().filter(|(_, columns)| of(columns)).map(|(index, _)| IndexUse {
            plain: index.parts.iter().filter(|part| *part == column).cloned().collect(),
            ..index.clone()
        }));
        let constraints = self.constraints.iter().filter(|(_, columns)| of(columns));
        hangs.constraints.extend(constraints.map(|(constraint, _)| constraint.clone()));
    }

    /// Whether the statement asks for this constraint: there is no older one whose place it takes.
    pub(super) fn has(&self, constraint: &ConstraintUse) -> bool {
        self.constraints.iter().any(|(asked, _)| asked == constraint)
    }

    pub(super) fn not_null(&self, column: &str) -> bool {
        self.not_null.iter().any(|name| name == column)
    }

    /// Names of the constraints, for people.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.constraints.iter().map(|(constraint, _)| constraint.name.as_str()).collect()
    }
}

impl<'a> Look<'a> {
    #[must_use]
    pub fn new(alter: &'a AlterTable, table: &'a RelationFacts, facts: &'a Facts) -> Self {
        let changes = alter.actions.iter().filter_map(|action| Retype::of(alter, &action.kind));
        let (anew, kept): (Vec<_>, Vec<_>) = changes.partition(|one| retype::work(table, one, facts).is_long());
        let names = |changes: Vec<Retype<'a>>| changes.into_iter().map(|one| one.column).collect();
        Self { alter, table, facts, anew: names(anew), kept: names(kept) }
    }

    /// What of these subcommands, which have steps of their own, can be made with the new columns.
    #[must_use]
    pub fn asked(&self, planned: &[usize], names: &mut Names<'_>) -> Asked {
        let mut asked = Asked::default();
        for (at, action) in self.alter.actions.iter().enumerate().filter(|(at, _)| planned.contains(at)) {
            let before = asked.clone();
            if self.ask(&action.kind, names, &mut asked).is_some() {
                asked.actions.push(at);
            } else {
                asked = before;
            }
        }
        asked
    }

    /// Whether a subcommand with steps of its own has nothing to do with columns whose types change: it can run before.
    #[must_use]
    pub fn is_apart(&self, kind: &AlterKind) -> bool {
        let references_what_changes = |constraint: &TableConstraint| {
            self.references_itself(constraint)
                && self.referenced_here(constraint).is_none_or(|key| key.iter().any(|name| self.changes(name)))
        };
        let apart = |constraint: &TableConstraint| {
            let columns = Self::columns(constraint);
            !columns.iter().any(|name| self.changes(name)) && !references_what_changes(constraint)
        };
        match kind {
            AlterKind::AddConstraint(constraint) => apart(constraint),
            AlterKind::AddColumn(column) => column.constraints.iter().all(apart),
            AlterKind::SetNotNull { column } => !self.anew.contains(&column.as_str()),
            AlterKind::AddConstraintUsingIndex { index, .. } => {
                let index = self.table.index(index);
                index.is_some_and(|index| !index.columns.iter().any(|name| self.changes(name)))
            }
            AlterKind::ValidateConstraint { name } => {
                let constraint = self.table.constraint(name);
                constraint.is_some_and(|constraint| !constraint.columns.iter().any(|name| self.changes(name)))
            }
            _ => false,
        }
    }

    fn changes(&self, column: &str) -> bool {
        self.anew.contains(&column) || self.kept.contains(&column)
    }

    /// All columns of a constraint to be.
    #[must_use]
    pub fn columns(constraint: &TableConstraint) -> Vec<String> {
        let mut columns = constraint.columns.clone();
        if let ConstraintKind::Unique { index_sql, .. } | ConstraintKind::PrimaryKey { index_sql, .. } =
            &constraint.kind
        {
            columns.extend(included(index_sql));
        }
        columns
    }

    fn references_itself(&self, constraint: &TableConstraint) -> bool {
        matches!(&constraint.kind, ConstraintKind::ForeignKey { references } if self.is_the_table(references))
    }

    /// The columns that it references, where it references the table itself: without a list its primary key.
    fn referenced_here(&self, constraint: &TableConstraint) -> Option<Vec<String>> {
        let key = || self.table.indexes.iter().find(|index| index.primary).map(|index| index.columns.clone());
        if constraint.referenced.is_empty() { key() } else { Some(constraint.referenced.clone()) }
    }

    fn is_the_table(&self, name: &RelationName) -> bool {
        self.facts.relation(name).flatten().is_some_and(|found| found.oid == self.table.oid)
    }

    fn ask(&self, kind: &AlterKind, names: &mut Names<'_>, asked: &mut Asked) -> Option<()> {
        match kind {
            AlterKind::SetNotNull { column } => self.set_not_null(column, None, names, asked),
            AlterKind::AddConstraint(constraint) if constraint.kind == ConstraintKind::NotNull => {
                self.set_not_null(constraint.columns.first()?, Some(&constraint.not_null()), names, asked)
            }
            AlterKind::ValidateConstraint { name } => {
                let constraint = self.table.constraint(name)?;
                let has = |of: &[&str]| constraint.columns.iter().any(|name| of.contains(&name.as_str()));
                (has(&self.anew) && !has(&self.kept)).then_some(())
            }
            AlterKind::AddConstraint(constraint) => {
                let columns = Self::columns(constraint);
                if columns.iter().any(|name| self.kept.contains(&name.as_str())) {
                    return None;
                }
                let anew: Vec<String> =
                    columns.iter().filter(|name| self.anew.contains(&name.as_str())).cloned().collect();
                match &constraint.kind {
                    ConstraintKind::Check { .. } => self.check(constraint, anew, names, asked),
                    ConstraintKind::Unique { index_sql, tail_sql } => {
                        self.key(constraint, (index_sql, tail_sql, false), anew, (names, asked))
                    }
                    ConstraintKind::PrimaryKey { index_sql, tail_sql } => {
                        self.key(constraint, (index_sql, tail_sql, true), anew, (names, asked))
                    }
                    ConstraintKind::ForeignKey { .. } => self.foreign_key(constraint, anew, names, asked),
                    ConstraintKind::Exclude | ConstraintKind::NotNull => None,
                }
            }
            _ => None,
        }
    }

    /// From 18 on it is a constraint like others; before, the steps that prove it make it so.
    fn set_not_null(
        &self,
        column: &str,
        written: Option<&NotNull>,
        names: &mut Names<'_>,
        asked: &mut Asked,
    ) -> Option<()> {
        if !self.anew.contains(&column) {
            return None;
        }
        if asked.not_null(column) {
            return Some(());
        }
        let found = self.table.column(column)?;
        asked.not_null.push(column.to_owned());
        if self.facts.major() >= set_not_null::NAMED_FROM && !found.not_null {
            let name = set_not_null::name_of(self.table, column, written, names);
            let new = quote::identifier(&helper("new", column));
            let definition = format!("NOT NULL {new}{}", set_not_null::tail(written));
            let constraint = ConstraintUse { kind: 'n', ..self.constraint(&name, definition) };
            asked.constraints.push((constraint, vec![column.to_owned()]));
        }
        Some(())
    }

    fn check(
        &self,
        constraint: &TableConstraint,
        anew: Vec<String>,
        names: &mut Names<'_>,
        asked: &mut Asked,
    ) -> Option<()> {
        if anew.is_empty() {
            return None;
        }
        let names_of: Vec<(&str, String)> = self.anew.iter().map(|name| (*name, helper("new", name))).collect();
        let new: Vec<(&str, &str)> = names_of.iter().map(|(old, new)| (*old, new.as_str())).collect();
        let definition = read::renamed::check(&constraint.definition_sql, &new)?;
        let name = add_constraint::name_of(self.table, constraint, names)?;
        asked.constraints.push((ConstraintUse { kind: 'c', ..self.constraint(&name, definition) }, anew));
        Some(())
    }

    fn foreign_key(
        &self,
        constraint: &TableConstraint,
        mut anew: Vec<String>,
        names: &mut Names<'_>,
        asked: &mut Asked,
    ) -> Option<()> {
        let mut referenced = constraint.referenced.clone();
        if self.references_itself(constraint) {
            referenced = self.referenced_here(constraint)?;
            if referenced.iter().any(|name| self.kept.contains(&name.as_str())) {
                return None;
            }
            anew.extend(referenced.iter().filter(|name| self.anew.contains(&name.as_str())).cloned());
            referenced.iter_mut().for_each(|name| *name = self.new_name(name));
        }
        if anew.is_empty() {
            return None;
        }
        let (table, tail) = references(&constraint.definition_sql)?;
        // SET NULL (column) names columns of this side.
        let tail = match tail.contains('(') {
            true => anew.iter().try_fold(tail.to_owned(), |text, old| renamed(&text, old, &helper("new", old)))?,
            false => tail.to_owned(),
        };
        let list = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| quote::identifier(name)).collect();
            format!("({})", names.join(", "))
        };
        let own: Vec<String> = constraint.columns.iter().map(|name| self.new_name(name)).collect();
        let columns = if referenced.is_empty() { String::new() } else { format!(" {}", list(&referenced)) };
        let definition = format!("FOREIGN KEY {} REFERENCES {table}{columns} {tail}", list(&own));
        let definition = definition.trim_end().to_owned();
        let name = add_constraint::name_of(self.table, constraint, names)?;
        let ConstraintKind::ForeignKey { references } = &constraint.kind else { return None };
        let to = self.facts.relation(references).flatten();
        let key = ConstraintUse {
            kind: 'f',
            references_parts: to.is_some_and(|to| to.kind == RelationKind::PartitionedTable),
            columns: constraint.columns.clone(),
            ..self.constraint(&name, definition)
        };
        asked.constraints.push((key, anew));
        Some(())
    }

    fn key(
        &self,
        constraint: &TableConstraint,
        of: (&str, &str, bool),
        anew: Vec<String>,
        by: (&mut Names<'_>, &mut Asked),
    ) -> Option<()> {
        let ((index_sql, tail_sql, primary), (names, asked)) = (of, by);
        if anew.is_empty() {
            return None;
        }
        for column in constraint.columns.iter().filter(|_| primary) {
            match self.table.column(column) {
                Some(found) if found.not_null => {}
                Some(_) if self.anew.contains(&column.as_str()) => {
                    self.set_not_null(column, None, &mut *names, &mut *asked)?;
                }
                Some(_) => {
                    let by = (self.facts.major(), &mut *names);
                    asked.before.extend(set_not_null::steps(self.table, column, None, by).ok()?);
                }
                // Its own steps make it so.
                None => {}
            }
        }
        let name = add_index_constraint::name_of(self.table, constraint, (index_sql, primary), names);
        // Where the text names the columns must be told, for the index to be built.
        let body = anew.iter().try_fold(index_sql.to_owned(), |text, old| renamed(&text, old, &helper("new", old)))?;
        let relation = self.table.qualified();
        let index = IndexUse {
            name: name.clone(),
            definition: quote::index_definition(&name, &relation, (true, &body)),
            valid: true,
            unique: true,
            computed: false,
            constraint: Some(name.clone()),
            replica_identity: false,
            clustered: false,
            tablespace: None,
            comment: None,
            parts: Self::columns(constraint),
            plain: Vec::new(),
        };
        let owner = ConstraintUse {
            kind: if primary { 'p' } else { 'u' },
            deferrable: tail_sql.starts_with("DEFERRABLE"),
            deferred: tail_sql.ends_with("INITIALLY DEFERRED"),
            ..self.constraint(&name, String::new())
        };
        asked.indexes.push((index, anew.clone()));
        asked.constraints.push((owner, anew));
        Some(())
    }

    fn new_name(&self, column: &str) -> String {
        if self.anew.contains(&column) { helper("new", column) } else { column.to_owned() }
    }

    fn constraint(&self, name: &str, definition: String) -> ConstraintUse {
        let table = (self.table.schema.as_str(), self.table.name.as_str());
        ConstraintUse { definition, ..ConstraintUse::own(table, name, 'c') }
    }
}
