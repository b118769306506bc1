//! `format_type` with the modifier of a type as written. The server tells the type without it (the
//! function that would also tell the modifier is new in 17); where the modifier goes is known here.

/// `base` is `format_type(oid, NULL)`; the modifier, if any, is in parentheses in `written`, or the fields of an interval.
#[must_use]
pub fn apply(base: &str, written: &str) -> String {
    let (element, array) = match base.strip_suffix("[]") {
        Some(element) => (element, "[]"),
        None => (base, ""),
    };
    format!("{}{array}", with_modifier(element, written, modifier_of(written)))
}

fn with_modifier(element: &str, written: &str, modifier: Option<String>) -> String {
    let zone = ["timestamp", "time"]
        .into_iter()
        .find_map(|time| Some((time, element.strip_prefix(time).filter(|zone| zone.starts_with(" with"))?)));
    match (element, zone, modifier) {
        // `timestamp(3) with time zone`: the modifier stands before the zone.
        (_, Some((time, zone)), Some(modifier)) => format!("{time}({}){zone}", precision(modifier)),
        ("interval", _, modifier) => {
            let precision = modifier.map(|modifier| format!("({})", precision(modifier))).unwrap_or_default();
            format!("interval{}{precision}", fields(written))
        }
        ("numeric", _, Some(modifier)) if !modifier.contains(',') => format!("numeric({modifier},0)"),
        // CHARACTER and BIT alone would be of length 1.
        ("character" | "bpchar", _, None) => "bpchar".to_owned(),
        ("character" | "bpchar", _, Some(modifier)) => format!("character({modifier})"),
        ("bit" | "\"bit\"", _, None) => "\"bit\"".to_owned(),
        ("bit" | "\"bit\"", _, Some(modifier)) => format!("bit({modifier})"),
        (_, _, Some(modifier)) => format!("{element}({modifier})"),
        (_, _, None) => element.to_owned(),
    }
}

/// The server takes more digits behind the seconds for as many as there can be.
fn precision(modifier: String) -> String {
    if modifier.parse::<u32>().is_ok_and(|digits| digits > PRECISION_MAX) {
        PRECISION_MAX.to_string()
    } else {
        modifier
    }
}

const PRECISION_MAX: u32 = 6;

/// ` day to second` of an interval, as the grammar's words say it.
fn fields(written: &str) -> String {
    let before = written.split(['(', '[']).next().unwrap_or_default().trim();
    before.split_once(' ').map(|(_, fields)| format!(" {fields}")).unwrap_or_default()
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
        check("timestamp without time zone", "timestamp(9)", "timestamp(6) without time zone");
        check("interval", "interval", "interval");
        check("interval", "interval(3)", "interval(3)");
        check("interval[]", "interval day[]", "interval day[]");
        check("interval", "interval day to second(3)", "interval day to second(3)");
        check("numeric", "numeric(10)", "numeric(10,0)");
        check("character", "char(1)", "character(1)");
        check("bpchar", "char(8)", "character(8)");
        check("character", "bpchar", "bpchar");
        check("bit", "pg_catalog.bit(1)", "bit(1)");
        check(r#""a(b)""#, r#""a(b)""#, r#""a(b)""#);
    }
}
