//! Secrets in statements that define something: the grammar's walker does not know them, so an element that speaks
//! of secrets outside its literals has all of them hidden.

use std::ops::Range;

use pg_raw_parse::{Node, nodes};

use super::super::literals::{Literal, Piece};
use super::{Secrets, speaks_of_secrets};

impl Secrets<'_> {
    /// Hides the literals of the elements of a definition that speak of secrets.
    pub(super) fn spoken(&mut self, node: Node<'_>) {
        let code = self.plain_code();
        let start = self.within.start;
        let from = relation(node).map_or(start, |relation| after_name(&code, start, relation));
        let secret = elements(&code, from - start, split_at(node)).into_iter().filter(|element| {
            let element = code.get(element.clone()).unwrap_or_default();
            speaks_of_secrets(&String::from_utf8_lossy(element))
        });
        self.spans.extend(secret.map(|element| start + element.start..start + element.end));
    }

    /// The statement with its literals and comments blanked, byte for byte.
    fn plain_code(&self) -> Vec<u8> {
        let mut code = self.text.get(self.within.clone()).unwrap_or_default().as_bytes().to_vec();
        let start = self.within.start;
        for piece in self.pieces {
            let (Piece::Literal(Literal { span, .. }) | Piece::Comment(span)) = piece;
            if self.within.contains(&span.start)
                && let Some(piece) = code.get_mut(span.start - start..span.end.min(self.within.end) - start)
            {
                piece.fill(b' ');
            }
        }
        code
    }
}

/// What a statement is about: its name and what stands before it say nothing of its literals.
fn relation(node: Node<'_>) -> Option<&nodes::RangeVar> {
    match node {
        Node::CreateStmt(create) => create.relation(),
        Node::AlterTableStmt(alter) => alter.relation(),
        Node::IndexStmt(index) => index.relation(),
        Node::CreatePolicyStmt(policy) => policy.table(),
        Node::AlterPolicyStmt(policy) => policy.table(),
        Node::CreateTrigStmt(trigger) => trigger.relation(),
        Node::RuleStmt(rule) => rule.relation(),
        _ => None,
    }
}

/// How many brackets are open at the commas that part the elements, if there are elements.
fn split_at(node: Node<'_>) -> Option<usize> {
    match node {
        Node::CreateStmt(_) => Some(1),
        Node::AlterTableStmt(_) => Some(0),
        _ => None,
    }
}

/// Where the name of `relation` ends, with `code` beginning at `start`.
fn after_name(code: &[u8], start: usize, relation: &nodes::RangeVar) -> usize {
    let at = usize::try_from(relation.location).unwrap_or(start).max(start);
    let mut quoted = false;
    let length = code.get(at - start..).unwrap_or_default().iter().position(|byte| {
        quoted ^= *byte == b'"';
        !(quoted || byte.is_ascii_alphanumeric() || matches!(byte, b'"' | b'.' | b'_' | b'$' | 128..))
    });
    length.map_or(at, |length| at + length)
}

/// The parts of `code` between the commas at this depth of brackets.
fn elements(code: &[u8], from: usize, depth: Option<usize>) -> Vec<Range<usize>> {
    let (mut elements, mut begun, mut open, mut quoted) = (Vec::new(), from, 0_usize, false);
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'"' => quoted = !quoted,
            b'(' if !quoted => open += 1,
            b')' if !quoted => open = open.saturating_sub(1),
            b',' if !quoted && Some(open) == depth => {
                elements.push(begun..at);
                begun = at + 1;
            }
            _ => {}
        }
    }
    elements.push(begun..code.len());
    elements
}
