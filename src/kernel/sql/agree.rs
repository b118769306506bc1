//! The second reader, and the formatter for people: the only user of `sqlparser`. It never makes a
//! verdict weaker: what both read, and read differently, is held; what it cannot read says nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sqlparser::ast::{
    AlterTableOperation, CreateIndex as OtherIndex, ObjectName, Statement as Other, TableConstraint as OtherConstraint,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::statement::{AlterKind, AlterTable, Change, ConstraintKind, CreateIndex, RelationName};

/// Longest text the second reader gets.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Longest text that is formatted for people.
const FORMAT_BYTES_MAX: usize = 64 * 1024;

/// How deep the second reader may recurse.
const DEPTH_MAX: usize = 50;

/// What the second reader says of a statement that will be rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    Agrees,
    /// It does not read this, or the change is none that is compared: says nothing.
    CannotRead,
    /// Both read it, differently: hold.
    Disagrees(String),
}

/// Compares what the parser of record made of the one statement in `text` with the second reader's view.
#[must_use]
pub fn agreement(text: &str, change: &Change) -> Agreement {
    match change {
        Change::CreateIndex(index) => compare(text, |other| match other {
            Other::CreateIndex(other) => same_index(index, other),
            _ => Err("another kind of statement than CREATE INDEX".to_owned()),
        }),
        Change::AlterTable(alter) => compare(text, |other| match other {
            Other::AlterTable(other) => same_alter(alter, &other.name, &other.operations),
            _ => Err("another kind of statement than ALTER TABLE".to_owned()),
        }),
        Change::CreateTable(_)
        | Change::Drop(_)
        | Change::Truncate { .. }
        | Change::MassWrite { .. }
        | Change::Rename(_)
        | Change::Privilege(_)
        | Change::Setting(_)
        | Change::Opaque(_)
        | Change::Reindex(_)
        | Change::RewriteTable { .. }
        | Change::RefreshMatview { .. }
        | Change::CreateDomain(_)
        | Change::CheckDomain { .. }
        | Change::CreateRule { .. }
        | Change::Publication(_)
        | Change::RestartSequence { .. }
        | Change::LockTable { .. }
        | Change::Brief { .. }
        | Change::AlterDatabase { .. }
        | Change::Other { .. }
        | Change::Unreadable { .. } => Agreement::CannotRead,
    }
}

fn compare(text: &str, same: impl FnOnce(&Other) -> Result<(), String>) -> Agreement {
    let Some(statements) = parse(text, TEXT_BYTES_MAX) else {
        return Agreement::CannotRead;
    };
    match statements.as_slice() {
        [only] => match same(only) {
            Ok(()) => Agreement::Agrees,
            Err(why) => Agreement::Disagrees(why),
        },
        several => Agreement::Disagrees(format!("the second reader sees {} statements", several.len())),
    }
}

/// What a piece of a text is, for whoever sets it in colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Keyword,
    Name,
    Number,
    Text,
    Comment,
    /// Blanks and signs.
    Plain,
}

/// A text in pieces that make it up again, each with what it is. What cannot be read is one plain piece.
#[must_use]
pub fn marked(text: &str) -> Vec<(Mark, &str)> {
    let plain = || vec![(Mark::Plain, text)];
    if text.len() > FORMAT_BYTES_MAX {
        return plain();
    }
    let read = catch_unwind(AssertUnwindSafe(|| {
        Tokenizer::new(&PostgreSqlDialect {}, text).with_unescape(false).tokenize_with_location()
    }));
    let Ok(Ok(tokens)) = read else { return plain() };
    let mut places = Places::new(text);
    let mut pieces: Vec<(Mark, &str)> = Vec::new();
    let (mut from, mut mark) = (0, Mark::Plain);
    for (n, token) in tokens.iter().enumerate() {
        let Some(at) = places.byte(token.span.start.line, token.span.start.column) else { return plain() };
        pieces.extend(text.get(from..at).filter(|piece| !piece.is_empty()).map(|piece| (mark, piece)));
        // A schema may be called like a keyword.
        let qualifies = tokens.get(n + 1).is_some_and(|next| next.token == Token::Period);
        (from, mark) = (at.max(from), if qualifies { Mark::Name } else { mark_of(&token.token) });
    }
    pieces.extend(text.get(from..).filter(|piece| !piece.is_empty()).map(|piece| (mark, piece)));
    pieces
}

fn mark_of(token: &Token) -> Mark {
    use sqlparser::keywords::Keyword;
    use sqlparser::tokenizer::Whitespace;
    match token {
        Token::Word(word) if word.quote_style.is_none() && word.keyword != Keyword::NoKeyword => Mark::Keyword,
        Token::Word(_) => Mark::Name,
        Token::Number(..) | Token::Placeholder(_) => Mark::Number,
        Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_) => Mark::Text,
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => Mark::Comment,
        _ => Mark::Plain,
    }
}

/// Byte positions of lines and columns, both counted from 1 and in characters, asked in order.
struct Places<'a> {
    chars: std::str::CharIndices<'a>,
    line: u64,
    column: u64,
    length: usize,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self { chars: text.char_indices(), line: 1, column: 1, length: text.len() }
    }

    fn byte(&mut self, line: u64, column: u64) -> Option<usize> {
        while (self.line, self.column) < (line, column) {
            let (_, c) = self.chars.next()?;
            if c == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        ((self.line, self.column) == (line, column))
            .then(|| self.chars.clone().next().map_or(self.length, |(at, _)| at))
    }
}

fn parse(text: &str, bytes_max: usize) -> Option<Vec<Other>> {
    if text.len() > bytes_max {
        return None;
    }
    // Foreign code on foreign input: a panic there must not end a session here.
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        Parser::new(&PostgreSqlDialect {}).with_recursion_limit(DEPTH_MAX).try_with_sql(text)?.parse_statements()
    }));
    parsed.ok()?.ok()
}

/// A name as the second reader has it, folded as PostgreSQL does.
fn name_of(name: &ObjectName) -> Option<RelationName> {
    let mut parts: Vec<String> = Vec::new();
    for part in &name.0 {
        parts.push(folded(part.as_ident()?));
    }
    let name = parts.pop()?;
    Some(RelationName { schema: parts.pop(), name })
}

fn folded(ident: &sqlparser::ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => cut(&ident.value.replace("\"\"", "\"")),
        None => cut(&ident.value.to_ascii_lowercase()),
    }
}

/// As PostgreSQL cuts names.
fn cut(name: &str) -> String {
    super::write::clipped(name, super::write::NAME_BYTES).to_owned()
}

fn same_name(ours: &RelationName, theirs: &ObjectName) -> Result<(), String> {
    match name_of(theirs) {
        Some(theirs) if theirs == *ours => Ok(()),
        Some(theirs) => Err(format!("the table is {theirs:?} for the second reader, {ours:?} for the first")),
        None => Ok(()),
    }
}

fn same_index(ours: &CreateIndex, theirs: &OtherIndex) -> Result<(), String> {
    same_name(&ours.relation, &theirs.table_name)?;
    let name = theirs.name.as_ref().and_then(name_of).map(|name| name.name);
    if name != ours.name {
        return Err("the index has another name".to_owned());
    }
    if theirs.unique != ours.unique || theirs.concurrently != ours.concurrently {
        return Err("UNIQUE or CONCURRENTLY is read differently".to_owned());
    }
    if theirs.columns.len() + theirs.include.len() != ours.elements.len() {
        return Err("the index has another number of columns".to_owned());
    }
    Ok(())
}

fn same_alter(ours: &AlterTable, table: &ObjectName, theirs: &[AlterTableOperation]) -> Result<(), String> {
    same_name(&ours.relation, table)?;
    if theirs.len() != ours.actions.len() {
        return Err(format!(
            "{} subcommands for the second reader, {} for the first",
            theirs.len(),
            ours.actions.len()
        ));
    }
    for (ours, theirs) in ours.actions.iter().zip(theirs) {
        if same_action(&ours.kind, theirs) == Some(false) {
            return Err(format!("the subcommand `{}` is read differently", ours.sql));
        }
    }
    Ok(())
}

/// Whether a subcommand is the same; `None` when it is none of those compared.
fn same_action(ours: &AlterKind, theirs: &AlterTableOperation) -> Option<bool> {
    use sqlparser::ast::AlterColumnOperation as Column;
    match (ours, theirs) {
        (AlterKind::AddColumn(ours), AlterTableOperation::AddColumn { column_def, .. }) => {
            Some(folded(&column_def.name) == ours.name)
        }
        (AlterKind::AddColumn(_), _) | (_, AlterTableOperation::AddColumn { .. }) => Some(false),
        (AlterKind::AddConstraint(ours), AlterTableOperation::AddConstraint { constraint, not_valid }) => {
            same_constraint(&ours.kind, constraint).map(|same| same && *not_valid == ours.not_valid)
        }
        (
            AlterKind::SetNotNull { column },
            AlterTableOperation::AlterColumn { column_name, op: Column::SetNotNull },
        )
        | (
            AlterKind::DropNotNull { column },
            AlterTableOperation::AlterColumn { column_name, op: Column::DropNotNull },
        )
        | (
            AlterKind::DropDefault { column },
            AlterTableOperation::AlterColumn { column_name, op: Column::DropDefault },
        )
        | (
            AlterKind::SetDefault { column },
            AlterTableOperation::AlterColumn { column_name, op: Column::SetDefault { .. } },
        )
        | (
            AlterKind::AlterType { column, .. },
            AlterTableOperation::AlterColumn { column_name, op: Column::SetDataType { .. } },
        ) => Some(folded(column_name) == *column),
        (AlterKind::SetNotNull { .. }, _) => Some(false),
        _ => None,
    }
}

fn same_constraint(ours: &ConstraintKind, theirs: &OtherConstraint) -> Option<bool> {
    Some(match (ours, theirs) {
        (ConstraintKind::Check { .. }, OtherConstraint::Check(_))
        | (ConstraintKind::Unique { .. }, OtherConstraint::Unique(_))
        | (ConstraintKind::PrimaryKey { .. }, OtherConstraint::PrimaryKey(_)) => true,
        (ConstraintKind::ForeignKey { references }, OtherConstraint::ForeignKey(theirs)) => {
            same_name(references, &theirs.foreign_table).is_ok()
        }
        (ConstraintKind::Exclude | ConstraintKind::NotNull, _) => return None,
        (
            ConstraintKind::Check { .. }
            | ConstraintKind::Unique { .. }
            | ConstraintKind::PrimaryKey { .. }
            | ConstraintKind::ForeignKey { .. },
            _,
        ) => false,
    })
}

/// The text laid out for reviewers; unchanged when that would lose or change anything.
#[must_use]
pub fn format_for_people(text: &str) -> String {
    let unchanged = || text.to_owned();
    // Comments are dropped by the formatter, and may be what the reviewer has to see.
    // So are spellings with escapes.
    if text.contains("--") || text.contains("/*") || text.contains('\\') {
        return unchanged();
    }
    if !super::read::is_shallow(text) {
        return unchanged();
    }
    let Some(statements) = parse(text, FORMAT_BYTES_MAX) else {
        return unchanged();
    };
    let formatted = catch_unwind(AssertUnwindSafe(|| {
        statements.iter().map(|statement| format!("{statement:#}")).collect::<Vec<_>>().join(";\n")
    }));
    match formatted {
        Ok(formatted) if super::read::same_meaning(text, &formatted) => formatted,
        Ok(_) | Err(_) => unchanged(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::super::statement::Statement;
    use super::*;

    fn check(text: &str, expected: &str) {
        let reading = read(text).unwrap();
        let Statement::Change(change) = &reading.statements[0].statement else { panic!("{text}") };
        let said = match agreement(text, change) {
            Agreement::Agrees => "agrees".to_owned(),
            Agreement::CannotRead => "cannot read".to_owned(),
            Agreement::Disagrees(why) => format!("disagrees: {why}"),
        };
        assert_eq!(said, expected, "{text}");
    }

    #[test]
    fn marked_pieces_make_up_the_text() {
        let text = "-- é\nALTER TABLE public.\"t\" ADD c text DEFAULT 'it''s' /* x */; SELECT $1, 1.5";
        let pieces = marked(text);
        assert_eq!(pieces.iter().map(|(_, piece)| *piece).collect::<String>(), text);
        let of = |wanted: Mark| pieces.iter().filter(move |(mark, _)| *mark == wanted).map(|(_, piece)| *piece);
        assert_eq!(of(Mark::Comment).collect::<Vec<_>>(), ["-- é", "/* x */"]);
        assert_eq!(of(Mark::Text).collect::<Vec<_>>(), ["'it''s'"]);
        assert_eq!(of(Mark::Number).collect::<Vec<_>>(), ["$1", "1.5"]);
        assert!(of(Mark::Name).any(|name| name == "public"));
        assert_eq!(marked("SELECT 'no end"), [(Mark::Plain, "SELECT 'no end")]);
    }

    #[test]
    fn agrees() {
        for text in [
            "create unique index concurrently I on S.T (a, lower(b)) include (c) where d",
            "CREATE INDEX ON \"T\" USING gin (a jsonb_path_ops)",
            "alter table only s.t add column \"C\" int not null default 5, drop column d",
            "alter table t add constraint x check (a > 0) not valid",
            "alter table t add foreign key (a) references p (id)",
            "alter table t alter column a set not null, alter b type bigint",
            "alter table t add primary key (a), add unique (b)",
            "alter table t add column c uuid default gen_random_uuid() references s.p (id) check (c is not null)",
        ] {
            check(text, "agrees");
        }
    }

    #[test]
    fn says_nothing() {
        check("drop table t", "cannot read");
        check(
            "alter table t alter column a set statistics 5, cluster on i, add exclude using gist (a with &&)",
            "cannot read",
        );
    }

    #[test]
    fn holds_what_differs() {
        let text = "alter table a add column b int";
        let reading = read("alter table b add column b int").unwrap();
        let Statement::Change(change) = &reading.statements[0].statement else { panic!() };
        assert!(matches!(agreement(text, change), Agreement::Disagrees(_)));
    }

    #[test]
    fn formats() {
        let formatted = format_for_people("select a,b from t where x=1 and y=2");
        assert!(formatted.lines().count() > 1, "{formatted}");
        for unchanged in
            ["selec", "select 1 -- why", "select U&'\\0041'", "select E'a'\n'b\\', '; drop table victim; --'"]
        {
            assert_eq!(format_for_people(unchanged), unchanged);
        }
    }
}
