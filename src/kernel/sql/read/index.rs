//! `CREATE INDEX`, and the names PostgreSQL makes of its elements.

use pg_raw_parse::raw::{A_Expr_Kind, MinMaxOp, SQLValueFunctionOp, SubLinkType, XmlExprOp};
use pg_raw_parse::{Node, nodes};

use super::super::statement::{Change, CreateIndex, IndexElement};
use super::Unreadable;
use super::classify::{Found, expression};
use super::{fragment, objects};

pub(super) fn create(statement: &nodes::IndexStmt, found: &mut Found) -> Result<(), Unreadable> {
    let Some(on) = statement.relation() else {
        found.other("CREATE INDEX");
        return Ok(());
    };
    let keys = statement.index_params().iter();
    let included = statement.index_including_params().iter().filter_map(|node| match node {
        Node::IndexElem(element) => Some(element),
        _ => None,
    });
    let elements = keys.chain(included).map(element).collect();
    for key in statement.index_params() {
        expression(key.expr(), found)?;
    }
    expression(statement.where_clause(), found)?;
    found.add(Change::CreateIndex(CreateIndex {
        relation: objects::relation(on),
        only: !on.inh,
        name: statement.idxname().map(str::to_owned),
        unique: statement.unique,
        concurrently: statement.concurrent,
        if_not_exists: statement.if_not_exists,
        elements,
        body_sql: fragment::index_body(statement)?,
    }));
    Ok(())
}

fn element(element: &nodes::IndexElem) -> IndexElement {
    let column = element.name().map(str::to_owned);
    let name_part = match &column {
        Some(name) => name.clone(),
        None => figure_name(element.expr(), 0).map_or_else(|| "expr".to_owned(), |(name, _)| name),
    };
    IndexElement { column, name_part }
}

/// `FigureIndexColname` (parse_target.c): the name and how good it is. Depth is bounded: deeper
/// expressions are refused before this is asked.
fn figure_name(node: Node<'_>, depth: usize) -> Option<(String, u8)> {
    if depth > 200 {
        return None;
    }
    let good = |name: &str| Some((name.to_owned(), 2));
    match node {
        Node::ColumnRef(column) => objects::last_name(column.fields()).and_then(good),
        Node::A_Indirection(indirection) => {
            let mut names = indirection.indirection().iter().filter_map(Node::as_str);
            names.next_back().and_then(good).or_else(|| figure_name(indirection.arg(), depth + 1))
        }
        Node::FuncCall(call) => objects::last_name(call.funcname()).and_then(good),
        Node::A_Expr(expression) if expression.kind == A_Expr_Kind::AEXPR_NULLIF => good("nullif"),
        Node::TypeCast(cast) => match figure_name(cast.arg(), depth + 1) {
            Some((name, strength)) if strength > 1 => Some((name, strength)),
            weak => {
                let names = cast.type_name().map(nodes::TypeName::names);
                let last = names.and_then(|names| names.iter().filter_map(nodes::String::sval).next_back());
                last.map(|name| (name.to_owned(), 1)).or(weak)
            }
        },
        Node::CollateClause(collate) => figure_name(collate.arg(), depth + 1),
        Node::GroupingFunc(_) => good("grouping"),
        Node::MergeSupportFunc(_) => good("merge_action"),
        Node::SubLink(link) => match link.sub_link_type {
            SubLinkType::EXISTS_SUBLINK => good("exists"),
            SubLinkType::ARRAY_SUBLINK => good("array"),
            _ => None,
        },
        Node::CaseExpr(case) => match figure_name(case.defresult(), depth + 1) {
            Some((name, strength)) if strength > 1 => Some((name, strength)),
            _ => Some(("case".to_owned(), 1)),
        },
        Node::A_ArrayExpr(_) => good("array"),
        Node::RowExpr(_) => good("row"),
        Node::CoalesceExpr(_) => good("coalesce"),
        Node::MinMaxExpr(minmax) if minmax.op == MinMaxOp::IS_GREATEST => good("greatest"),
        Node::MinMaxExpr(_) => good("least"),
        Node::SQLValueFunction(function) => sql_value_name(function.op).and_then(good),
        Node::XmlExpr(xml) => xml_name(xml.op).and_then(good),
        Node::XmlSerialize(_) => good("xmlserialize"),
        Node::JsonParseExpr(_) => good("json"),
        Node::JsonScalarExpr(_) => good("json_scalar"),
        Node::JsonSerializeExpr(_) => good("json_serialize"),
        Node::JsonObjectConstructor(_) => good("json_object"),
        Node::JsonArrayConstructor(_) | Node::JsonArrayQueryConstructor(_) => good("json_array"),
        Node::JsonObjectAgg(_) => good("json_objectagg"),
        Node::JsonArrayAgg(_) => good("json_arrayagg"),
        Node::JsonFuncExpr(function) => match function.op {
            pg_raw_parse::raw::JsonExprOp::JSON_EXISTS_OP => good("json_exists"),
            pg_raw_parse::raw::JsonExprOp::JSON_QUERY_OP => good("json_query"),
            pg_raw_parse::raw::JsonExprOp::JSON_VALUE_OP => good("json_value"),
            _ => None,
        },
        _ => None,
    }
}

fn sql_value_name(op: SQLValueFunctionOp::Type) -> Option<&'static str> {
    use SQLValueFunctionOp as Op;
    Some(match op {
        Op::SVFOP_CURRENT_DATE => "current_date",
        Op::SVFOP_CURRENT_TIME | Op::SVFOP_CURRENT_TIME_N => "current_time",
        Op::SVFOP_CURRENT_TIMESTAMP | Op::SVFOP_CURRENT_TIMESTAMP_N => "current_timestamp",
        Op::SVFOP_LOCALTIME | Op::SVFOP_LOCALTIME_N => "localtime",
        Op::SVFOP_LOCALTIMESTAMP | Op::SVFOP_LOCALTIMESTAMP_N => "localtimestamp",
        Op::SVFOP_CURRENT_ROLE => "current_role",
        Op::SVFOP_CURRENT_USER => "current_user",
        Op::SVFOP_USER => "user",
        Op::SVFOP_SESSION_USER => "session_user",
        Op::SVFOP_CURRENT_CATALOG => "current_catalog",
        Op::SVFOP_CURRENT_SCHEMA => "current_schema",
        _ => return None,
    })
}

fn xml_name(op: XmlExprOp::Type) -> Option<&'static str> {
    Some(match op {
        XmlExprOp::IS_XMLCONCAT => "xmlconcat",
        XmlExprOp::IS_XMLELEMENT => "xmlelement",
        XmlExprOp::IS_XMLFOREST => "xmlforest",
        XmlExprOp::IS_XMLPARSE => "xmlparse",
        XmlExprOp::IS_XMLPI => "xmlpi",
        XmlExprOp::IS_XMLROOT => "xmlroot",
        XmlExprOp::IS_XMLSERIALIZE => "xmlserialize",
        _ => return None,
    })
}
