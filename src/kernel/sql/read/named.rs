//! What a change names, and how far it reaches from there: for looking up all that an approval is bound to.
//! Nothing is judged by it.

use pg_raw_parse::raw::{GrantTargetType, ObjectType};
use pg_raw_parse::{Node, list::NodeList, nodes};

use super::super::bounds;
use super::super::statement::{Change, Named, Reach, RelationName, Statement};
use super::super::words::words;
use super::{objects, parse, rights, walk};

/// What is looked up beside the relations that rules ask about; nothing for what is never more than brief, or whose
/// relations say it all.
pub(super) fn named(node: Node<'_>, text: &str, statements: &[Statement]) -> Vec<Named> {
    let mut names = Vec::new();
    if statements.iter().any(reaches) {
        statement(node, text, &mut names);
        names.sort();
        names.dedup();
    }
    names
}

fn reaches(statement: &Statement) -> bool {
    match statement {
        Statement::Change(change) => match change {
            Change::Drop(_)
            | Change::Truncate { .. }
            | Change::MassWrite { .. }
            | Change::Rename(_)
            | Change::Privilege(_)
            | Change::Opaque(_)
            | Change::RefreshMatview { .. }
            | Change::CheckDomain { .. }
            | Change::CreateRule { .. }
            | Change::Other { .. } => true,
            Change::CreateIndex(_)
            | Change::AlterTable(_)
            | Change::CreateTable(_)
            | Change::CreateDomain(_)
            | Change::Setting(_)
            | Change::Reindex(_)
            | Change::RewriteTable { .. }
            | Change::Publication(_)
            | Change::RestartSequence { .. }
            | Change::LockTable { .. }
            | Change::Brief { .. }
            | Change::AlterDatabase { .. }
            | Change::Unreadable { .. } => false,
        },
        Statement::Prepare { inner, .. } => reaches(inner),
        Statement::Ordinary
        | Statement::MovesNames
        | Statement::Transaction(_)
        | Statement::Execute { .. }
        | Statement::Deallocate { .. } => false,
    }
}

fn statement(node: Node<'_>, text: &str, names: &mut Vec<Named>) {
    match node {
        Node::ExplainStmt(explain) => statement(explain.query(), text, names),
        Node::PrepareStmt(prepare) => statement(prepare.query(), text, names),
        Node::DeclareCursorStmt(cursor) => statement(cursor.query(), text, names),
        Node::CreateTableAsStmt(create) => statement(create.query(), text, names),
        Node::CopyStmt(copy) => {
            if copy.is_from {
                written(copy.relation(), names);
            }
            statement(copy.query(), text, names);
        }
        Node::SelectStmt(_) | Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            query(node, names);
        }
        Node::CallStmt(call) => {
            if let Some(call) = call.funccall() {
                function(call.funcname(), names);
                query(Node::NodeList(call.args()), names);
            }
        }
        Node::TruncateStmt(truncate) => {
            let tables = objects::ranges(truncate.relations()).into_iter();
            names.extend(tables.map(|table| Named::new("RELATION", table, Reach::Written)));
        }
        Node::DropStmt(drop) => dropped(drop, names),
        Node::DropOwnedStmt(drop) => roles(drop.roles(), Reach::OwnedDependents, names),
        Node::ReassignOwnedStmt(reassign) => roles(reassign.roles(), Reach::Owned, names),
        Node::GrantStmt(_)
        | Node::GrantRoleStmt(_)
        | Node::AlterDefaultPrivilegesStmt(_)
        | Node::AlterRoleStmt(_)
        | Node::AlterRoleSetStmt(_)
        | Node::DropRoleStmt(_) => rights(node, text, names),
        _ => altered(node, names),
    }
}

/// Tables that are written, and functions that are called. The server's own are left out when they are looked up.
fn query(node: Node<'_>, names: &mut Vec<Named>) {
    let walked = walk::each(node, |node| match node {
        Node::FuncCall(call) => function(call.funcname(), names),
        Node::InsertStmt(insert) => written(insert.relation(), names),
        Node::UpdateStmt(update) => written(update.relation(), names),
        Node::DeleteStmt(delete) => written(delete.relation(), names),
        Node::MergeStmt(merge) => written(merge.relation(), names),
        _ => {}
    });
    // Too deep to be walked: it was not classified either.
    drop(walked);
}

fn written(relation: Option<&nodes::RangeVar>, names: &mut Vec<Named>) {
    names.extend(relation.map(|range| Named::new("RELATION", objects::relation(range), Reach::Written)));
}

fn function(name: &NodeList, names: &mut Vec<Named>) {
    names.push(Named::new("FUNCTION", objects::relation_of(name), Reach::Itself));
}

fn plain(kind: &'static str, name: Option<&str>, reach: Reach, names: &mut Vec<Named>) {
    let bare = |name: &str| RelationName { schema: None, name: name.to_owned() };
    names.extend(name.map(|name| Named::new(kind, bare(name), reach)));
}

fn roles(list: &NodeList, reach: Reach, names: &mut Vec<Named>) {
    objects::role_names(list).iter().for_each(|role| plain("ROLE", Some(role), reach, names));
}

fn dropped(drop: &nodes::DropStmt, names: &mut Vec<Named>) {
    // An index goes alone, or with the constraint that its table's facts tell.
    if drop.remove_type != ObjectType::OBJECT_INDEX {
        drop.objects().iter().for_each(|one| object(drop.remove_type, one, Reach::Dependents, names));
    }
}

/// An object as DROP, COMMENT and ALTER write it.
fn object(kind: ObjectType::Type, object: Node<'_>, reach: Reach, names: &mut Vec<Named>) {
    let kind = match kind {
        ObjectType::OBJECT_TABLE
        | ObjectType::OBJECT_COLUMN
        | ObjectType::OBJECT_INDEX
        | ObjectType::OBJECT_VIEW
        | ObjectType::OBJECT_MATVIEW
        | ObjectType::OBJECT_SEQUENCE
        | ObjectType::OBJECT_FOREIGN_TABLE => "RELATION",
        ObjectType::OBJECT_SCHEMA => "SCHEMA",
        ObjectType::OBJECT_DATABASE => "DATABASE",
        ObjectType::OBJECT_ROLE => "ROLE",
        ObjectType::OBJECT_TABLESPACE => "TABLESPACE",
        ObjectType::OBJECT_DOMCONSTRAINT => "DOMAIN",
        ObjectType::OBJECT_SUBSCRIPTION => "SUBSCRIPTION",
        other => objects::object_type(other),
    };
    let parts: Vec<&str> = match object {
        Node::NodeList(list) if list.iter().all(|part| matches!(part, Node::String(_))) => {
            list.iter().filter_map(Node::as_str).collect()
        }
        // Names of operator classes and the like stand behind their method.
        Node::NodeList(list) => match list.first() {
            Some(Node::TypeName(of)) => of.names().iter().filter_map(nodes::String::sval).collect(),
            _ => Vec::new(),
        },
        Node::String(name) => name.sval().into_iter().collect(),
        Node::TypeName(name) => name.names().iter().filter_map(nodes::String::sval).collect(),
        Node::ObjectWithArgs(object) => object.objname().iter().filter_map(Node::as_str).collect(),
        Node::RangeVar(range) => {
            names.push(Named::new(kind, objects::relation(range), reach));
            return;
        }
        _ => Vec::new(),
    };
    match (kind, parts.as_slice()) {
        (_, []) => {}
        ("TRIGGER" | "POLICY" | "RULE", [table @ .., part]) if !table.is_empty() => {
            names.push(Named::new(kind, objects::relation_from(table), reach).with_part(part));
        }
        ("OPERATOR CLASS" | "OPERATOR FAMILY", [_, name @ ..]) if !name.is_empty() => {
            names.push(Named::new(kind, objects::relation_from(name), reach));
        }
        (kind, parts) => names.push(Named::new(kind, objects::relation_from(parts), reach)),
    }
}

/// What an ALTER is of.
fn altered(node: Node<'_>, names: &mut Vec<Named>) {
    match node {
        Node::RenameStmt(rename) => {
            let reach = if rename.rename_type == ObjectType::OBJECT_SCHEMA { Reach::Dependents } else { Reach::Itself };
            match rename.relation() {
                Some(_) => {}
                None if matches!(rename.object(), Node::None) => {
                    let kind = match rename.rename_type {
                        ObjectType::OBJECT_SCHEMA => "SCHEMA",
                        ObjectType::OBJECT_DATABASE => "DATABASE",
                        ObjectType::OBJECT_ROLE => "ROLE",
                        _ => return,
                    };
                    plain(kind, rename.subname(), reach, names);
                }
                None => object(rename.rename_type, rename.object(), reach, names),
            }
        }
        Node::AlterObjectSchemaStmt(set) if set.relation().is_none() => {
            object(set.object_type, set.object(), Reach::Itself, names);
        }
        Node::AlterOwnerStmt(owner) if owner.relation().is_none() => {
            object(owner.object_type, owner.object(), Reach::Itself, names);
        }
        Node::SecLabelStmt(label) => object(label.objtype, label.object(), Reach::Itself, names),
        Node::AlterExtensionStmt(extension) => plain("EXTENSION", extension.extname(), Reach::Itself, names),
        Node::AlterExtensionContentsStmt(contents) => {
            plain("EXTENSION", contents.extname(), Reach::Itself, names);
            object(contents.objtype, contents.object(), Reach::Itself, names);
        }
        Node::AlterDomainStmt(domain) => {
            names.push(Named::new("DOMAIN", objects::relation_of(domain.type_name()), Reach::Dependents));
        }
        Node::AlterTypeStmt(of) => {
            names.push(Named::new("TYPE", objects::relation_of(of.type_name()), Reach::Dependents));
        }
        Node::AlterEnumStmt(of) => {
            let parts: Vec<&str> = of.type_name().iter().filter_map(nodes::String::sval).collect();
            names.push(Named::new("TYPE", objects::relation_from(&parts), Reach::Dependents));
        }
        Node::CreateFunctionStmt(create) if create.replace => {
            names.push(Named::new("FUNCTION", objects::relation_of(create.funcname()), Reach::Dependents));
        }
        Node::AlterFunctionStmt(alter) => {
            if let Some(of) = alter.func() {
                function(of.objname(), names);
            }
        }
        Node::CreateEventTrigStmt(create) => function(create.funcname(), names),
        Node::AlterEventTrigStmt(alter) => plain("EVENT TRIGGER", alter.trigname(), Reach::Itself, names),
        Node::CreateCastStmt(cast) => {
            if let Some(of) = cast.func() {
                function(of.objname(), names);
            }
        }
        _ => served(node, names),
    }
}

/// What is reached through servers, and what is made from a query.
fn served(node: Node<'_>, names: &mut Vec<Named>) {
    match node {
        Node::AlterForeignServerStmt(alter) => plain("SERVER", alter.servername(), Reach::Dependents, names),
        Node::AlterUserMappingStmt(alter) => plain("SERVER", alter.servername(), Reach::Itself, names),
        Node::DropUserMappingStmt(drop) => plain("SERVER", drop.servername(), Reach::Itself, names),
        Node::AlterFdwStmt(alter) => plain("FOREIGN DATA WRAPPER", alter.fdwname(), Reach::Dependents, names),
        Node::AlterSubscriptionStmt(alter) => plain("SUBSCRIPTION", alter.subname(), Reach::Itself, names),
        Node::DropSubscriptionStmt(drop) => plain("SUBSCRIPTION", drop.subname(), Reach::Itself, names),
        Node::DropTableSpaceStmt(drop) => plain("TABLESPACE", drop.tablespacename(), Reach::Itself, names),
        Node::DropdbStmt(drop) => plain("DATABASE", drop.dbname(), Reach::Itself, names),
        Node::RefreshMatViewStmt(refresh) => {
            let view = refresh.relation().map(objects::relation);
            names.extend(view.map(|view| Named::new("RELATION", view, Reach::Itself)));
        }
        Node::RuleStmt(rule) => written(rule.relation(), names),
        Node::CreatePolicyStmt(policy) => {
            names.extend(policy.table().map(|on| Named::new("RELATION", objects::relation(on), Reach::Itself)));
        }
        Node::AlterPolicyStmt(policy) => names.extend(policy.table().map(|on| {
            let policy = policy.policy_name().unwrap_or_default();
            Named::new("POLICY", objects::relation(on), Reach::Itself).with_part(policy)
        })),
        _ => {}
    }
}

fn rights(node: Node<'_>, text: &str, names: &mut Vec<Named>) {
    match node {
        Node::GrantStmt(grant) => granted(grant, text, names),
        Node::GrantRoleStmt(grant) => {
            let granted = grant.granted_roles().iter().filter_map(|role| match role {
                Node::AccessPriv(role) => role.priv_name(),
                _ => None,
            });
            granted.for_each(|role| plain("ROLE", Some(role), Reach::Itself, names));
            roles(grant.grantee_roles(), Reach::Itself, names);
        }
        Node::AlterRoleStmt(alter) => {
            plain("ROLE", alter.role().and_then(|role| role.rolename()), Reach::Itself, names)
        }
        Node::AlterRoleSetStmt(set) => plain("ROLE", set.role().and_then(|role| role.rolename()), Reach::Itself, names),
        Node::DropRoleStmt(drop) => roles(drop.roles(), Reach::Itself, names),
        Node::AlterDefaultPrivilegesStmt(alter) => {
            for option in alter.options() {
                let Some(list) = option.arg().as_node_list() else { continue };
                match option.defname() {
                    Some("schemas") => {
                        list.iter().for_each(|name| plain("SCHEMA", name.as_str(), Reach::Itself, names));
                    }
                    Some("roles") => roles(list, Reach::Itself, names),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// What rights are given on. Where these are no tables, the tree's own types have no room for them: their names are
/// read from the text, as those of a DROP.
fn granted(grant: &nodes::GrantStmt, text: &str, names: &mut Vec<Named>) {
    for grantee in grant.grantees() {
        plain("ROLE", grantee.rolename(), Reach::Itself, names);
    }
    let contents = match (grant.targtype, grant.objtype) {
        (GrantTargetType::ACL_TARGET_OBJECT, ObjectType::OBJECT_TABLE | ObjectType::OBJECT_SEQUENCE) => {
            let tables = rights::granted(grant).into_iter();
            names.extend(tables.map(|table| Named::new("RELATION", table, Reach::Itself)));
            return;
        }
        (GrantTargetType::ACL_TARGET_OBJECT, _) => None,
        (GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA, kind) => Some(match kind {
            ObjectType::OBJECT_TABLE => "TABLE",
            ObjectType::OBJECT_SEQUENCE => "SEQUENCE",
            ObjectType::OBJECT_PROCEDURE => "PROCEDURE",
            ObjectType::OBJECT_FUNCTION => "FUNCTION",
            _ => "ROUTINE",
        }),
        _ => return,
    };
    let Some((kind, list)) = list_of(grant.objtype, contents.is_some(), text) else { return };
    let drop = format!("DROP {} {list}", if contents.is_some() { "SCHEMA" } else { kind });
    let Ok(tree) = parse(&drop, bounds::TEXT_BYTES_MAX) else { return };
    let Some(Node::DropStmt(drop)) = super::only(&tree) else { return };
    for one in drop.objects() {
        match contents {
            Some(part) => {
                let schema = RelationName { schema: None, name: one.as_str().unwrap_or_default().to_owned() };
                names.push(Named::new("SCHEMA", schema, Reach::Contents).with_part(part));
            }
            None if drop.remove_type == ObjectType::OBJECT_SCHEMA => {
                object(grant.objtype, one, Reach::Itself, names);
            }
            None => object(drop.remove_type, one, Reach::Itself, names),
        }
    }
}

/// The list behind ON, and a kind that can be dropped with such a list.
fn list_of(kind: ObjectType::Type, in_schema: bool, text: &str) -> Option<(&'static str, &str)> {
    let (kind, kind_words) = match kind {
        _ if in_schema => ("SCHEMA", 4),
        ObjectType::OBJECT_FUNCTION => ("FUNCTION", 1),
        ObjectType::OBJECT_PROCEDURE => ("PROCEDURE", 1),
        ObjectType::OBJECT_ROUTINE => ("ROUTINE", 1),
        ObjectType::OBJECT_TYPE => ("TYPE", 1),
        ObjectType::OBJECT_DOMAIN => ("DOMAIN", 1),
        // Bare names, whatever they are of.
        ObjectType::OBJECT_SCHEMA
        | ObjectType::OBJECT_DATABASE
        | ObjectType::OBJECT_LANGUAGE
        | ObjectType::OBJECT_TABLESPACE => ("SCHEMA", 1),
        ObjectType::OBJECT_FDW => ("SCHEMA", 3),
        ObjectType::OBJECT_FOREIGN_SERVER => ("SCHEMA", 2),
        _ => return None,
    };
    let is = |word: &super::super::words::Word, one: &str| !word.quoted && word.name == one;
    let mut behind = words(text).skip_while(|word| !is(word, "on")).skip(kind_words);
    let from = behind.next()?.at.end;
    let to = behind.find(|word| is(word, "to") || is(word, "from"))?.at.start;
    Some((kind, text.get(from..to)?))
}

#[cfg(test)]
mod tests {
    use super::super::super::read::read;

    fn names(text: &str) -> String {
        let reading = read(text).expect("reads");
        let names = reading.statements.iter().flat_map(|parsed| &parsed.named);
        let mut names: Vec<String> = names
            .map(|one| {
                let schema = one.schema.iter().map(|schema| format!("{schema}.")).collect::<String>();
                let part = one.part.iter().map(|part| format!("/{part}")).collect::<String>();
                format!("{} {schema}{}{part} {}", one.kind, one.name, one.reach.word())
            })
            .collect();
        names.dedup();
        names.join("; ")
    }

    #[test]
    fn what_a_change_names() {
        for (text, expected) in [
            ("DROP SCHEMA a, \"B c\" CASCADE", "SCHEMA B c dependents; SCHEMA a dependents"),
            ("DROP TYPE s.ty CASCADE", "TYPE s.ty dependents"),
            ("DROP DOMAIN dm", "DOMAIN dm dependents"),
            ("DROP EXTENSION hstore CASCADE", "EXTENSION hstore dependents"),
            ("DROP FUNCTION s.f(int), g", "FUNCTION g dependents; FUNCTION s.f dependents"),
            ("DROP SEQUENCE s1 CASCADE", "RELATION s1 dependents"),
            ("DROP TRIGGER tr ON s.t", "TRIGGER s.t/tr dependents"),
            ("DROP OPERATOR CLASS s.c USING btree", "OPERATOR CLASS s.c dependents"),
            ("DROP CAST (s.a AS b)", "CAST s.a dependents"),
            ("DROP INDEX i", ""),
            ("DROP OWNED BY bob", "ROLE bob owned-dependents"),
            ("REASSIGN OWNED BY bob TO eve", "ROLE bob owned"),
            ("CALL s.p(f(1))", "FUNCTION f itself; FUNCTION s.p itself"),
            ("TRUNCATE t, s.u", "RELATION t written; RELATION s.u written"),
            ("DELETE FROM t", "RELATION t written"),
            ("EXPLAIN ANALYZE UPDATE t SET a = f(b)", "FUNCTION f itself; RELATION t written"),
            ("PREPARE x AS DELETE FROM t", "RELATION t written"),
            ("DELETE FROM t WHERE id = 1", ""),
            ("SELECT f(1)", ""),
            ("GRANT SELECT ON t, s.u TO bob", "RELATION t itself; RELATION s.u itself; ROLE bob itself"),
            ("GRANT SELECT (a) ON t TO PUBLIC", "RELATION t itself"),
            (
                "REVOKE ALL ON ALL TABLES IN SCHEMA a, b FROM bob",
                "ROLE bob itself; SCHEMA a/TABLE contents; SCHEMA b/TABLE contents",
            ),
            (
                "GRANT EXECUTE ON FUNCTION s.f(int, text), g TO bob",
                "FUNCTION g itself; FUNCTION s.f itself; ROLE bob itself",
            ),
            ("GRANT USAGE ON SCHEMA \"to\", s TO bob", "ROLE bob itself; SCHEMA s itself; SCHEMA to itself"),
            ("GRANT USAGE ON FOREIGN SERVER x TO bob", "ROLE bob itself; SERVER x itself"),
            ("GRANT ALL ON DATABASE d TO bob", "DATABASE d itself; ROLE bob itself"),
            ("GRANT boss TO bob", "ROLE bob itself; ROLE boss itself"),
            ("ALTER ROLE bob SUPERUSER", "ROLE bob itself"),
            ("ALTER EXTENSION x UPDATE", "EXTENSION x itself"),
            ("ALTER EXTENSION x DROP FUNCTION f(int)", "EXTENSION x itself; FUNCTION f itself"),
            ("ALTER FUNCTION f(int) OWNER TO bob", "FUNCTION f itself"),
            ("ALTER SCHEMA s RENAME TO z", "SCHEMA s dependents"),
            ("ALTER TYPE ty RENAME VALUE 'a' TO 'b'", "TYPE ty dependents"),
            ("ALTER DOMAIN s.dm ADD CHECK (value > 0)", "DOMAIN s.dm dependents"),
            (
                "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'select 1'",
                "FUNCTION f dependents",
            ),
            ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'", ""),
            ("REFRESH MATERIALIZED VIEW v", "RELATION v itself"),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }
}
