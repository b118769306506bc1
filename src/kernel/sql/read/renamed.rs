//! A CHECK as it is written, with some of its columns under other names.

use pg_raw_parse::raw::ConstrType;
use pg_raw_parse::{Node, nodes};

use super::super::bounds;
use super::super::write::quote_ident;
use super::{only, parse, walk};

const BEFORE: &str = "ALTER TABLE t ADD ";

/// The definition of a CHECK with columns renamed. Nothing where that cannot be told for certain.
#[must_use]
pub fn check(definition: &str, columns: &[(&str, &str)]) -> Option<String> {
    let text = format!("{BEFORE}{definition}");
    let tree = parse(&text, bounds::TEXT_BYTES_MAX).ok()?;
    let of = constraint(only(&tree)?).filter(|of| of.contype == ConstrType::CONSTR_CHECK)?;
    exchanged(&text, of.raw_expr(), columns)?.strip_prefix(BEFORE).map(str::to_owned)
}

fn constraint(statement: Node<'_>) -> Option<&nodes::Constraint> {
    let Node::AlterTableStmt(alter) = statement else { return None };
    let Some(Node::AlterTableCmd(command)) = alter.cmds().first().filter(|_| alter.cmds().len() == 1) else {
        return None;
    };
    match command.def() {
        Node::Constraint(of) => Some(of),
        _ => None,
    }
}

/// The text with every column exchanged where the grammar found it.
fn exchanged(text: &str, expression: Node<'_>, own: &[(&str, &str)]) -> Option<String> {
    let mut places: Vec<(usize, usize, String)> = Vec::new();
    let mut clear = true;
    walk::each(expression, |node| {
        if let Node::ColumnRef(column) = node {
            let names: Vec<Option<&str>> = column.fields().iter().map(Node::as_str).collect();
            match (usize::try_from(column.location), names.as_slice()) {
                (Ok(place), [before @ .., Some(name)]) if before.iter().all(Option::is_some) => {
                    places.push((place, before.len(), (*name).to_owned()));
                }
                _ => clear = false,
            }
        }
    })
    .ok()?;
    if !clear {
        return None;
    }
    places.sort();
    let (mut out, mut from) = (String::with_capacity(text.len() + 32), 0);
    for (mut at, before, name) in places {
        let Some((_, new)) = own.iter().find(|(old, _)| *old == name) else { continue };
        // Behind the names of the table and its schema.
        for _ in 0..before {
            at += length(text.get(at..)?) + 1;
            text.get(..at)?.strip_suffix('.')?;
        }
        out.push_str(text.get(from..at)?);
        out.push_str(&quote_ident(new));
        from = at + length(text.get(at..)?);
    }
    out.push_str(text.get(from..)?);
    Some(out)
}

/// Bytes of the name at the start of a text.
fn length(text: &str) -> usize {
    let Some(inside) = text.strip_prefix('"') else {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
        return text.find(|c| !is_name(c)).unwrap_or(text.len());
    };
    let mut marks = inside.char_indices().filter(|(_, c)| *c == '"').map(|(at, _)| at).peekable();
    while let Some(at) = marks.next() {
        if marks.next_if_eq(&(at + 1)).is_none() {
            return at + 2;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_columns_are_exchanged() {
        let own = [("a", "N"), ("Q \"q", "M")];
        for (definition, want) in [
            ("CHECK (a > 0)", Some("CHECK (\"N\" > 0)")),
            ("CHECK (a(a) > b AND 'a' <> \"Q \"\"q\"::a)", Some("CHECK (a(\"N\") > b AND 'a' <> \"M\"::a)")),
            ("CHECK (a IS NOT NULL) NO INHERIT", Some("CHECK (\"N\" IS NOT NULL) NO INHERIT")),
            ("CHECK (t.a > s.\"t.\".a)", Some("CHECK (t.\"N\" > s.\"t.\".\"N\")")),
            ("CHECK ((t).a > 0)", Some("CHECK ((t).a > 0)")),
            ("CHECK (t.* IS NOT NULL)", None),
        ] {
            assert_eq!(check(definition, &own).as_deref(), want, "{definition}");
        }
    }
}
