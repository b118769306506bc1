//! The way back of a subcommand that only changes the catalog: what was there before it is written down as subcommands.

use super::set_not_null::NAMED_FROM;
use super::{helper, quote};
use crate::kernel::facts::{ColumnUse, Facts, RelationFacts, Switch, TableSettings};
use crate::kernel::sql::statement::{AlterAction, AlterKind, AlterTable};

const ADD_IDENTITY: &str = "ADD GENERATED AS IDENTITY";

/// Options of columns (`attribute_reloptions` in reloptions.c).
const OPTIONS: &str = "n_distinct, n_distinct_inherited";

/// Subcommands that bring back what another one has changed, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Back {
    pub actions: Vec<String>,
    /// A constraint that they make, if it has to be proven before it is as it was,
    pub proven: Option<String>,
    /// and what comes after that.
    pub after: Vec<String>,
}

impl Back {
    fn brief(actions: Vec<String>) -> Self {
        Self { actions, ..Self::default() }
    }
}

/// What brings back what this subcommand changes. Nothing where that is not known.
#[must_use]
pub fn of(alter: &AlterTable, action: &AlterAction, table: &RelationFacts, facts: &Facts) -> Option<Back> {
    let actions = match &action.kind {
        AlterKind::SetDefault { column } | AlterKind::DropDefault { column } => {
            let hangs = facts.column_use(&alter.relation, column)?;
            vec![default(table, column, hangs)?]
        }
        AlterKind::SetNotNull { column } if table.column(column).is_some_and(|found| !found.not_null) => {
            vec![altered(column, "DROP NOT NULL")]
        }
        AlterKind::DropNotNull { column } => return not_null(table, column, facts.major()),
        // One that is there already is left as it is.
        AlterKind::AddConstraint(constraint) if constraint.not_valid || constraint.not_enforced => {
            let name = constraint.name.as_ref().filter(|name| table.constraint(name).is_none())?;
            vec![format!("DROP CONSTRAINT IF EXISTS {}", quote::identifier(name))]
        }
        AlterKind::WeakLock { command: "CLUSTER ON" | "SET WITHOUT CLUSTER" } => {
            let marked = table.indexes.iter().find(|index| index.marks.clustered);
            vec![marked.map_or_else(
                || "SET WITHOUT CLUSTER".to_owned(),
                |index| format!("CLUSTER ON {}", quote::identifier(&index.name)),
            )]
        }
        // Without it nothing else of the column can be taken back: an identity holds on to NOT NULL.
        AlterKind::BriefLock { command: ADD_IDENTITY, .. } => {
            vec![altered(action.named.first()?, "DROP IDENTITY IF EXISTS")]
        }
        AlterKind::BriefLock { command: "INHERIT", .. } => vec![format!("NO {}", action.sql)],
        AlterKind::WeakLock { command } | AlterKind::BriefLock { command, .. } if is_set(command) => {
            let column = action.named.first()?;
            of_column(command, column, facts.column_use(&alter.relation, column)?)?
        }
        _ if wants_settings(action) => of_table(action, table, facts.settings(&alter.relation)?)?,
        _ => return None,
    };
    Some(Back::brief(actions))
}

/// The columns of which has to be known what they are, for the way back.
#[must_use]
pub fn wanted(action: &AlterAction) -> Option<&String> {
    match &action.kind {
        AlterKind::SetDefault { column } | AlterKind::DropDefault { column } => Some(column),
        AlterKind::WeakLock { command } | AlterKind::BriefLock { command, .. } if is_set(command) => {
            action.named.first()
        }
        _ => None,
    }
}

/// Whether has to be known how the table is set, for the way back.
#[must_use]
pub fn wants_settings(action: &AlterAction) -> bool {
    command(&action.kind).is_some_and(|command| {
        let starts = ["SET (storage parameters)", "REPLICA IDENTITY ", "ENABLE "];
        starts.iter().any(|start| command.starts_with(start))
    })
}

fn command(kind: &AlterKind) -> Option<&'static str> {
    match kind {
        AlterKind::WeakLock { command } | AlterKind::BriefLock { command, .. } => Some(command),
        AlterKind::ReplicaIdentityDefault => Some("REPLICA IDENTITY DEFAULT"),
        _ => None,
    }
}

/// Whether a command, which has no kind of its own, is of the column it names.
pub(super) fn is_of_column(command: &str) -> bool {
    is_set(command) || matches!(command, ADD_IDENTITY | "DROP IDENTITY" | "SET GENERATED")
}

fn is_set(command: &str) -> bool {
    matches!(
        command,
        "SET STATISTICS" | "SET (column options)" | "RESET (column options)" | "SET STORAGE" | "SET COMPRESSION"
    )
}

fn default(table: &RelationFacts, column: &str, hangs: &ColumnUse) -> Option<String> {
    let found = table.column(column)?;
    if found.generated || found.identity || found.has_default != hangs.default_sql.is_some() {
        return None;
    }
    Some(match &hangs.default_sql {
        Some(default) => altered(column, &format!("SET DEFAULT {default}")),
        None => altered(column, "DROP DEFAULT"),
    })
}

/// NOT NULL once more, without a scan that keeps others out. On a table with children it goes on to them.
fn not_null(table: &RelationFacts, column: &str, major: u32) -> Option<Back> {
    if table.has_children || table.is_partition {
        return None;
    }
    if !table.column(column)?.not_null {
        return Some(Back::brief(vec![altered(column, "DROP NOT NULL")]));
    }
    let add = |name: &str, what: &str| format!("ADD CONSTRAINT {} {what} NOT VALID", quote::identifier(name));
    if major >= NAMED_FROM {
        let is_it = |kind: char, columns: &[String]| kind == 'n' && columns.iter().eq([column]);
        let own = table.constraints.iter().find(|own| is_it(own.kind, &own.columns) && own.validated)?;
        let proven = Some(own.name.clone());
        return Some(Back { actions: vec![add(&own.name, &own.definition)], proven, after: Vec::new() });
    }
    let name = helper("nn", column);
    let check = add(&name, &format!("CHECK ({} IS NOT NULL)", quote::identifier(column)));
    let after = vec![altered(column, "SET NOT NULL"), format!("DROP CONSTRAINT {}", quote::identifier(&name))];
    Some(Back { actions: vec![check], proven: Some(name), after })
}

fn of_column(command: &str, column: &str, hangs: &ColumnUse) -> Option<Vec<String>> {
    Some(match command {
        "SET STATISTICS" => {
            vec![altered(column, &format!("SET STATISTICS {}", hangs.statistics.unwrap_or(-1)))]
        }
        "SET (column options)" | "RESET (column options)" => {
            let mut all = vec![altered(column, &format!("RESET ({OPTIONS})"))];
            if !hangs.options.is_empty() {
                all.push(altered(column, &format!("SET ({})", hangs.options.join(", "))));
            }
            all
        }
        "SET STORAGE" => vec![altered(column, &format!("SET STORAGE {}", hangs.storage.as_ref()?))],
        "SET COMPRESSION" => {
            let method = hangs.compression.as_deref().unwrap_or("default");
            vec![altered(column, &format!("SET COMPRESSION {method}"))]
        }
        _ => return None,
    })
}

fn of_table(action: &AlterAction, table: &RelationFacts, was: &TableSettings) -> Option<Vec<String>> {
    let command = command(&action.kind)?;
    if command == "SET (storage parameters)" {
        return Some(parameters(&action.named, was));
    }
    if command.starts_with("REPLICA IDENTITY ") {
        return Some(vec![replica_identity(table, was)?]);
    }
    // Of ALL and USER nothing is named; and triggers of a partitioned table go on to its partitions.
    let [name] = action.named.as_slice() else { return None };
    let trigger = command.ends_with(" TRIGGER");
    let found = was.switches.iter().find(|switch| switch.trigger == trigger && switch.name == *name)?;
    if table.has_children { None } else { Some(vec![fires(found)?]) }
}

fn parameters(named: &[String], was: &TableSettings) -> Vec<String> {
    let quoted = |name: &str| name.split('.').map(quote::identifier).collect::<Vec<_>>().join(".");
    let names: Vec<String> = named.iter().map(|name| quoted(name)).collect();
    let mut all = vec![format!("RESET ({})", names.join(", "))];
    let before = was.options.iter().filter_map(|option| option.split_once('='));
    let before = before.filter(|(name, _)| named.iter().any(|changed| changed == name));
    let before: Vec<String> =
        before.map(|(name, value)| format!("{} = {}", quoted(name), quote::literal(value))).collect();
    if !before.is_empty() {
        all.push(format!("SET ({})", before.join(", ")));
    }
    all
}

fn replica_identity(table: &RelationFacts, was: &TableSettings) -> Option<String> {
    Some(match was.replica_identity {
        'd' => "REPLICA IDENTITY DEFAULT".to_owned(),
        'f' => "REPLICA IDENTITY FULL".to_owned(),
        'n' => "REPLICA IDENTITY NOTHING".to_owned(),
        _ => {
            let marked = table.indexes.iter().find(|index| index.marks.replica_identity)?;
            format!("REPLICA IDENTITY USING INDEX {}", quote::identifier(&marked.name))
        }
    })
}

fn fires(switch: &Switch) -> Option<String> {
    let word = match switch.fires {
        'O' => "ENABLE",
        'D' => "DISABLE",
        'R' => "ENABLE REPLICA",
        'A' => "ENABLE ALWAYS",
        _ => return None,
    };
    let what = if switch.trigger { "TRIGGER" } else { "RULE" };
    Some(format!("{word} {what} {}", quote::identifier(&switch.name)))
}

fn altered(column: &str, what: &str) -> String {
    format!("ALTER COLUMN {} {what}", quote::identifier(column))
}
