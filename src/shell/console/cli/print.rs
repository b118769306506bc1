//! What verbs answer: in words, or as JSON.

use std::io::Write;

use serde::Serialize;

use super::super::render;
use super::super::view::Full;
use super::{CliError, Who};
use crate::kernel::review::is_invisible;
use crate::shell::clock::now;

/// What has become of a ticket, and what more there is to say of it.
pub(super) fn told(full: &Full, who: &Who, more: &[String], out: &mut dyn Write) -> Result<(), CliError> {
    if who.json {
        return print_json(full, out);
    }
    writeln!(out, "{}", render::headline(&full.ticket, now()))?;
    more.iter().try_for_each(|line| Ok(writeln!(out, "{line}")?))
}

pub(super) fn print_json(value: &impl Serialize, out: &mut dyn Write) -> Result<(), CliError> {
    print_safe(serde_json::to_string_pretty(value), out)
}

/// As one line.
pub(super) fn print_line(value: &impl Serialize, out: &mut dyn Write) -> Result<(), CliError> {
    print_safe(serde_json::to_string(value), out)
}

fn print_safe(json: serde_json::Result<String>, out: &mut dyn Write) -> Result<(), CliError> {
    let json = json.map_err(|error| CliError::Answer(error.to_string()))?;
    // JSON itself escapes control characters, but not the others that nobody sees.
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_invisible(c) {
            safe.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            safe.push(c);
        }
    }
    Ok(writeln!(out, "{safe}")?)
}
