//! One statement by its node kind: each of the grammar's. One that is not here is [`Change::Other`], closed by default.

use pg_raw_parse::raw::{DiscardMode, ObjectType, TransactionStmtKind};
use pg_raw_parse::{Node, nodes};

use super::super::statement::{Change, Opaque, OpaqueKind, Privilege, Statement, TransactionControl};
use super::objects::{self, relation};
use super::{Unreadable, alter, calls, create, database, index, publication, rights, settings, walk};

/// What was found in one statement so far. Nothing found means ordinary.
#[derive(Default)]
pub(super) struct Found {
    statements: Vec<Statement>,
}

impl Found {
    pub(super) fn add(&mut self, change: Change) {
        self.push(Statement::Change(change));
    }

    pub(super) fn push(&mut self, statement: Statement) {
        // The same call a hundred times in one query is one thing to say.
        if self.statements.len() < 64 && !self.statements.contains(&statement) {
            self.statements.push(statement);
        }
    }

    pub(super) fn brief(&mut self, command: &'static str, on: Option<&nodes::RangeVar>) {
        self.add(Change::Brief { command, relation: on.map(relation) });
    }

    pub(super) fn other(&mut self, command: &'static str) {
        self.add(Change::Other { command });
    }

    pub(super) fn privilege(&mut self, command: &'static str) {
        self.add(Change::Privilege(Privilege { command, password_of: None, relations: Vec::new() }));
    }

    pub(super) fn opaque(&mut self, what: impl Into<String>, kind: OpaqueKind) {
        self.add(Change::Opaque(Opaque { what: what.into(), kind, unless: None }));
    }

    pub(super) fn into_statements(self) -> Vec<Statement> {
        if self.statements.is_empty() { vec![Statement::Ordinary] } else { self.statements }
    }

    /// The one that matters most, for `PREPARE`, which has room for one.
    fn into_worst(self) -> Statement {
        self.statements.into_iter().min_by_key(weight).unwrap_or(Statement::Ordinary)
    }
}

/// Least is worst: what nobody can read before what loses data before what only locks.
fn weight(statement: &Statement) -> u8 {
    match statement {
        Statement::Change(change) => match change {
            Change::Unreadable { .. } => 0,
            Change::Opaque(_) => 1,
            Change::Setting(_) | Change::Privilege(_) => 2,
            Change::AlterDatabase { .. } | Change::Other { .. } => 3,
            Change::MassWrite { .. } | Change::Drop(_) | Change::Truncate { .. } => 4,
            Change::AlterTable(_)
            | Change::CreateIndex(_)
            | Change::CreateTable(_)
            | Change::Rename(_)
            | Change::Reindex(_)
            | Change::RewriteTable { .. }
            | Change::RefreshMatview { .. }
            | Change::CheckDomain { .. }
            | Change::CreateRule { .. }
            | Change::Publication(_)
            | Change::RestartSequence { .. }
            | Change::LockTable { .. } => 5,
            Change::CreateDomain(_) | Change::Brief { .. } => 6,
        },
        Statement::Execute { .. } => 7,
        Statement::Prepare { .. } | Statement::Deallocate { .. } | Statement::Transaction(_) => 8,
        Statement::MovesNames => 9,
        Statement::Ordinary => 10,
    }
}

/// Adds what one statement would do.
pub(super) fn statement(node: Node<'_>, found: &mut Found) -> Result<(), Unreadable> {
    match node {
        Node::SelectStmt(select) if calls::is_restriction(select) => Ok(()),
        // Nearly all traffic.
        Node::SelectStmt(_) | Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            walk::query(node, found)
        }
        Node::TransactionStmt(control) => {
            found.push(Statement::Transaction(transaction(control)));
            Ok(())
        }
        Node::VariableSetStmt(set) => {
            settings::set(set, found);
            Ok(())
        }
        Node::FetchStmt(_) => {
            found.push(Statement::MovesNames);
            Ok(())
        }
        // Utilities no rule is about.
        Node::VariableShowStmt(_)
        | Node::ClosePortalStmt(_)
        | Node::NotifyStmt(_)
        | Node::ListenStmt(_)
        | Node::UnlistenStmt(_)
        | Node::CheckPointStmt(_)
        | Node::ConstraintsSetStmt(_) => Ok(()),
        Node::PrepareStmt(_)
        | Node::ExecuteStmt(_)
        | Node::DeallocateStmt(_)
        | Node::DiscardStmt(_)
        | Node::DeclareCursorStmt(_)
        | Node::ExplainStmt(_)
        | Node::CopyStmt(_)
        | Node::DoStmt(_)
        | Node::CallStmt(_)
        | Node::LoadStmt(_)
        | Node::LockStmt(_)
        | Node::VacuumStmt(_)
        | Node::ClusterStmt(_)
        | Node::ReindexStmt(_) => utility(node, found),
        _ => definition(node, found),
    }
}

fn transaction(control: &nodes::TransactionStmt) -> TransactionControl {
    match control.kind {
        TransactionStmtKind::TRANS_STMT_BEGIN | TransactionStmtKind::TRANS_STMT_START => TransactionControl::Begin,
        TransactionStmtKind::TRANS_STMT_COMMIT => TransactionControl::Commit,
        TransactionStmtKind::TRANS_STMT_ROLLBACK => TransactionControl::Rollback,
        TransactionStmtKind::TRANS_STMT_SAVEPOINT
        | TransactionStmtKind::TRANS_STMT_RELEASE
        | TransactionStmtKind::TRANS_STMT_ROLLBACK_TO => TransactionControl::Savepoint,
        // PREPARE TRANSACTION and its kin; an unknown kind is at least not treated as harmless.
        _ => TransactionControl::TwoPhase,
    }
}

/// Statements that run, wrap or lock something without defining anything.
fn utility(node: Node<'_>, found: &mut Found) -> Result<(), Unreadable> {
    match node {
        Node::PrepareStmt(prepare) => {
            let mut inner = Found::default();
            statement(prepare.query(), &mut inner)?;
            let name = prepare.name().unwrap_or_default().to_owned();
            found.push(Statement::Prepare { name, inner: Box::new(inner.into_worst()) });
        }
        Node::ExecuteStmt(execute) => {
            walk::query(Node::NodeList(execute.params()), found)?;
            found.push(Statement::Execute { name: execute.name().unwrap_or_default().to_owned() });
        }
        Node::DeallocateStmt(deallocate) => {
            let name = if deallocate.isall { None } else { deallocate.name().map(str::to_owned) };
            found.push(Statement::Deallocate { name });
        }
        Node::DiscardStmt(discard) => {
            if discard.target == DiscardMode::DISCARD_ALL {
                found.push(Statement::Deallocate { name: None });
            }
            if matches!(discard.target, DiscardMode::DISCARD_ALL | DiscardMode::DISCARD_TEMP) {
                found.push(Statement::MovesNames);
            }
        }
        // Judged here: the FETCH that runs it says nothing.
        Node::DeclareCursorStmt(cursor) => statement(cursor.query(), found)?,
        Node::ExplainStmt(explain) => {
            if explain
                .options()
                .iter()
                .any(|option| option.defname() == Some("analyze") && objects::may_be_true(option))
            {
                statement(explain.query(), found)?;
            }
        }
        Node::CopyStmt(copy) => copy_statement(copy, found)?,
        Node::DoStmt(_) => found.opaque("DO", OpaqueKind::Code),
        Node::CallStmt(call) => {
            let name = call.funccall().map(|call| objects::dotted(call.funcname())).unwrap_or_default();
            found.opaque(format!("CALL {name}"), OpaqueKind::Code);
        }
        Node::LoadStmt(_) => found.opaque("LOAD", OpaqueKind::Server),
        Node::LockStmt(lock) => objects::lock(lock, found),
        Node::VacuumStmt(vacuum) => objects::vacuum(vacuum, found),
        Node::ClusterStmt(cluster) => {
            let relation = cluster.relation().map(relation);
            let by = cluster.indexname().map(str::to_owned);
            found.add(Change::RewriteTable { command: "CLUSTER", relation, shrinks: None, by });
        }
        Node::ReindexStmt(reindex) => objects::reindex(reindex, found),
        _ => found.other("utility"),
    }
    Ok(())
}

fn copy_statement(copy: &nodes::CopyStmt, found: &mut Found) -> Result<(), Unreadable> {
    if copy.is_program {
        found.opaque("COPY … PROGRAM", OpaqueKind::Server);
    } else if copy.filename().is_some() {
        found.opaque("COPY with a file of the server", OpaqueKind::Server);
    }
    if copy.is_from {
        walk::written(copy.relation(), "COPY", found);
    }
    if !matches!(copy.query(), Node::None) {
        statement(copy.query(), found)?;
    }
    if !matches!(copy.where_clause(), Node::None) {
        walk::query(copy.where_clause(), found)?;
    }
    Ok(())
}

/// Schema changes on relations.
fn definition(node: Node<'_>, found: &mut Found) -> Result<(), Unreadable> {
    match node {
        Node::IndexStmt(statement) => index::create(statement, found)?,
        Node::AlterTableStmt(statement) => alter::table(statement, found)?,
        Node::CreateStmt(statement) => create::table(statement, found)?,
        Node::CreateTableAsStmt(statement) => create::table_as(statement, found)?,
        Node::ViewStmt(view) => {
            found.brief("CREATE VIEW", view.view());
            walk::query(view.query(), found)?;
        }
        Node::CreateSchemaStmt(schema) => {
            found.brief("CREATE SCHEMA", None);
            for element in schema.schema_elts() {
                statement(element, found)?;
            }
        }
        Node::DropStmt(drop) => objects::drop(drop, found),
        Node::TruncateStmt(truncate) => objects::truncate(truncate, found),
        Node::RenameStmt(rename) => objects::rename(rename, found),
        Node::AlterObjectSchemaStmt(set) => objects::set_schema(set, found),
        Node::RefreshMatViewStmt(refresh) => {
            if !refresh.concurrent
                && let Some(on) = refresh.relation()
            {
                found.add(Change::RefreshMatview { relation: relation(on), with_data: !refresh.skip_data });
            }
        }
        Node::CreateSeqStmt(sequence) => found.brief("CREATE SEQUENCE", sequence.sequence()),
        Node::AlterSeqStmt(sequence) => objects::alter_sequence(sequence, found),
        Node::CreateTrigStmt(trigger) => {
            found.brief("CREATE TRIGGER", trigger.relation());
            expression(trigger.when_clause(), found)?;
        }
        // A rule turns innocent statements into others; what it does is read here for nobody.
        Node::RuleStmt(rule) => match rule.relation() {
            Some(on) => found.add(Change::CreateRule { relation: relation(on), acts: !rule.actions().is_empty() }),
            None => found.other("CREATE RULE"),
        },
        Node::CreateStatsStmt(statistics) => found.brief("CREATE STATISTICS", statistics.relations().first()),
        Node::AlterStatsStmt(_) => found.brief("ALTER STATISTICS", None),
        Node::CommentStmt(_) => found.brief("COMMENT", None),
        Node::CreateFunctionStmt(function) => create::function(function, found)?,
        Node::AlterFunctionStmt(function) => create::alter_function(function, found),
        _ => {
            if !rights::rights(node, found) && !server(node, found) {
                type_or_other(node, found)?;
            }
        }
    }
    Ok(())
}

/// Adds what the functions of an optional expression would do.
pub(super) fn expression(node: Node<'_>, found: &mut Found) -> Result<(), Unreadable> {
    match node {
        Node::None => Ok(()),
        node => walk::query(node, found),
    }
}

/// What loads code or reaches other servers, databases and files.
fn server(node: Node<'_>, found: &mut Found) -> bool {
    let (what, kind) = match node {
        Node::CreateExtensionStmt(extension) => {
            let name = extension.extname().unwrap_or_default();
            let unless = extension.if_not_exists.then(|| name.to_owned());
            let what = format!("CREATE EXTENSION {name}");
            found.add(Change::Opaque(Opaque { what, kind: OpaqueKind::Code, unless }));
            return true;
        }
        Node::AlterExtensionStmt(extension) => {
            (format!("ALTER EXTENSION {}", extension.extname().unwrap_or_default()), OpaqueKind::Code)
        }
        Node::AlterExtensionContentsStmt(_) => ("ALTER EXTENSION".to_owned(), OpaqueKind::Code),
        Node::CreatePLangStmt(_) => ("CREATE LANGUAGE".to_owned(), OpaqueKind::Code),
        Node::CreateAmStmt(_) => ("CREATE ACCESS METHOD".to_owned(), OpaqueKind::Code),
        Node::CreateFdwStmt(_) => ("CREATE FOREIGN DATA WRAPPER".to_owned(), OpaqueKind::Server),
        Node::AlterFdwStmt(_) => ("ALTER FOREIGN DATA WRAPPER".to_owned(), OpaqueKind::Server),
        Node::CreateForeignServerStmt(_) => ("CREATE SERVER".to_owned(), OpaqueKind::Server),
        Node::AlterForeignServerStmt(_) => ("ALTER SERVER".to_owned(), OpaqueKind::Server),
        Node::CreateUserMappingStmt(_) => ("CREATE USER MAPPING".to_owned(), OpaqueKind::Server),
        Node::AlterUserMappingStmt(_) => ("ALTER USER MAPPING".to_owned(), OpaqueKind::Server),
        Node::ImportForeignSchemaStmt(_) => ("IMPORT FOREIGN SCHEMA".to_owned(), OpaqueKind::Server),
        Node::CreateSubscriptionStmt(_) => ("CREATE SUBSCRIPTION".to_owned(), OpaqueKind::Server),
        Node::AlterSubscriptionStmt(_) => ("ALTER SUBSCRIPTION".to_owned(), OpaqueKind::Server),
        Node::CreateTableSpaceStmt(_) => ("CREATE TABLESPACE".to_owned(), OpaqueKind::Server),
        Node::DropSubscriptionStmt(drop) => {
            objects::drop_named("SUBSCRIPTION", names(drop.subname()), drop.missing_ok, found);
            return true;
        }
        Node::DropUserMappingStmt(drop) => {
            objects::drop_user_mapping(drop, found);
            return true;
        }
        Node::DropTableSpaceStmt(drop) => {
            objects::drop_named("TABLESPACE", names(drop.tablespacename()), drop.missing_ok, found);
            return true;
        }
        Node::DropdbStmt(drop) => {
            objects::drop_database(drop, found);
            return true;
        }
        _ => return false,
    };
    found.opaque(what, kind);
    true
}

fn names(name: Option<&str>) -> Vec<String> {
    name.map(str::to_owned).into_iter().collect()
}

const UNKNOWN_KIND: &str = "statement of a kind that is not modelled";

/// What the grammar has read, but the tree's own types leave out: CREATE FOREIGN TABLE.
pub(super) fn by_words(text: &str, statements: &mut [Statement]) {
    let [Statement::Change(change @ Change::Other { command: UNKNOWN_KIND })] = statements else { return };
    let mut words = text.split_ascii_whitespace();
    if ["create", "foreign", "table"].iter().all(|one| words.next().is_some_and(|word| word.eq_ignore_ascii_case(one)))
    {
        *change =
            Change::Opaque(Opaque { what: "CREATE FOREIGN TABLE".to_owned(), kind: OpaqueKind::Server, unless: None });
    }
}

/// Types, operators, text search; and what is known but modelled by nobody.
fn type_or_other(node: Node<'_>, found: &mut Found) -> Result<(), Unreadable> {
    match node {
        Node::CompositeTypeStmt(_) | Node::CreateEnumStmt(_) | Node::CreateRangeStmt(_) => {
            found.brief("CREATE TYPE", None);
        }
        Node::AlterEnumStmt(change) => objects::alter_enum(change, found),
        Node::CreateDomainStmt(domain) => {
            create::domain(domain, found);
            for constraint in domain.constraints() {
                expression(constraint.raw_expr(), found)?;
            }
        }
        Node::AlterDomainStmt(change) => objects::alter_domain(change, found)?,
        Node::DefineStmt(define) => create::define(define, found),
        Node::CreateOpClassStmt(_) => found.brief("CREATE OPERATOR CLASS", None),
        Node::CreateOpFamilyStmt(_) => found.brief("CREATE OPERATOR FAMILY", None),
        Node::AlterOpFamilyStmt(_) => found.brief("ALTER OPERATOR FAMILY", None),
        Node::AlterOperatorStmt(_) => found.brief("ALTER OPERATOR", None),
        Node::AlterTypeStmt(change) => create::alter_base_type(change, found),
        // They put a function where no query says its name.
        Node::CreateCastStmt(_) => found.opaque("CREATE CAST", OpaqueKind::Code),
        Node::CreateTransformStmt(_) => found.opaque("CREATE TRANSFORM", OpaqueKind::Code),
        // The default one is used for every client of its encoding.
        Node::CreateConversionStmt(conversion) if conversion.def => found.other("CREATE DEFAULT CONVERSION"),
        Node::CreateConversionStmt(_) => found.brief("CREATE CONVERSION", None),
        Node::AlterCollationStmt(_) => found.brief("ALTER COLLATION", None),
        Node::AlterTSDictionaryStmt(_) => found.brief("ALTER TEXT SEARCH DICTIONARY", None),
        Node::AlterTSConfigurationStmt(_) => found.brief("ALTER TEXT SEARCH CONFIGURATION", None),
        Node::AlterObjectDependsStmt(depends) => {
            let whole = depends.object_type != ObjectType::OBJECT_TRIGGER;
            found.brief("ALTER … DEPENDS ON EXTENSION", depends.relation().filter(|_| whole));
        }
        Node::CreatePublicationStmt(publication) => publication::create(publication, found)?,
        Node::AlterPublicationStmt(publication) => publication::alter(publication, found)?,
        Node::CreatedbStmt(create) => objects::create_database(create, found),
        Node::AlterDatabaseStmt(change) => database::alter(change, found),
        Node::AlterDatabaseRefreshCollStmt(refresh) => database::refresh_collation(refresh, found),
        Node::AlterTableSpaceOptionsStmt(change) => database::tablespace(change, found),
        Node::AlterTableMoveAllStmt(_) => {
            let command = "ALTER … ALL IN TABLESPACE";
            found.add(Change::RewriteTable { command, relation: None, shrinks: None, by: None });
        }
        Node::CallStmt(_) => found.opaque(calls::CALL, OpaqueKind::Code),
        // Also what the tree's own types leave out, see [`by_words`].
        _ => found.other(UNKNOWN_KIND),
    }
    Ok(())
}
