//! Secrets in queries: where a secret's name occurs in an expression, all its literals and bound values are hidden;
//! where a column of a list is called like a secret, whatever goes to it.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::{Node, nodes};

use super::super::queried::is_star;
use super::super::{objects, walk};
use super::{Secrets, is_secret, is_secret_function, is_secret_setting};

/// The schema of functions that take the keys to another cloud.
pub(super) const S3: &str = "aws_s3";
/// Where in `table_import_from_s3` the access key stands, and behind it the secrets.
const S3_KEY: usize = 6;
/// An access key's letters, and those of the secret that belongs to it.
const KEY_LENGTH: usize = 20;
const KEY_SECRET_LENGTH: usize = 40;

/// A whole expression: an entry of a list, a condition between AND and OR.
#[derive(Default)]
struct Expression {
    secret: bool,
    values: bool,
    places: Vec<usize>,
    /// The name of a setting stays readable.
    kept: Option<usize>,
}

impl Secrets<'_> {
    /// A query, or an expression. `columns`: what its columns are called outside.
    pub(super) fn query(&mut self, root: Node<'_>, columns: Option<&NodeList>) {
        let mut expressions: Vec<Expression> = Vec::new();
        let mut told = self.goes_to(root, &columns.map(positions).unwrap_or_default());
        let walked = walk::each_under(root, None, |node, of: Option<usize>| {
            told &= self.listed(node);
            if let Node::FuncCall(call) = node {
                self.behind_key(call);
            }
            let of = match of {
                None if is_clause(node) => return None,
                None => {
                    expressions.push(Expression::default());
                    expressions.len() - 1
                }
                Some(of) => of,
            };
            if let Some(expression) = expressions.get_mut(of) {
                expression.see(node);
            }
            Some(of)
        });
        for expression in expressions.into_iter().filter(|expression| expression.secret) {
            self.values |= expression.values;
            let kept = expression.kept;
            self.places.extend(expression.places.into_iter().filter(|place| Some(*place) != kept));
        }
        if walked.is_err() {
            self.values = true;
            self.all();
        } else if !told {
            self.constants(root);
        }
    }

    /// What stands behind the id of an access key is its secret, and what comes with that.
    fn behind_key(&mut self, call: &nodes::FuncCall) {
        let imports = objects::relation_of(call.funcname()).schema.as_deref() == Some(S3) && call.args().len() > S3_KEY;
        let literal = |argument: Node<'_>| objects::literal(argument).unwrap_or_default();
        let key = call.args().iter().position(|argument| is_key(&literal(argument)));
        let Some(key) = key.or(imports.then_some(S3_KEY)) else { return };
        for argument in call.args().iter().skip(key + 1) {
            let is_value = matches!(uncast(argument), Node::ParamRef(_));
            if imports || is_value || is_key_secret(&literal(argument)) {
                self.constants(argument);
            }
        }
    }

    /// What goes to columns that are called like a secret. False: that cannot be told.
    fn listed(&mut self, node: Node<'_>) -> bool {
        match node {
            Node::InsertStmt(insert) if insert.cols().is_empty() => {
                let secret = insert.relation().and_then(nodes::RangeVar::relname).is_some_and(is_secret);
                if secret {
                    self.constants(insert.select_stmt());
                }
                true
            }
            Node::InsertStmt(insert) => self.goes_to(insert.select_stmt(), &positions(insert.cols())),
            Node::MergeWhenClause(when) => {
                for index in positions(when.target_list()) {
                    self.constants(when.values().get(index).unwrap_or(Node::None));
                }
                true
            }
            Node::CommonTableExpr(query) => self.goes_to(query.ctequery(), &positions(query.aliascolnames())),
            Node::RangeSubselect(query) => {
                let columns = query.alias().map(|alias| positions(alias.colnames())).unwrap_or_default();
                self.goes_to(query.subquery(), &columns)
            }
            _ => true,
        }
    }

    /// Hides these columns of a query, in all its arms. False: they come from elsewhere.
    fn goes_to(&mut self, query: Node<'_>, columns: &[usize]) -> bool {
        if columns.is_empty() {
            return true;
        }
        let mut arms = vec![query];
        while let Some(arm) = arms.pop() {
            match arm {
                Node::None => {}
                Node::SelectStmt(select) => {
                    let before = arms.len();
                    arms.extend([select.larg(), select.rarg()].into_iter().flatten().map(Node::SelectStmt));
                    if arms.len() == before && !self.selected(select, columns) {
                        return false;
                    }
                }
                _ => return false,
            }
        }
        true
    }

    fn selected(&mut self, select: &nodes::SelectStmt, columns: &[usize]) -> bool {
        for row in select.values_lists() {
            for index in columns {
                self.constants(row.as_node_list().and_then(|row| row.get(*index)).unwrap_or(Node::None));
            }
        }
        // A star stands for any number of columns.
        if select.target_list().iter().any(|target| is_star(target.val())) {
            return false;
        }
        columns.iter().filter_map(|index| select.target_list().get(*index)).all(|target| self.constants(target.val()))
    }

    /// Hides what stands in an expression. False: it takes more from elsewhere.
    fn constants(&mut self, root: Node<'_>) -> bool {
        let mut whole = true;
        let walked = walk::each(root, |node| match node {
            Node::A_Const(constant) => self.places.extend(usize::try_from(constant.location)),
            Node::ParamRef(_) => self.values = true,
            Node::ColumnRef(_) => whole = false,
            _ => {}
        });
        if walked.is_err() {
            self.values = true;
            self.all();
        }
        whole
    }
}

impl Expression {
    fn see(&mut self, node: Node<'_>) {
        match node {
            Node::A_Const(constant) => self.places.extend(usize::try_from(constant.location)),
            Node::ParamRef(_) => self.values = true,
            Node::FuncCall(call) => self.call(call),
            _ => self.secret |= names_secret(node),
        }
    }

    fn call(&mut self, call: &nodes::FuncCall) {
        let Some(name) = objects::last_name(call.funcname()) else {
            return;
        };
        if name == "set_config" {
            let (secret, place) = setting(call.args());
            self.secret |= secret;
            self.kept = place.or(self.kept);
        } else {
            self.secret |= is_secret_function(name);
        }
    }
}

/// Whether the setting that set_config is given may hold a secret, and where its name stands.
fn setting(arguments: &NodeList) -> (bool, Option<usize>) {
    let named = arguments.iter().find_map(|argument| match argument {
        Node::NamedArgExpr(argument) if argument.name() == Some("setting_name") => Some(argument.arg()),
        _ => None,
    });
    match named.or_else(|| arguments.first()) {
        Some(name) => {
            let place = match name {
                Node::A_Const(constant) => usize::try_from(constant.location).ok(),
                _ => None,
            };
            // A name that is put together can be any.
            (objects::literal(name).is_none_or(|name| is_secret_setting(&name)), place)
        }
        None => (false, None),
    }
}

/// What only holds expressions together.
fn is_clause(node: Node<'_>) -> bool {
    matches!(
        node,
        Node::NodeList(_)
            | Node::SelectStmt(_)
            | Node::InsertStmt(_)
            | Node::UpdateStmt(_)
            | Node::DeleteStmt(_)
            | Node::MergeStmt(_)
            | Node::MergeWhenClause(_)
            | Node::OnConflictClause(_)
            | Node::InferClause(_)
            | Node::ReturningClause(_)
            | Node::IntoClause(_)
            | Node::WithClause(_)
            | Node::CommonTableExpr(_)
            | Node::RangeSubselect(_)
            | Node::JoinExpr(_)
            | Node::BoolExpr(_)
    )
}

fn names_secret(node: Node<'_>) -> bool {
    let name = match node {
        Node::ColumnRef(column) => objects::last_name(column.fields()),
        Node::ResTarget(target) => target.name(),
        Node::NamedArgExpr(argument) => argument.name(),
        Node::ColumnDef(column) => column.colname(),
        Node::RangeTableFuncCol(column) => column.colname(),
        Node::JsonTableColumn(column) => column.name(),
        Node::Alias(alias) => return !positions(alias.colnames()).is_empty(),
        // `document ->> 'password'`.
        Node::A_Expr(expression) => {
            let reaches = objects::last_name(expression.name()).is_some_and(|operator| operator.starts_with("->"));
            return reaches && objects::literal(expression.rexpr()).is_some_and(|key| is_secret(&key));
        }
        _ => None,
    };
    name.is_some_and(is_secret)
}

/// `AKIA…`, `ASIA…`.
fn is_key(text: &str) -> bool {
    let starts = text.starts_with("AKIA") || text.starts_with("ASIA");
    starts && text.len() == KEY_LENGTH && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_key_secret(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'=');
    text.len() >= KEY_SECRET_LENGTH && text.bytes().all(is_letter)
}

fn uncast(mut node: Node<'_>) -> Node<'_> {
    while let Node::TypeCast(cast) = node {
        node = cast.arg();
    }
    node
}

/// Which columns of a list are called like a secret.
fn positions(columns: &NodeList) -> Vec<usize> {
    let secret = columns.iter().map(|column| match column {
        Node::ResTarget(column) => column.name().is_some_and(is_secret),
        Node::String(column) => column.sval().is_some_and(is_secret),
        _ => false,
    });
    secret.enumerate().filter(|(_, secret)| *secret).map(|(index, _)| index).collect()
}
