//! An error of a step in the words that the client's own statement would have had: its table, its constraints, its code.

use crate::kernel::plan::{StandsIn, Step};
use crate::shell::database::{DatabaseError, ServerMessage};

/// The error as the statement that the step stands for would have had it.
pub(super) fn told(step: &Step, error: DatabaseError) -> DatabaseError {
    match (&step.stands_in, advised(step, error)) {
        (Some(stands_in), DatabaseError::Server(message)) => DatabaseError::Server(of_the_table(stands_in, message)),
        (_, error) => told_as(step, error),
    }
}

/// Who has dropped nothing is not told to drop more: what takes the place of something else drops that by itself.
fn advised(step: &Step, mut error: DatabaseError) -> DatabaseError {
    if let DatabaseError::Server(message) = &mut error
        && (step.stands_in.is_some() || !step.stands_for.is_empty())
        && message.hint.as_ref().is_some_and(|hint| hint.contains("CASCADE"))
    {
        message.hint = None;
        message.fields.retain(|(key, _)| *key != b'H');
    }
    error
}

/// A row that cannot be in the copy could not be in the table: what the server says when it writes one anew.
fn of_the_table(stands_in: &StandsIn, mut message: Box<ServerMessage>) -> Box<ServerMessage> {
    let field = |key: u8| message.fields.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
    if field(b't').as_ref() != Some(&stands_in.relation) {
        return message;
    }
    let (table, name) = (&stands_in.of, |key| field(key).unwrap_or_default());
    let words = match message.code.as_str() {
        "23502" => format!("column \"{}\" of relation \"{table}\" contains null values", name(b'c')),
        "23514" => format!("check constraint \"{}\" of relation \"{table}\" is violated by some row", name(b'n')),
        _ => return message,
    };
    message.detail = None;
    message.fields.retain(|(key, _)| *key != b'D');
    for (key, value) in &mut message.fields {
        match key {
            b'M' => value.clone_from(&words),
            b't' => value.clone_from(table),
            _ => {}
        }
    }
    message.message = words;
    message
}

fn told_as(step: &Step, error: DatabaseError) -> DatabaseError {
    let (Some(words), DatabaseError::Server(message)) = (&step.reworded, &error) else { return named(step, error) };
    if message.code != words.code {
        return named(step, error);
    }
    // The constraint's name is the helper's.
    let mut fields: Vec<(u8, String)> = message.fields.iter().filter(|(key, _)| *key != b'n').cloned().collect();
    for (key, value) in &mut fields {
        match key {
            b'C' => value.clone_from(&words.as_code),
            b'M' => value.clone_from(&words.message),
            _ => {}
        }
    }
    if !words.column.is_empty() {
        fields.push((b'c', words.column.clone()));
    }
    DatabaseError::Server(Box::new(ServerMessage {
        code: words.as_code.clone(),
        message: words.message.clone(),
        fields,
        ..(**message).clone()
    }))
}

/// The error with the names of what helpers are made for.
fn named(step: &Step, error: DatabaseError) -> DatabaseError {
    let DatabaseError::Server(mut message) = error else { return error };
    let renamed = |text: &str| {
        let all = step.stands_for.iter();
        all.fold(text.to_owned(), |text, (helper, name)| replaced(&text, helper, name))
    };
    // Where it happened is told as it is.
    for (_, text) in message.fields.iter_mut().filter(|(key, _)| matches!(key, b'M' | b'D' | b'H' | b'n' | b'c')) {
        *text = renamed(text);
    }
    message.message = renamed(&message.message);
    message.detail = message.detail.as_deref().map(renamed);
    message.hint = message.hint.as_deref().map(renamed);
    DatabaseError::Server(message)
}

/// A text with one name in another's place, where it stands by itself.
fn replaced(text: &str, old: &str, new: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(old) {
        let goes_on = after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        out.push_str(before);
        out.push_str(if goes_on { old } else { new });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sql::statement::LockMode;

    #[test]
    fn nobody_is_told_to_drop_what_the_gateway_drops() {
        let hint = "Use DROP ... CASCADE to drop the dependent objects too.".to_owned();
        let error = || {
            let fields = vec![(b'C', "2BP01".to_owned()), (b'H', hint.clone())];
            let message = ServerMessage { hint: Some(hint.clone()), fields, ..ServerMessage::default() };
            DatabaseError::Server(Box::new(message))
        };
        let own = Step::brief("drop", "DROP TABLE t".to_owned(), LockMode::AccessExclusive);
        assert_eq!(told(&own, error()), error());
        let ours = Step { stands_for: vec![("lockkeeper_new_a".to_owned(), "a".to_owned())], ..own };
        let DatabaseError::Server(message) = told(&ours, error()) else { panic!() };
        assert_eq!((message.hint, message.fields), (None, vec![(b'C', "2BP01".to_owned())]));
    }
}
