//! What earlier statements of the same message have done, so that what was looked up before them is not taken for what is.

use crate::kernel::facts::Facts;
use crate::kernel::sql::read::session::schemas;
use crate::kernel::sql::statement::{Change, CreateTable, RelationName};

/// What earlier statements of the same message have done to names.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// Tables made by them.
    created: Vec<Made>,
    /// Those of them that tables refer to which they did not make.
    referenced: Vec<RelationName>,
    /// Relations dropped by them: a name may then mean another one, further down the search path.
    pub dropped: Vec<RelationName>,
    /// Something in them could make a name mean another object than was looked up.
    pub blurred: bool,
    /// Only one without a schema.
    moved: bool,
    /// A transaction was begun by them and is open.
    begun: bool,
    /// Something in them did something.
    pub changed: bool,
    /// What was there before may depend on what was made.
    tied: Tied,
}

/// How something that was there before may hang on what the transaction has made: the last, the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Tied {
    #[default]
    No,
    /// It goes with CASCADE.
    Loosely,
    /// A sequence that is owned goes in any case.
    Fast,
}

/// Brief changes that make something new, or change nothing that depends on anything.
const NEW: &[&str] =
    &["COMMENT", "CREATE SCHEMA", "CREATE SEQUENCE", "CREATE STATISTICS", "CREATE TRIGGER", "CREATE TYPE"];

#[derive(Clone, Debug)]
struct Made {
    name: RelationName,
    temporary: bool,
}

impl Earlier {
    #[must_use]
    pub fn made(&self, name: &RelationName) -> bool {
        self.created.iter().any(|made| made.name == *name)
    }

    /// Whether what was looked up before the message may not be what the name means now.
    #[must_use]
    pub fn blurs(&self, name: &RelationName) -> bool {
        self.blurred || self.moves(name) || self.dropped.iter().any(|gone| gone.name == name.name)
    }

    fn moves(&self, name: &RelationName) -> bool {
        self.moved && name.schema.is_none()
    }

    /// A statement that runs at all has made the table, unless it is one that does so only where nothing stands. What is
    /// temporary is found first only where the search path leaves that to the server.
    pub fn make(&mut self, table: &CreateTable, facts: &Facts) {
        let name = &table.relation;
        let made = if table.temporary && name.schema.is_none() {
            !self.moved && temporary_first(&facts.search_path)
        } else {
            let free = matches!(facts.relation(name), Some(None)) || self.dropped.contains(name);
            !table.if_not_exists || (free && !self.blurred && !self.moves(name))
        };
        if made {
            self.created.push(Made { name: name.clone(), temporary: table.temporary });
        }
    }

    /// A table refers to another from now on.
    pub fn refer(&mut self, from: &RelationName, to: &RelationName) {
        if self.made(to) && !self.made(from) {
            self.referenced.push(to.clone());
        }
    }

    #[must_use]
    pub fn is_referenced(&self, name: &RelationName) -> bool {
        self.referenced.contains(name)
    }

    /// Whether a drop may take something along that was there before.
    #[must_use]
    pub fn may_have_tied(&self, cascade: bool) -> bool {
        self.tied == Tied::Fast || cascade && self.tied == Tied::Loosely
    }

    /// What a change may make of something old: part of what is new, or something that needs it.
    pub fn tie(&mut self, change: &Change) {
        let tied = match change {
            Change::RestartSequence { .. } | Change::Brief { command: "ALTER SEQUENCE", .. } => Tied::Fast,
            Change::Brief { command, .. } if NEW.contains(command) => Tied::No,
            Change::AlterTable(alter) if self.made(&alter.relation) => Tied::No,
            Change::Brief { .. }
            | Change::AlterTable(_)
            | Change::Privilege(_)
            | Change::CreateRule { .. }
            | Change::CreateDomain(_)
            | Change::CheckDomain { .. }
            | Change::Rename(_)
            | Change::Opaque(_)
            | Change::Other { .. }
            | Change::Unreadable { .. } => Tied::Loosely,
            Change::CreateIndex(_)
            | Change::CreateTable(_)
            | Change::Drop(_)
            | Change::Truncate { .. }
            | Change::MassWrite { .. }
            | Change::Setting(_)
            | Change::Reindex(_)
            | Change::RewriteTable { .. }
            | Change::RefreshMatview { .. }
            | Change::Publication(_)
            | Change::LockTable { .. }
            | Change::AlterDatabase { .. } => Tied::No,
        };
        self.tied = self.tied.max(tied);
    }

    /// What was made has others' tables below it from now on: it is not the message's own any more.
    pub fn mix(&mut self) {
        self.dropped.extend(self.created.drain(..).map(|made| made.name));
    }

    pub fn drop(&mut self, names: &[RelationName]) {
        self.created.retain(|made| !names.iter().any(|gone| gone.name == made.name.name));
        self.dropped.extend(names.iter().cloned());
    }

    /// Every name may be another's.
    pub fn blur(&mut self) {
        self.created.clear();
        self.blurred = true;
    }

    /// The search path is another, or what it is made of.
    pub fn move_names(&mut self) {
        self.created.retain(|made| made.name.schema.is_some());
        self.moved = true;
    }

    pub fn begin(&mut self) {
        self.begun = true;
    }

    /// SET LOCAL ends, and tables with ON COMMIT DROP are gone. What the transaction did before the message is not known.
    pub fn commit(&mut self) {
        self.created.retain(|made| !made.temporary);
        if !std::mem::take(&mut self.begun) {
            self.move_names();
        }
    }
}

/// Whether temporary tables are found before all others, as they are where the search path does not name `pg_temp`.
fn temporary_first(search_path: &str) -> bool {
    let place = |names: Vec<String>| names.iter().position(|schema| schema == "pg_temp");
    schemas(search_path).is_some_and(|names| place(names).is_none_or(|place| place == 0))
}
