//! `format_type` with the modifier of a type as written. The server tells the type without it (the
//! function that would also tell the modifier is new in 17); where the modifier goes is known here.

/// `base` is `format_type(oid, NULL)`; the modifier, if any, is in parentheses in `written`.
#[must_use]
pub fn apply(base: &str, written: &str) -> String {
    let Some(modifier) = modifier_of(written) else { return base.to_owned() };
    let (element, array) = match base.strip_suffix("[]") {
        Some(element) => (element, "[]"),
        None => (base, ""),
    };
    // `timestamp(3) with time zone`: the modifier stands before the zone.
    for zone_less in ["timestamp", "time"] {
        if let Some(rest) = element.strip_prefix(zone_less)
            && rest.starts_with(" with")
        {
            return format!("{zone_less}({modifier}){rest}{array}");
        }
    }
    format!("{element}({modifier}){array}")
}

/// What stands in the last parentheses outside quotes, without spaces: `10,2`.
fn modifier_of(written: &str) -> Option<String> {
    let mut quoted = false;
    let mut inside: Option<String> = None;
    for letter in written.chars() {
        match letter {
            '"' => quoted = !quoted,
            '(' if !quoted => inside = Some(String::new()),
            ')' if !quoted => return inside.filter(|text| !text.is_empty()),
            ' ' => {}
            other => {
                if let Some(text) = &mut inside {
                    text.push(other);
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn modifiers_stand_where_format_type_puts_them() {
        let check = |base: &str, written: &str, want: &str| assert_eq!(apply(base, written), want, "{written}");
        check("character varying", "varchar(20)", "character varying(20)");
        check("character varying[]", "varchar(20)[]", "character varying(20)[]");
        check("numeric", "numeric(10, 2)", "numeric(10,2)");
        check("timestamp with time zone", "timestamptz(3)", "timestamp(3) with time zone");
        check("timestamp without time zone[]", "timestamp(0)[]", "timestamp(0) without time zone[]");
        check("time with time zone", "timetz(3)", "time(3) with time zone");
        check("integer", "int4", "integer");
        check(r#""a(b)""#, r#""a(b)""#, r#""a(b)""#);
    }
}
