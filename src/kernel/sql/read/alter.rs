//! `ALTER TABLE` and what shares its node: every subcommand by its number.

use pg_raw_parse::raw::{AlterTableType as At, ConstrType, DropBehavior, ObjectType};
use pg_raw_parse::{Node, nodes};

use super::super::statement::{
    AlterAction, AlterKind, AlterObject, AlterTable, Change, LockMode, RelationName, RowTypeChange, Using,
};
use super::Unreadable;
use super::classify::Found;
use super::{bound, column, fragment, objects, using, walk};

pub(super) fn table(statement: &nodes::AlterTableStmt, found: &mut Found) -> Result<(), Unreadable> {
    let Some(on) = statement.relation() else {
        found.other("ALTER TABLE");
        return Ok(());
    };
    let object = match statement.objtype {
        ObjectType::OBJECT_TABLE => AlterObject::Table,
        ObjectType::OBJECT_INDEX => AlterObject::Index,
        ObjectType::OBJECT_VIEW => AlterObject::View,
        ObjectType::OBJECT_MATVIEW => AlterObject::MaterializedView,
        ObjectType::OBJECT_SEQUENCE => AlterObject::Sequence,
        ObjectType::OBJECT_FOREIGN_TABLE => AlterObject::ForeignTable,
        _ => AlterObject::Type,
    };
    let mut actions = Vec::with_capacity(statement.cmds().len());
    for node in statement.cmds() {
        let Node::AlterTableCmd(command) = node else {
            return Err(Unreadable::bounds("an ALTER TABLE with a subcommand of an unknown kind"));
        };
        let names_table = expressions(command, on.relname().unwrap_or_default(), found)?;
        let sql = fragment::action(statement, command)?;
        let kind = match object {
            // It goes on to tables of the type, which nothing here names.
            AlterObject::Type if command.behavior == DropBehavior::DROP_CASCADE => row_type(command),
            // Where a table has the type, the server refuses it.
            AlterObject::Type if command.subtype == At::AT_AlterColumnType => {
                AlterKind::BriefLock { command: "ALTER ATTRIBUTE", lock: LockMode::AccessExclusive }
            }
            _ => kind(command)?,
        };
        actions.push(AlterAction { kind, sql, named: named(command), names_table });
    }
    found.add(Change::AlterTable(AlterTable {
        relation: objects::relation(on),
        object,
        if_exists: statement.missing_ok,
        only: !on.inh && object != AlterObject::Type,
        actions,
    }));
    Ok(())
}

/// What the expressions of a subcommand call, that they are shallow enough to be written back, and whether one of them
/// names the table.
fn expressions(command: &nodes::AlterTableCmd, table: &str, found: &mut Found) -> Result<bool, Unreadable> {
    let mut roots = Vec::new();
    match command.def() {
        Node::ColumnDef(column) => {
            roots.push(column.raw_default());
            for node in column.constraints() {
                if let Node::Constraint(constraint) = node {
                    roots.push(constraint.raw_expr());
                }
            }
        }
        Node::Constraint(constraint) => {
            roots.push(constraint.raw_expr());
            roots.push(constraint.where_clause());
        }
        Node::PartitionCmd(partition) => {
            if let Some(bound) = partition.bound() {
                roots.extend([bound.listdatums(), bound.lowerdatums(), bound.upperdatums()].map(Node::NodeList));
            }
        }
        node if matches!(command.subtype, At::AT_ColumnDefault | At::AT_SetExpression) => roots.push(node),
        _ => {}
    }
    let mut names_table = false;
    for root in roots {
        fragment::shallow(root)?;
        walk::query(root, found)?;
        walk::each(root, |node| {
            if let Node::ColumnRef(column) = node {
                let fields = column.fields();
                names_table |= fields.len() > 1 || objects::last_name(fields) == Some(table);
            }
        })?;
    }
    Ok(names_table)
}

fn kind(command: &nodes::AlterTableCmd) -> Result<AlterKind, Unreadable> {
    let name = || command.name().unwrap_or_default().to_owned();
    let cascade = command.behavior == DropBehavior::DROP_CASCADE;
    let if_exists = command.missing_ok;
    Ok(match command.subtype {
        At::AT_AddColumn => match command.def() {
            Node::ColumnDef(definition) => AlterKind::AddColumn(column::add(definition, command.missing_ok)?),
            _ => AlterKind::Other { command: "ADD COLUMN" },
        },
        At::AT_DropColumn => AlterKind::DropColumn { column: name(), if_exists, cascade },
        At::AT_SetNotNull => AlterKind::SetNotNull { column: name() },
        At::AT_DropNotNull => AlterKind::DropNotNull { column: name() },
        At::AT_ColumnDefault if matches!(command.def(), Node::None) => AlterKind::DropDefault { column: name() },
        At::AT_ColumnDefault => AlterKind::SetDefault { column: name() },
        At::AT_AlterColumnType => alter_type(command)?,
        At::AT_AddConstraint => match command.def() {
            Node::Constraint(constraint) => add_constraint(constraint)?,
            _ => AlterKind::Other { command: "ADD CONSTRAINT" },
        },
        At::AT_ValidateConstraint => AlterKind::ValidateConstraint { name: name() },
        At::AT_DropConstraint => AlterKind::DropConstraint { name: name(), if_exists, cascade },
        At::AT_ReplicaIdentity => replica_identity(command),
        At::AT_SetTableSpace => AlterKind::Rewrites { command: "SET TABLESPACE", to: Some(name()) },
        At::AT_SetAccessMethod => {
            AlterKind::Rewrites { command: "SET ACCESS METHOD", to: command.name().map(str::to_owned) }
        }
        At::AT_SetExpression => AlterKind::Rewrites { command: "SET EXPRESSION", to: Some(name()) },
        At::AT_AlterConstraint => match command.def() {
            Node::ATAlterConstraint(change) if change.alter_enforceability => AlterKind::Enforce {
                name: change.conname().unwrap_or_default().to_owned(),
                enforced: change.is_enforced,
            },
            Node::ATAlterConstraint(change) if change.alter_inheritability => AlterKind::Inherit {
                name: change.conname().unwrap_or_default().to_owned(),
                inherits: !change.noinherit,
            },
            _ => AlterKind::BriefLock { command: "ALTER CONSTRAINT", lock: LockMode::AccessExclusive },
        },
        At::AT_SetIdentity => match command.def().as_node_list().and_then(objects::repeats) {
            Some(how) => AlterKind::RestartIdentity { column: name(), how },
            None => AlterKind::BriefLock { command: "SET GENERATED", lock: LockMode::AccessExclusive },
        },
        At::AT_SetRelOptions | At::AT_ResetRelOptions => storage_parameters(command),
        At::AT_AttachPartition | At::AT_DetachPartition | At::AT_DetachPartitionFinalize => partition(command)?,
        other => by_lock(other),
    })
}

fn row_type(command: &nodes::AlterTableCmd) -> AlterKind {
    let name = || command.name().unwrap_or_default().to_owned();
    match command.subtype {
        At::AT_AddColumn => {
            let name = match command.def() {
                Node::ColumnDef(definition) => definition.colname().unwrap_or_default().to_owned(),
                _ => String::new(),
            };
            AlterKind::RowType(RowTypeChange::AddAttribute(name))
        }
        At::AT_DropColumn => AlterKind::RowType(RowTypeChange::DropAttribute(name())),
        At::AT_AlterColumnType => AlterKind::RowType(RowTypeChange::AlterAttribute(name())),
        _ => AlterKind::Other { command: "ALTER TYPE … CASCADE" },
    }
}

fn alter_type(command: &nodes::AlterTableCmd) -> Result<AlterKind, Unreadable> {
    let Node::ColumnDef(definition) = command.def() else {
        return Ok(AlterKind::Other { command: "ALTER COLUMN TYPE" });
    };
    let Some(type_name) = definition.type_name() else {
        return Ok(AlterKind::Other { command: "ALTER COLUMN TYPE" });
    };
    let column = command.name().unwrap_or_default().to_owned();
    let using = match definition.raw_default() {
        Node::None => None,
        expression => Some(Using { sql: fragment::expression(expression)?, form: using::form(expression, &column)? }),
    };
    Ok(AlterKind::AlterType {
        column,
        type_name: column::type_name(type_name)?,
        using,
        collation: definition.coll_clause().map(fragment::collation),
    })
}

fn add_constraint(constraint: &nodes::Constraint) -> Result<AlterKind, Unreadable> {
    if let Some(index) = constraint.indexname() {
        return Ok(AlterKind::AddConstraintUsingIndex {
            name: constraint.conname().map(str::to_owned),
            index: index.to_owned(),
            primary_key: constraint.contype == ConstrType::CONSTR_PRIMARY,
        });
    }
    column::table_constraint(constraint).map(AlterKind::AddConstraint)
}

fn partition(command: &nodes::AlterTableCmd) -> Result<AlterKind, Unreadable> {
    let Node::PartitionCmd(partition) = command.def() else {
        return Ok(AlterKind::Other { command: "ATTACH or DETACH PARTITION" });
    };
    let name = partition.name().map_or_else(|| RelationName { schema: None, name: String::new() }, objects::relation);
    Ok(match command.subtype {
        At::AT_AttachPartition => {
            let bound = partition.bound().map(bound::bound).transpose()?;
            AlterKind::AttachPartition { partition: name, bound }
        }
        subtype => AlterKind::DetachPartition {
            partition: name,
            concurrently: partition.concurrent,
            finalize: subtype == At::AT_DetachPartitionFinalize,
        },
    })
}

/// Letters of pg_class.relreplident.
fn replica_identity(command: &nodes::AlterTableCmd) -> AlterKind {
    let letter = match command.def() {
        Node::ReplicaIdentityStmt(identity) => u8::try_from(identity.identity_type).unwrap_or_default(),
        _ => 0,
    };
    let lock = LockMode::AccessExclusive;
    match letter {
        b'd' => AlterKind::ReplicaIdentityDefault,
        b'f' => AlterKind::BriefLock { command: "REPLICA IDENTITY FULL", lock },
        b'i' => AlterKind::BriefLock { command: "REPLICA IDENTITY USING INDEX", lock },
        _ => AlterKind::Weakens { command: "REPLICA IDENTITY NOTHING", lock },
    }
}

/// Parameters that SHARE UPDATE EXCLUSIVE is enough for (reloptions.c); all others take ACCESS EXCLUSIVE.
const WEAK_PARAMETERS: &[&str] = &[
    "fillfactor",
    "toast_tuple_target",
    "parallel_workers",
    "vacuum_index_cleanup",
    "vacuum_truncate",
    "vacuum_max_eager_freeze_failure_rate",
    "log_autovacuum_min_duration",
    "deduplicate_items",
];

/// A column, a trigger or a rule; storage parameters with their namespace, `toast.autovacuum_enabled`.
fn named(command: &nodes::AlterTableCmd) -> Vec<String> {
    match (command.subtype, command.def()) {
        (At::AT_SetRelOptions | At::AT_ResetRelOptions, Node::NodeList(options)) => {
            let options = options.iter().filter_map(|option| match option {
                Node::DefElem(option) => Some(option),
                _ => None,
            });
            let space = |option: &nodes::DefElem| option.defnamespace().map(|space| format!("{space}."));
            options.map(|option| space(option).unwrap_or_default() + option.defname().unwrap_or_default()).collect()
        }
        _ => command.name().map(str::to_owned).into_iter().collect(),
    }
}

/// SET (…) and RESET (…) of tables, indexes and views.
fn storage_parameters(command: &nodes::AlterTableCmd) -> AlterKind {
    let Node::NodeList(options) = command.def() else { return AlterKind::Other { command: "SET (parameters)" } };
    let names = || {
        options.iter().map(|option| match option {
            Node::DefElem(option) => option.defname().unwrap_or_default(),
            _ => "",
        })
    };
    // Of a view: who is asked for rights, and what its rows must be.
    if names().any(|name| matches!(name, "security_barrier" | "security_invoker" | "check_option")) {
        return AlterKind::Security { command: "SET (security of a view)" };
    }
    if names().all(|name| name.starts_with("autovacuum_") || WEAK_PARAMETERS.contains(&name)) {
        return AlterKind::WeakLock { command: "SET (storage parameters)" };
    }
    AlterKind::BriefLock { command: "SET (storage parameters)", lock: LockMode::AccessExclusive }
}

/// The rest by what it takes (PostgreSQL's AlterTableGetLockLevel).
fn by_lock(subtype: At::Type) -> AlterKind {
    let brief = |command| AlterKind::BriefLock { command, lock: LockMode::AccessExclusive };
    let triggers = |command| AlterKind::BriefLock { command, lock: LockMode::ShareRowExclusive };
    let weak = |command| AlterKind::WeakLock { command };
    match subtype {
        At::AT_SetStatistics => weak("SET STATISTICS"),
        At::AT_SetOptions => weak("SET (column options)"),
        At::AT_ResetOptions => weak("RESET (column options)"),
        At::AT_ClusterOn => weak("CLUSTER ON"),
        At::AT_DropCluster => weak("SET WITHOUT CLUSTER"),
        At::AT_SetStorage => brief("SET STORAGE"),
        At::AT_SetCompression => brief("SET COMPRESSION"),
        At::AT_DropExpression => brief("DROP EXPRESSION"),
        At::AT_AlterColumnGenericOptions => brief("OPTIONS"),
        At::AT_GenericOptions => brief("OPTIONS"),
        At::AT_AddInherit => brief("INHERIT"),
        At::AT_DropInherit => brief("NO INHERIT"),
        At::AT_AddOf => brief("OF"),
        At::AT_DropOf => brief("NOT OF"),
        At::AT_AddIdentity => brief("ADD GENERATED AS IDENTITY"),
        At::AT_DropIdentity => brief("DROP IDENTITY"),
        At::AT_DropOids => brief("SET WITHOUT OIDS"),
        At::AT_EnableTrig | At::AT_EnableTrigAll | At::AT_EnableTrigUser => triggers("ENABLE TRIGGER"),
        At::AT_EnableAlwaysTrig => triggers("ENABLE ALWAYS TRIGGER"),
        At::AT_EnableRule => brief("ENABLE RULE"),
        At::AT_EnableAlwaysRule => brief("ENABLE ALWAYS RULE"),
        other => by_reach(other),
    }
}

/// What weakens, rewrites, or is about rights.
fn by_reach(subtype: At::Type) -> AlterKind {
    let trigger = |command| AlterKind::Weakens { command, lock: LockMode::ShareRowExclusive };
    let rule = |command| AlterKind::Weakens { command, lock: LockMode::AccessExclusive };
    let rewrites = |command| AlterKind::Rewrites { command, to: None };
    match subtype {
        At::AT_EnableReplicaTrig => trigger("ENABLE REPLICA TRIGGER"),
        At::AT_DisableTrig | At::AT_DisableTrigAll | At::AT_DisableTrigUser => trigger("DISABLE TRIGGER"),
        At::AT_EnableReplicaRule => rule("ENABLE REPLICA RULE"),
        At::AT_DisableRule => rule("DISABLE RULE"),
        At::AT_SetLogged => rewrites("SET LOGGED"),
        At::AT_SetUnLogged => rewrites("SET UNLOGGED"),
        At::AT_ChangeOwner => AlterKind::Security { command: "OWNER TO" },
        At::AT_EnableRowSecurity => AlterKind::Security { command: "ENABLE ROW LEVEL SECURITY" },
        At::AT_DisableRowSecurity => AlterKind::Security { command: "DISABLE ROW LEVEL SECURITY" },
        At::AT_ForceRowSecurity => AlterKind::Security { command: "FORCE ROW LEVEL SECURITY" },
        At::AT_NoForceRowSecurity => AlterKind::Security { command: "NO FORCE ROW LEVEL SECURITY" },
        _ => AlterKind::Other { command: "ALTER TABLE subcommand of an unknown kind" },
    }
}
