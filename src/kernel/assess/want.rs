//! What the rules need to know of a reading. Must name everything a rule or a recipe asks the facts for:
//! what was not asked counts as unknown.

use crate::kernel::facts::{Wanted, WantedObject, WantedUse};
use crate::kernel::plan::back;
use crate::kernel::plan::names::{candidates, included, index_middle};
use crate::kernel::rules::locks;
use crate::kernel::sql::statement::{
    AlterAction, AlterKind, AlterTable, Change, ConstraintKind, Reading, RelationName, Rename, RowTypeChange,
    Statement, TypeName, Using, UsingForm,
};

mod below;

pub use below::wanted_below;

/// What has to be looked up before [`assess`] can answer.
#[must_use]
pub fn wanted(reading: &Reading) -> Wanted {
    let mut wanted = Wanted::default();
    for parsed in &reading.statements {
        if let Statement::Change(change) = &parsed.statement {
            want_change(change, &mut wanted);
            wanted.touched.extend(parsed.named.iter().cloned());
        }
    }
    wanted.relations.sort();
    wanted.relations.dedup();
    wanted.callees.sort();
    wanted.callees.dedup();
    wanted.faces.dedup();
    wanted.wholes.dedup();
    wanted.settings.dedup();
    wanted.taken.sort();
    wanted.taken.dedup();
    wanted.objects.sort();
    wanted.objects.dedup();
    wanted.touched.sort();
    wanted.touched.dedup();
    // A name of which not every letter is known is no name to ask for.
    if !reading.exact_names {
        wanted.objects.clear();
        wanted.touched.clear();
    }
    wanted
}

fn want_change(change: &Change, wanted: &mut Wanted) {
    wanted.relations.extend(locks::locks(change).into_iter().map(|(name, _)| name.clone()));
    match change {
        Change::CreateIndex(index) => {
            wanted.relations.push(index.relation.clone());
            match &index.name {
                Some(name) => {
                    let schema = index.relation.schema.clone();
                    wanted.relations.push(RelationName { schema, name: name.clone() });
                }
                None => {
                    let middle = index_middle(index.elements.iter().map(|e| e.name_part.as_str()));
                    wanted.relations.extend(candidates(&index.relation, &middle, "idx"));
                }
            }
        }
        Change::AlterTable(alter) => want_alter(alter, wanted),
        Change::CheckDomain { bare, .. } => want_used(bare, wanted),
        Change::Reindex(reindex) => wanted.relations.extend(reindex.target().cloned()),
        Change::Drop(drop) => {
            wanted.relations.extend(drop.relations.iter().cloned());
            wanted.taken.extend(drop.relations.iter().cloned());
            let known = drop.named().filter(|(kind, _)| WantedObject::KINDS.contains(kind));
            wanted.objects.extend(known.map(|(kind, named)| WantedObject::new(kind, named)));
        }
        Change::Opaque(opaque) => {
            let unless = opaque.unless.iter().map(|name| WantedObject::new("EXTENSION", &name.clone().into()));
            wanted.objects.extend(unless);
        }
        Change::CreateTable(table) => wanted.relations.push(table.relation.clone()),
        Change::MassWrite { by_row, .. } => {
            wanted.callees.extend(by_row.iter().flat_map(|write| write.callees.iter().cloned()));
        }
        Change::Rename(rename) => want_rename(rename, wanted),
        Change::RewriteTable { relation, .. } => relation.iter().for_each(|table| want_whole(table, wanted)),
        Change::Publication(publication) => {
            wanted.settings.extend(publication.tables.iter().map(|one| one.relation.clone()));
        }
        // Under no lock of theirs.
        Change::Privilege(privilege) => wanted.relations.extend(privilege.relations.iter().cloned()),
        Change::Truncate { .. }
        | Change::Setting(_)
        | Change::RefreshMatview { .. }
        | Change::CreateRule { .. }
        | Change::RestartSequence { .. }
        | Change::LockTable { .. }
        | Change::CreateDomain(_)
        | Change::Brief { .. }
        | Change::AlterDatabase { .. }
        | Change::Other { .. }
        | Change::Unreadable { .. } => {}
    }
}

fn want_used(of: &str, wanted: &mut Wanted) {
    wanted.objects.push(WantedObject::new(WantedObject::USED_TYPE, &of.to_owned().into()));
}

/// What it takes to put a copy in its place.
fn want_whole(table: &RelationName, wanted: &mut Wanted) {
    wanted.faces.push(table.clone());
    wanted.wholes.push(table.clone());
}

/// What it takes to keep the old name working.
fn want_rename(rename: &Rename, wanted: &mut Wanted) {
    let Some(relation) = &rename.relation else { return };
    match rename.what {
        "table" => wanted.faces.push(relation.clone()),
        "column" => {
            let (relation, column) = (relation.clone(), rename.from.clone());
            wanted.uses.push(WantedUse { relation, column, types: Vec::new() });
        }
        _ => {}
    }
}

fn want_alter(alter: &AlterTable, wanted: &mut Wanted) {
    let table = &alter.relation;
    for action in &alter.actions {
        want_back(alter, action, wanted);
        match &action.kind {
            AlterKind::AddColumn(column) => {
                wanted.types.push(column.type_name.clone());
                if let Some(default) = &column.default {
                    wanted.callees.extend(default.callees.iter().chain(&default.hidden.operators).cloned());
                    wanted.types.extend(default.hidden.casts.iter().map(|(to, _)| to.clone()));
                }
                if column.serial.is_some() || column.identity_sql.is_some() {
                    wanted.relations.extend(candidates(table, &column.name, "seq"));
                }
                for constraint in &column.constraints {
                    want_constraint_names(table, &constraint.kind, &constraint.columns, wanted);
                }
            }
            AlterKind::AlterType { column, type_name, using, .. } => {
                want_type(table, column, (type_name, using.as_ref()), wanted);
            }
            AlterKind::AddConstraint(constraint) => {
                want_constraint_names(table, &constraint.kind, &constraint.columns, wanted);
                let named = constraint.name.iter();
                wanted
                    .relations
                    .extend(named.map(|name| RelationName { schema: table.schema.clone(), name: name.clone() }));
            }
            AlterKind::DropColumn { column, .. } => {
                wanted.taken.push(table.clone());
                let (relation, column) = (table.clone(), column.clone());
                wanted.uses.push(WantedUse { relation, column, types: Vec::new() });
            }
            AlterKind::RowType(RowTypeChange::AddAttribute(_)) => want_used(&table.name, wanted),
            AlterKind::DropConstraint { .. } => wanted.taken.push(table.clone()),
            AlterKind::Rewrites { .. } => want_whole(table, wanted),
            AlterKind::RowType(RowTypeChange::DropAttribute(_) | RowTypeChange::AlterAttribute(_))
            | AlterKind::SetNotNull { .. }
            | AlterKind::DropNotNull { .. }
            | AlterKind::SetDefault { .. }
            | AlterKind::DropDefault { .. }
            | AlterKind::ValidateConstraint { .. }
            | AlterKind::AddConstraintUsingIndex { .. }
            | AlterKind::AttachPartition { .. }
            | AlterKind::DetachPartition { .. }
            | AlterKind::WeakLock { .. }
            | AlterKind::BriefLock { .. }
            | AlterKind::Security { .. }
            | AlterKind::Weakens { .. }
            | AlterKind::ReplicaIdentityDefault
            | AlterKind::RestartIdentity { .. }
            | AlterKind::Enforce { .. }
            | AlterKind::Inherit { .. }
            | AlterKind::Other { .. } => {}
        }
    }
}

/// What a part of a plan changes besides can be taken back, if what was there is known.
fn want_back(alter: &AlterTable, action: &AlterAction, wanted: &mut Wanted) {
    if alter.actions.len() < 2 {
        return;
    }
    if back::wants_settings(action) {
        wanted.settings.push(alter.relation.clone());
    }
    let Some(column) = back::wanted(action) else { return };
    let is_known = |kind: &AlterKind| matches!(kind, AlterKind::AlterType { column: other, .. } if other == column);
    if !alter.actions.iter().any(|other| is_known(&other.kind)) {
        let (relation, column) = (alter.relation.clone(), column.clone());
        wanted.uses.push(WantedUse { relation, column, types: Vec::new() });
    }
}

fn want_type(table: &RelationName, column: &str, to: (&TypeName, Option<&Using>), wanted: &mut Wanted) {
    let mut types = Vec::new();
    match to.1.map(|using| &using.form) {
        Some(UsingForm::Casts(casts)) => types.extend(casts.iter().cloned()),
        Some(UsingForm::Computed(callees)) => wanted.callees.extend(callees.iter().cloned()),
        Some(UsingForm::Unclear) | None => {}
    }
    types.push(to.0.clone());
    wanted.types.extend(types.iter().cloned());
    wanted.uses.push(WantedUse { relation: table.clone(), column: column.to_owned(), types });
}

fn want_constraint_names(table: &RelationName, kind: &ConstraintKind, columns: &[String], wanted: &mut Wanted) {
    let (middle, label) = match kind {
        ConstraintKind::Unique { index_sql, .. } => {
            let included = included(index_sql);
            (index_middle(columns.iter().chain(&included).map(String::as_str)), "key")
        }
        ConstraintKind::PrimaryKey { .. } => (String::new(), "pkey"),
        ConstraintKind::Check { .. }
        | ConstraintKind::ForeignKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => return,
    };
    wanted.relations.extend(candidates(table, &middle, label));
}
