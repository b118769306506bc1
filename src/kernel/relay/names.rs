//! Which statement a name stands for. Protocol names and SQL's PREPARE share one space
//! (PostgreSQL docs, PREPARE); changed only when the server has confirmed.

use std::collections::HashMap;
use std::sync::Arc;

use compact_str::CompactString;

use super::ledger::Values;
use crate::kernel::sql::remember::Known;

/// A bound portal.
#[derive(Clone, Debug)]
pub struct Portal {
    /// The name of the statement it was made from.
    pub statement: CompactString,
    pub known: Arc<Known>,
    pub values: Option<Values>,
    pub stage: Stage,
}

impl Portal {
    /// Whether the server has what nobody has judged yet: SQL's FETCH would run it.
    fn is_exposed(&self) -> bool {
        !self.known.ordinary && self.stage == Stage::Bound
    }
}

/// How far a portal has come. Only that of a change is ever withdrawn or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The server has it.
    Bound,
    /// The server does not have it: it is bound anew when it is to be executed.
    Withdrawn,
    /// It was judged, and is the server's to run.
    Begun,
    /// It has run in the gateway, so the server does not know that it has.
    Done,
}

/// The names of one session.
#[derive(Debug, Default)]
pub struct Names {
    statements: HashMap<CompactString, Arc<Known>, foldhash::fast::RandomState>,
    portals: HashMap<CompactString, Portal, foldhash::fast::RandomState>,
    unnamed_statement: Option<Arc<Known>>,
    unnamed_portal: Option<Portal>,
    /// How many of the above are more than ordinary.
    watched: usize,
}

impl Names {
    /// Whether any name stands for something that must be judged when it runs.
    #[must_use]
    pub fn watching(&self) -> bool {
        self.watched > 0
    }

    /// What a statement's name stands for; the empty name is the unnamed statement.
    #[must_use]
    pub fn statement(&self, name: &str) -> Option<&Arc<Known>> {
        if name.is_empty() { self.unnamed_statement.as_ref() } else { self.statements.get(name) }
    }

    /// What a portal runs; the empty name is the unnamed portal.
    #[must_use]
    pub fn portal(&self, name: &str) -> Option<&Portal> {
        if name.is_empty() { self.unnamed_portal.as_ref() } else { self.portals.get(name) }
    }

    /// All portals there are.
    pub fn portals(&self) -> impl Iterator<Item = (&str, &Portal)> {
        let named = self.portals.iter().map(|(name, portal)| (name.as_str(), portal));
        named.chain(self.unnamed_portal.iter().map(|portal| ("", portal)))
    }

    /// The server has confirmed a Parse or PREPARE.
    pub fn set_statement(&mut self, name: CompactString, known: Arc<Known>) {
        self.watched += usize::from(!known.ordinary);
        let old =
            if name.is_empty() { self.unnamed_statement.replace(known) } else { self.statements.insert(name, known) };
        self.forget(old.as_deref());
    }

    /// The server has confirmed a Close or DEALLOCATE.
    pub fn close_statement(&mut self, name: &str) {
        let old = if name.is_empty() { self.unnamed_statement.take() } else { self.statements.remove(name) };
        self.forget(old.as_deref());
    }

    /// After DEALLOCATE ALL or DISCARD ALL.
    pub fn close_all_statements(&mut self) {
        self.statements.clear();
        self.unnamed_statement = None;
        self.count();
    }

    /// The server has confirmed a Bind.
    pub fn bind(&mut self, portal: CompactString, statement: &str, values: Option<Values>) {
        // The server knows it and we do not: whatever it is, it is not ordinary.
        let known = self.statement(statement).cloned().unwrap_or_else(|| Arc::new(Known::unseen(statement)));
        self.watched += usize::from(!known.ordinary);
        let bound = Portal { statement: statement.into(), known, values, stage: Stage::Bound };
        let old =
            if portal.is_empty() { self.unnamed_portal.replace(bound) } else { self.portals.insert(portal, bound) };
        self.forget(old.map(|p| p.known).as_deref());
    }

    /// Notes how far a portal has come.
    pub fn set_stage(&mut self, name: &str, stage: Stage) {
        let portal = if name.is_empty() { self.unnamed_portal.as_mut() } else { self.portals.get_mut(name) };
        if let Some(portal) = portal {
            portal.stage = stage;
        }
    }

    /// The portals, but for the `spared` one, that the server has and nobody has judged yet.
    pub fn exposed(&self, spared: &str) -> impl Iterator<Item = &str> {
        self.portals().filter(move |(name, portal)| *name != spared && portal.is_exposed()).map(|(name, _)| name)
    }

    /// Whether a portal's statement is still the one that it was bound from.
    #[must_use]
    pub fn is_current(&self, portal: &Portal) -> bool {
        match self.statement(&portal.statement) {
            Some(known) => known.text == portal.known.text,
            // What neither the Bind nor anything since knew.
            None => portal.known.text == Known::unseen(&portal.statement).text,
        }
    }

    /// The server has confirmed a Close.
    pub fn close_portal(&mut self, name: &str) {
        let old = if name.is_empty() { self.unnamed_portal.take() } else { self.portals.remove(name) };
        self.forget(old.map(|p| p.known).as_deref());
    }

    /// Portals do not outlive their transaction. (Holdable SQL cursors are not protocol portals of ours.)
    pub fn transaction_ended(&mut self) {
        if !self.portals.is_empty() || self.unnamed_portal.is_some() {
            self.portals.clear();
            self.unnamed_portal = None;
            if self.watching() {
                self.count();
            }
        }
    }

    /// A simple Query destroys the unnamed statement and portal.
    pub fn simple_query(&mut self) {
        self.close_statement("");
        self.close_portal("");
    }

    fn forget(&mut self, old: Option<&Known>) {
        self.watched -= usize::from(old.is_some_and(|k| !k.ordinary));
    }

    fn count(&mut self) {
        let statements = self.statements.values().chain(&self.unnamed_statement);
        let portals = self.portals.values().chain(&self.unnamed_portal).map(|p| &p.known);
        self.watched = statements.chain(portals).filter(|k| !k.ordinary).count();
    }
}
