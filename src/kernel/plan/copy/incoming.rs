//! Foreign keys that refer to the table. They hang on the old one: under the lock they are dropped and made anew on the
//! copy, not proven yet, and proven afterwards by steps of their own. That locks the tables they are of, too.

use super::{Anew, Copy, regclass};
use crate::kernel::facts::{IncomingKey, KinHow, Persistence, Whole, WholeConstraint, WholeIndex};
use crate::kernel::plan::unchanged::locked_together;
use crate::kernel::plan::{Step, quote};
use crate::kernel::sql::statement::RelationName;

/// Why one of them could not be made anew as it is.
pub(super) fn impossible(whole: &Whole, anew: Anew<'_>) -> Option<String> {
    if let (Anew::Logged(true), Some(table)) = (anew, &whole.refers_to_unlogged) {
        return Some(format!("it refers to {table}, which is unlogged, and the server refuses that of a logged table"));
    }
    whole.incoming.iter().find_map(|key| {
        let whose = format!("foreign key {} of {} refers to it", key.name, said(key));
        let column = key.columns.iter().find(|column| anew.changed().contains(column));
        let is_kept = matches!(anew, Anew::Logged(false)) && !key.own && key.persistence == Persistence::Permanent;
        Some(if !key.plain {
            format!("{whose}, and could not be proven again there: it is of a partitioned table or a partition")
        } else if is_kept {
            format!("{whose}, and the server refuses that of a logged table to an unlogged one")
        } else if !key.may_alter {
            format!(
                "{whose}, and would have to be made anew, but this role does not have the rights of that table's owner, or may not use its schema"
            )
        } else if let Some(column) = column {
            format!("{whose} by column {column}, which gets other values or another type")
        } else if key.definition.contains(" PERIOD ") {
            format!("{whose} by periods")
        } else {
            return None;
        })
    })
}

/// The indexes in the order in which the copy is given them: that of its key, then those that foreign keys go by.
pub(super) fn built<'a>(whole: &'a Whole, key: &'a WholeIndex) -> impl Iterator<Item = &'a WholeIndex> {
    let is_gone_by = |one: &WholeIndex| whole.incoming.iter().any(|key| key.index.as_ref() == Some(&one.index.name));
    let mut others: Vec<_> = whole.indexes.iter().filter(|one| one.index.name != key.index.name).collect();
    others.sort_by_key(|one| !is_gone_by(one));
    std::iter::once(key).chain(others)
}

/// Of several indexes on the columns that a foreign key refers to, the server takes the oldest.
///
/// # Errors
/// A clause for people, where that is another one than before.
pub(super) fn by_their_indexes(whole: &Whole, key: &WholeIndex) -> Result<(), String> {
    for incoming in &whole.incoming {
        let taken = built(whole, key).find(|one| is_on(one, &incoming.columns)).map(|one| &one.index.name);
        if taken != incoming.index.as_ref() {
            let name = |name: Option<&String>| name.cloned().unwrap_or_default();
            return Err(format!(
                "foreign key {} of {} refers to it by index {}, and would go by {} when it is made anew",
                incoming.name,
                said(incoming),
                name(incoming.index.as_ref()),
                name(taken)
            ));
        }
    }
    Ok(())
}

/// Whether the server would let a foreign key to these columns go by it.
fn is_on(one: &WholeIndex, columns: &[String]) -> bool {
    let is_there = |column: &String| one.keys.iter().any(|key| key.column.as_ref() == Some(column));
    one.index.unique
        && one.immediate
        && !one.index.computed
        && one.keys.len() == columns.len()
        && columns.iter().all(is_there)
}

/// A foreign key as it is made, where rows are not looked at.
pub(super) fn unproven(definition: &str) -> String {
    let is_said = [" NOT VALID", " NOT ENFORCED"].iter().any(|words| definition.ends_with(words));
    format!("{definition}{}", if is_said { "" } else { " NOT VALID" })
}

impl Copy<'_> {
    /// Those of other tables. The table's own are among its constraints.
    fn incoming(&self) -> impl Iterator<Item = &IncomingKey> {
        self.whole.incoming.iter().filter(|key| !key.own)
    }

    pub(super) fn own_keys(&self) -> impl Iterator<Item = &WholeConstraint> {
        self.whole.constraints.iter().filter(|constraint| constraint.kind == 'f')
    }

    /// The tables they are of, each once.
    pub(super) fn referring(&self) -> Vec<RelationName> {
        let mut tables: Vec<RelationName> = self.incoming().map(relation).collect();
        tables.sort();
        tables.dedup();
        tables
    }

    /// Other tables that its own foreign keys refer to.
    fn referred(&self) -> Vec<RelationName> {
        let table = self.table.qualified();
        let own = self.table.kin_by(KinHow::References).map(|kin| kin.relation.clone());
        own.filter(|one| *one != table).collect()
    }

    /// What the cut-over locks beside the table. Where a foreign key is dropped, both of its tables are locked.
    pub(super) fn locked_too(&self) -> Vec<RelationName> {
        let mut all = self.referring();
        all.extend(self.referred());
        all.extend(self.views_named());
        all.sort();
        all.dedup();
        all
    }

    /// First views, as their readers do, then the tables that refer to it, then the table itself. All waits together last
    /// no longer than one may: who needs what was locked first would wait for all of them. What is locked later has the
    /// rest of that time.
    pub(super) fn lock(&self) -> String {
        let lock = |table: &str| format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        let referring = self.referring().into_iter().map(|table| format!("ONLY {}", quote::relation(&table)));
        let tables = referring.chain([self.relation()]).map(|table| lock(&table));
        let locks: Vec<String> = self.views_locked().into_iter().chain(tables).collect();
        locked_together(locks, self.own_keys().next().is_some())
    }

    /// The old table cannot be dropped while something refers to it.
    pub(super) fn drop_incoming(&self) -> impl Iterator<Item = String> {
        self.incoming().map(|key| {
            let table = quote::relation(&relation(key));
            format!("ALTER TABLE ONLY {table} DROP CONSTRAINT {}", quote::identifier(&key.name))
        })
    }

    /// All foreign keys, in the order in which they were made: so their triggers fire.
    pub(super) fn keys_again(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut incoming = self.whole.incoming.iter();
        for key in self.own_keys() {
            if self.whole.incoming.iter().any(|one| one.own && one.name == key.name) {
                all.extend(incoming.by_ref().take_while(|one| !one.own).flat_map(made));
            }
            let (relation, name) = (self.relation(), quote::identifier(&key.name));
            all.push(format!("ALTER TABLE {relation} ADD CONSTRAINT {name} {}", unproven(&key.definition)));
        }
        all.extend(incoming.flat_map(made));
        all
    }

    pub(super) fn prove_incoming(&self) -> impl Iterator<Item = Step> {
        self.incoming().filter(|key| key.validated).map(|key| {
            let on = relation(key);
            let table = quote::relation(&on);
            let sql = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {}", quote::identifier(&key.name));
            let probe = quote::constraint_probe_of(&regclass(&table), &key.name, 'f', "c.convalidated");
            Step { on: Some(on), ..Step::scan("validate", sql).probed(probe) }
        })
    }

    /// What becomes of foreign keys, for people.
    pub(super) fn keys(&self) -> String {
        let mut text = String::new();
        if self.own_keys().next().is_some() {
            let locks = if !self.referred().is_empty() {
                ", which locks the tables they refer to for that moment,"
            } else {
                ""
            };
            text.push_str(&format!(" Its foreign keys are made anew{locks} and proven right after that."));
        }
        let referring = self.referring();
        if !referring.is_empty() {
            let tables: Vec<String> = referring.iter().map(RelationName::written).collect();
            let (tables, refer, them) = match tables.as_slice() {
                [one] => (one.clone(), "refers", "it"),
                _ => (tables.join(", "), "refer", "them"),
            };
            text.push_str(&format!(
                " The foreign keys by which {tables} {refer} to it are made anew in that transaction, which locks {them} \
                 too for that moment, and are proven right after it."
            ));
        }
        text
    }
}

fn relation(key: &IncomingKey) -> RelationName {
    RelationName { schema: Some(key.schema.clone()), name: key.table.clone() }
}

fn said(key: &IncomingKey) -> String {
    relation(key).written()
}

/// A foreign key of another table, with what is said of it.
fn made(key: &IncomingKey) -> Vec<String> {
    let (table, name) = (quote::relation(&relation(key)), quote::identifier(&key.name));
    let mut all = vec![format!("ALTER TABLE ONLY {table} ADD CONSTRAINT {name} {}", unproven(&key.definition))];
    let comment = key.comment.iter();
    all.extend(comment.map(|text| format!("COMMENT ON CONSTRAINT {name} ON {table} IS {}", quote::literal(text))));
    all
}
