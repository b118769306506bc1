//! Names and the small statements about whole objects: DROP, TRUNCATE, RENAME, LOCK, VACUUM, REINDEX.

use pg_raw_parse::raw::{DropBehavior, ObjectType, ReindexObjectType};
use pg_raw_parse::{ConstValue, Node, list::NodeList, nodes};

use super::super::statement::{
    BareName, Change, Drop, DropKind, LockMode, Reindex, ReindexOf, RelationName, Rename, Repeats, Shrinks,
};
use super::super::write::quote_ident;
use super::classify::{Found, expression};
use super::{Unreadable, bare};

pub(super) fn relation(range: &nodes::RangeVar) -> RelationName {
    RelationName { schema: range.schemaname().map(str::to_owned), name: range.relname().unwrap_or_default().to_owned() }
}

/// `a.b.c` from a list of strings.
pub(super) fn dotted(names: &NodeList) -> String {
    names.iter().filter_map(Node::as_str).collect::<Vec<_>>().join(".")
}

pub(super) fn last_name(names: &NodeList) -> Option<&str> {
    names.len().checked_sub(1).and_then(|last| names.get(last)).and_then(Node::as_str)
}

/// A relation's name from a list of strings.
pub(super) fn relation_of(names: &NodeList) -> RelationName {
    let parts: Vec<&str> = names.iter().filter_map(Node::as_str).collect();
    relation_from(&parts)
}

/// A name from its parts: a database before the schema says nothing.
pub(super) fn relation_from(parts: &[&str]) -> RelationName {
    match parts {
        [] => RelationName { schema: None, name: String::new() },
        [name] => RelationName { schema: None, name: (*name).to_owned() },
        [.., schema, name] => RelationName { schema: Some((*schema).to_owned()), name: (*name).to_owned() },
    }
}

/// The value of a constant, also below casts.
pub(super) fn literal(node: Node<'_>) -> Option<String> {
    let mut node = node;
    // A cast of a cast of a … is as deep as its text is long: no recursion.
    loop {
        match node {
            Node::A_Const(constant) => {
                return constant.val().map(|value| match value {
                    ConstValue::String(text) | ConstValue::Float(text) | ConstValue::BitString(text) => text.to_owned(),
                    ConstValue::Integer(number) => number.to_string(),
                    ConstValue::Boolean(value) => value.to_string(),
                    _ => String::new(),
                });
            }
            Node::TypeCast(cast) => node = cast.arg(),
            Node::String(text) => return text.sval().map(str::to_owned),
            _ => return None,
        }
    }
}

/// A boolean option: `(ANALYZE)`, `(ANALYZE on)`, `(ANALYZE 1)`. False only when certainly off.
pub(super) fn may_be_true(option: &nodes::DefElem) -> bool {
    match option.arg() {
        Node::Integer(value) => value.ival != 0,
        Node::Boolean(value) => value.boolval,
        Node::String(text) => {
            !text.sval().is_some_and(|text| text.eq_ignore_ascii_case("false") || text.eq_ignore_ascii_case("off"))
        }
        _ => true,
    }
}

pub(super) fn role_names(roles: &NodeList) -> Vec<String> {
    roles
        .iter()
        .map(|role| match role {
            Node::RoleSpec(role) => role.rolename().unwrap_or("current_user").to_owned(),
            _ => String::new(),
        })
        .collect()
}

/// How an object of a DROP or COMMENT is written.
fn object_name(object: Node<'_>) -> String {
    match object {
        Node::NodeList(names) if names.iter().any(|name| matches!(name, Node::TypeName(_))) => {
            names.iter().map(object_name).collect::<Vec<_>>().join(" AS ")
        }
        Node::NodeList(names) => dotted(names),
        Node::String(name) => name.sval().unwrap_or_default().to_owned(),
        Node::TypeName(name) => name.names().iter().filter_map(nodes::String::sval).collect::<Vec<_>>().join("."),
        Node::ObjectWithArgs(object) => dotted(object.objname()),
        Node::RangeVar(range) => relation(range).name,
        _ => String::new(),
    }
}

pub(super) fn drop(statement: &nodes::DropStmt, found: &mut Found) {
    let kind = match statement.remove_type {
        ObjectType::OBJECT_TABLE => DropKind::Table,
        ObjectType::OBJECT_INDEX => DropKind::Index,
        ObjectType::OBJECT_VIEW => DropKind::View,
        ObjectType::OBJECT_MATVIEW => DropKind::MaterializedView,
        ObjectType::OBJECT_SEQUENCE => DropKind::Sequence,
        ObjectType::OBJECT_SCHEMA => DropKind::Schema,
        ObjectType::OBJECT_FOREIGN_TABLE => DropKind::ForeignTable,
        other => DropKind::Other(object_type(other)),
    };
    let is_relation = match kind {
        DropKind::Table
        | DropKind::Index
        | DropKind::View
        | DropKind::MaterializedView
        | DropKind::Sequence
        | DropKind::ForeignTable => true,
        DropKind::Schema | DropKind::Database | DropKind::Other(_) => false,
    };
    let relations = if is_relation {
        statement.objects().iter().filter_map(|object| object.as_node_list()).map(relation_of).collect()
    } else {
        owning_table(statement)
    };
    found.add(Change::Drop(Drop {
        kind,
        objects: statement.objects().iter().map(object_name).collect(),
        bare: bare::names(statement.objects()),
        relations,
        if_exists: statement.missing_ok,
        cascade: statement.behavior == DropBehavior::DROP_CASCADE,
        concurrently: statement.concurrent,
    }));
}

/// `DROP TRIGGER x ON t`, also rules and policies: the table they are on.
fn owning_table(statement: &nodes::DropStmt) -> Vec<RelationName> {
    let on_table = matches!(
        statement.remove_type,
        ObjectType::OBJECT_TRIGGER | ObjectType::OBJECT_RULE | ObjectType::OBJECT_POLICY
    );
    if !on_table {
        return Vec::new();
    }
    let tables = statement.objects().iter().filter_map(|object| object.as_node_list());
    tables
        .map(|names| {
            let parts: Vec<&str> = names.iter().filter_map(Node::as_str).collect();
            match parts.as_slice() {
                [.., schema, table, _] => {
                    RelationName { schema: Some((*schema).to_owned()), name: (*table).to_owned() }
                }
                [table, _] => RelationName { schema: None, name: (*table).to_owned() },
                [] | [_] => RelationName { schema: None, name: String::new() },
            }
        })
        .collect()
}

pub(super) fn drop_named(kind: &'static str, objects: Vec<String>, if_exists: bool, found: &mut Found) {
    found.add(Change::Drop(Drop {
        kind: DropKind::Other(kind),
        bare: objects.iter().cloned().map(BareName::from).collect(),
        objects,
        relations: Vec::new(),
        if_exists,
        cascade: false,
        concurrently: false,
    }));
}

/// Whose mapping it is, where the role is named.
pub(super) fn drop_user_mapping(statement: &nodes::DropUserMappingStmt, found: &mut Found) {
    let server = statement.servername().unwrap_or_default().to_owned();
    let role = statement.user().and_then(|role| role.rolename()).map(|role| vec![role.to_owned()]);
    found.add(Change::Drop(Drop {
        kind: DropKind::Other("USER MAPPING"),
        objects: vec![server.clone()],
        bare: vec![BareName { name: server, arguments: role }],
        relations: Vec::new(),
        if_exists: statement.missing_ok,
        cascade: false,
        concurrently: false,
    }));
}

/// While a database is copied nobody can connect to it; those that are made for it nobody uses.
pub(super) fn create_database(statement: &nodes::CreatedbStmt, found: &mut Found) {
    let copies = statement.options().iter().any(|option| {
        let own = |name: String| !matches!(name.as_str(), "template0" | "template1");
        option.defname() == Some("template") && literal(option.arg()).is_none_or(own)
    });
    if copies {
        found.other("CREATE DATABASE … TEMPLATE");
    } else {
        found.brief("CREATE DATABASE", None);
    }
}

pub(super) fn drop_database(statement: &nodes::DropdbStmt, found: &mut Found) {
    found.add(Change::Drop(Drop {
        kind: DropKind::Database,
        objects: statement.dbname().map(str::to_owned).into_iter().collect(),
        bare: statement.dbname().map(|name| name.to_owned().into()).into_iter().collect(),
        relations: Vec::new(),
        if_exists: statement.missing_ok,
        cascade: false,
        concurrently: false,
    }));
}

pub(super) fn ranges(list: &NodeList) -> Vec<RelationName> {
    list.iter()
        .filter_map(|node| match node {
            Node::RangeVar(range) => Some(relation(range)),
            _ => None,
        })
        .collect()
}

pub(super) fn truncate(statement: &nodes::TruncateStmt, found: &mut Found) {
    found.add(Change::Truncate {
        relations: ranges(statement.relations()),
        only: statement.relations().iter().all(|node| matches!(node, Node::RangeVar(range) if !range.inh)),
        cascade: statement.behavior == DropBehavior::DROP_CASCADE,
    });
}

pub(super) fn rename(statement: &nodes::RenameStmt, found: &mut Found) {
    let on = statement.relation();
    let whole = || on.map_or_else(|| object_name(statement.object()), |range| relation(range).name);
    found.add(Change::Rename(Rename {
        what: rename_word(statement.rename_type),
        relation: on.map(relation),
        from: statement.subname().map_or_else(whole, str::to_owned),
        to: statement.newname().unwrap_or_default().to_owned(),
        moves: false,
    }));
}

fn rename_word(kind: ObjectType::Type) -> &'static str {
    match kind {
        ObjectType::OBJECT_TABLE => "table",
        ObjectType::OBJECT_COLUMN => "column",
        ObjectType::OBJECT_TABCONSTRAINT | ObjectType::OBJECT_DOMCONSTRAINT => "constraint",
        ObjectType::OBJECT_INDEX => "index",
        ObjectType::OBJECT_SCHEMA => "schema",
        ObjectType::OBJECT_VIEW => "view",
        ObjectType::OBJECT_MATVIEW => "materialized view",
        ObjectType::OBJECT_SEQUENCE => "sequence",
        ObjectType::OBJECT_FOREIGN_TABLE => "foreign table",
        ObjectType::OBJECT_DATABASE => "database",
        ObjectType::OBJECT_ROLE => "role",
        ObjectType::OBJECT_TYPE => "type",
        ObjectType::OBJECT_ATTRIBUTE => "attribute",
        ObjectType::OBJECT_FUNCTION => "function",
        ObjectType::OBJECT_TRIGGER => "trigger",
        ObjectType::OBJECT_POLICY => "policy",
        ObjectType::OBJECT_RULE => "rule",
        ObjectType::OBJECT_DOMAIN => "domain",
        ObjectType::OBJECT_PROCEDURE => "procedure",
        ObjectType::OBJECT_AGGREGATE => "aggregate",
        ObjectType::OBJECT_PUBLICATION => "publication",
        ObjectType::OBJECT_STATISTIC_EXT => "statistics",
        ObjectType::OBJECT_EVENT_TRIGGER => "event trigger",
        _ => "object",
    }
}

pub(super) fn set_schema(statement: &nodes::AlterObjectSchemaStmt, found: &mut Found) {
    let on = statement.relation();
    found.add(Change::Rename(Rename {
        what: rename_word(statement.object_type),
        relation: on.map(relation),
        from: on.map_or_else(|| object_name(statement.object()), |range| relation(range).name),
        to: statement.newschema().unwrap_or_default().to_owned(),
        moves: true,
    }));
}

/// LOCK TABLE in a mode that blocks readers or writers (numbers of lockdefs.h).
pub(super) fn lock(statement: &nodes::LockStmt, found: &mut Found) {
    let mode = match statement.mode {
        1..=4 => return,
        5 => LockMode::Share,
        6 => LockMode::ShareRowExclusive,
        7 => LockMode::Exclusive,
        _ => LockMode::AccessExclusive,
    };
    found.add(Change::LockTable { relations: ranges(statement.relations()), mode });
}

pub(super) fn vacuum(statement: &nodes::VacuumStmt, found: &mut Found) {
    let says = |name: &str| statement.options().iter().any(|of| of.defname() == Some(name) && may_be_true(of));
    if !says("full") {
        return;
    }
    let known = |of: &nodes::DefElem| matches!(of.defname(), Some("full" | "analyze" | "verbose" | "freeze"));
    let is_plain = statement.options().iter().all(known);
    for on in statement.rels() {
        let shrinks = (is_plain && on.va_cols().is_empty()).then(|| Shrinks { analyze: says("analyze") });
        let relation = on.relation().map(relation);
        found.add(Change::RewriteTable { command: "VACUUM FULL", relation, shrinks, by: None });
    }
    if statement.rels().is_empty() {
        found.add(Change::RewriteTable { command: "VACUUM FULL", relation: None, shrinks: None, by: None });
    }
}

pub(super) fn reindex(statement: &nodes::ReindexStmt, found: &mut Found) {
    // On certainly: an option that may be off does not make it harmless.
    let concurrently = last(statement, "concurrently").is_some_and(|option| match option.arg() {
        Node::None => true,
        Node::Integer(value) => value.ival != 0,
        Node::Boolean(value) => value.boolval,
        Node::String(text) => {
            text.sval().is_some_and(|text| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("on"))
        }
        _ => false,
    });
    let name = || statement.relation().map(relation);
    let of = match statement.kind {
        ReindexObjectType::REINDEX_OBJECT_INDEX => name().map(ReindexOf::Index),
        ReindexObjectType::REINDEX_OBJECT_TABLE => name().map(ReindexOf::Table),
        ReindexObjectType::REINDEX_OBJECT_SCHEMA => {
            Some(ReindexOf::Schema(statement.name().unwrap_or_default().to_owned()))
        }
        ReindexObjectType::REINDEX_OBJECT_DATABASE => Some(ReindexOf::Database),
        _ => None,
    };
    let options = statement.params().iter().filter_map(reindex_option).collect();
    found.add(Change::Reindex(Reindex { of: of.unwrap_or(ReindexOf::System), concurrently, options }));
}

/// Of an option that is written several times the server takes the last.
pub(super) fn last<'a>(statement: &'a nodes::ReindexStmt, name: &str) -> Option<&'a nodes::DefElem> {
    statement.params().iter().rfind(|option| option.defname() == Some(name))
}

fn reindex_option(option: &nodes::DefElem) -> Option<String> {
    match (option.defname(), option.arg()) {
        (Some("verbose"), _) if may_be_true(option) => Some("VERBOSE".to_owned()),
        (Some("tablespace"), Node::String(name)) => name.sval().map(|name| format!("TABLESPACE {}", quote_ident(name))),
        _ => None,
    }
}

/// What among the options of a sequence lets it give numbers again.
pub(super) fn repeats(options: &NodeList) -> Option<Repeats> {
    options.iter().find_map(|option| {
        let Node::DefElem(option) = option else { return None };
        match option.defname()? {
            "restart" => Some(Repeats::Restarts),
            "increment" if matches!(option.arg(), Node::Float(by) if by.fval().is_some_and(|by| by.starts_with('-'))) => {
                Some(Repeats::TurnsBack)
            }
            "increment" if matches!(option.arg(), Node::Integer(by) if by.ival < 0) => Some(Repeats::TurnsBack),
            "cycle" if may_be_true(option) => Some(Repeats::Cycles),
            _ => None,
        }
    })
}

pub(super) fn alter_sequence(statement: &nodes::AlterSeqStmt, found: &mut Found) {
    match (statement.sequence(), repeats(statement.options())) {
        (Some(on), Some(how)) => found.add(Change::RestartSequence { relation: relation(on), how }),
        (on, _) => found.brief("ALTER SEQUENCE", on),
    }
}

pub(super) fn alter_enum(statement: &nodes::AlterEnumStmt, found: &mut Found) {
    match (statement.old_val(), statement.new_val()) {
        (Some(from), Some(to)) => found.add(Change::Rename(Rename {
            what: "enum value",
            relation: None,
            from: from.to_owned(),
            to: to.to_owned(),
            moves: false,
        })),
        (Some(_), None) => found.other("ALTER TYPE … DROP VALUE"),
        (None, _) => found.brief("ALTER TYPE … ADD VALUE", None),
    }
}

/// Letters of AlterDomainStmt: T default, N drop not null, O set not null, C add, X drop, V validate.
pub(super) fn alter_domain(statement: &nodes::AlterDomainStmt, found: &mut Found) -> Result<(), Unreadable> {
    let scans = match u8::try_from(statement.subtype).unwrap_or_default() {
        b'T' => {
            expression(statement.def(), found)?;
            false
        }
        b'X' => {
            let domain = dotted(statement.type_name());
            let object = format!("{} of domain {domain}", statement.name().unwrap_or_default());
            drop_named("CONSTRAINT", vec![object], statement.missing_ok, found);
            return Ok(());
        }
        b'N' => false,
        b'C' => match statement.def() {
            Node::Constraint(constraint) => {
                expression(constraint.raw_expr(), found)?;
                !constraint.skip_validation
            }
            _ => true,
        },
        _ => true,
    };
    if scans {
        let bare = last_name(statement.type_name()).unwrap_or_default().to_owned();
        found.add(Change::CheckDomain { domain: dotted(statement.type_name()), bare });
    } else {
        found.brief("ALTER DOMAIN", None);
    }
    Ok(())
}

/// The SQL name of an object type.
pub(super) fn object_type(kind: ObjectType::Type) -> &'static str {
    match kind {
        ObjectType::OBJECT_ACCESS_METHOD => "ACCESS METHOD",
        ObjectType::OBJECT_AGGREGATE => "AGGREGATE",
        ObjectType::OBJECT_CAST => "CAST",
        ObjectType::OBJECT_COLLATION => "COLLATION",
        ObjectType::OBJECT_CONVERSION => "CONVERSION",
        ObjectType::OBJECT_DOMAIN => "DOMAIN",
        ObjectType::OBJECT_EVENT_TRIGGER => "EVENT TRIGGER",
        ObjectType::OBJECT_EXTENSION => "EXTENSION",
        ObjectType::OBJECT_FDW => "FOREIGN DATA WRAPPER",
        ObjectType::OBJECT_FOREIGN_SERVER => "SERVER",
        ObjectType::OBJECT_FUNCTION => "FUNCTION",
        ObjectType::OBJECT_LANGUAGE => "LANGUAGE",
        ObjectType::OBJECT_OPCLASS => "OPERATOR CLASS",
        ObjectType::OBJECT_OPERATOR => "OPERATOR",
        ObjectType::OBJECT_OPFAMILY => "OPERATOR FAMILY",
        ObjectType::OBJECT_POLICY => "POLICY",
        ObjectType::OBJECT_PROCEDURE => "PROCEDURE",
        ObjectType::OBJECT_PUBLICATION => "PUBLICATION",
        ObjectType::OBJECT_ROUTINE => "ROUTINE",
        ObjectType::OBJECT_RULE => "RULE",
        ObjectType::OBJECT_STATISTIC_EXT => "STATISTICS",
        ObjectType::OBJECT_TRANSFORM => "TRANSFORM",
        ObjectType::OBJECT_TRIGGER => "TRIGGER",
        ObjectType::OBJECT_TSCONFIGURATION => "TEXT SEARCH CONFIGURATION",
        ObjectType::OBJECT_TSDICTIONARY => "TEXT SEARCH DICTIONARY",
        ObjectType::OBJECT_TSPARSER => "TEXT SEARCH PARSER",
        ObjectType::OBJECT_TSTEMPLATE => "TEXT SEARCH TEMPLATE",
        ObjectType::OBJECT_TYPE => "TYPE",
        _ => "OBJECT",
    }
}
