//! Types as the server writes them, with their modifiers: between which of them the stored values stay as they are.
//! Measured for 12 to 18.

/// The most digits that times have behind the seconds.
const PRECISION_MAX: i64 = 6;

/// From timestamp to timestamptz or back.
#[must_use]
pub fn between_zones(old: &str, new: &str) -> bool {
    let (old, new) = (parts(old).0, parts(new).0);
    let is = |text: &str, zone: &str| text == format!("timestamp {zone} time zone");
    is(&old, "with") && is(&new, "without") || is(&old, "without") && is(&new, "with")
}

/// Whether values of another type of time need no rounding: the server does not look at the old type's precision there.
pub(super) fn full_precision(type_sql: &str) -> bool {
    widened_times(&[], &parts(type_sql).1)
}

/// The same type without a modifier.
pub(super) fn unbounded(type_sql: &str) -> String {
    let (element, array) = match type_sql.strip_suffix("[]") {
        Some(element) => (element, "[]"),
        None => (type_sql, ""),
    };
    let bare = match parts(element) {
        _ if interval(element).is_some() => "interval".to_owned(),
        (name, bounds) if name == "character" && !bounds.is_empty() => "bpchar".to_owned(),
        (name, bounds) if name == "bit" && !bounds.is_empty() => "\"bit\"".to_owned(),
        (name, _) => name,
    };
    format!("{bare}{array}")
}

/// Whether the server keeps the stored rows and plain indexes.
pub(super) fn keeps_all(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    if from.ends_with("[]") || to.ends_with("[]") {
        return false;
    }
    if let (Some(old), Some(new)) = (interval(from), interval(to)) {
        return old.fits(&new);
    }
    let ((old, old_bounds), (new, new_bounds)) = (parts(from), parts(to));
    match (old.as_str(), new.as_str()) {
        ("character varying", "character varying") => widened(&old_bounds, &new_bounds),
        ("character varying", "text") => true,
        ("text", "character varying") => new_bounds.is_empty(),
        ("bit varying", "bit varying") => widened(&old_bounds, &new_bounds),
        ("numeric", "numeric") => match (old_bounds.as_slice(), new_bounds.as_slice()) {
            (_, []) => true,
            ([old_precision, old_scale], [new_precision, new_scale]) => {
                old_scale == new_scale && new_precision >= old_precision
            }
            _ => false,
        },
        ("timestamp without time zone", "timestamp without time zone")
        | ("timestamp with time zone", "timestamp with time zone")
        | ("time without time zone", "time without time zone")
        | ("time with time zone", "time with time zone") => widened_times(&old_bounds, &new_bounds),
        ("cidr", "inet") => true,
        _ => false,
    }
}

/// Whether each value of the one type becomes one of the other: rounded maybe, never refused.
#[must_use]
pub fn takes_all(from: &str, to: &str) -> bool {
    const NUMBERS: [&str; 4] = ["smallint", "integer", "bigint", "numeric"];
    const TIMES: [&str; 3] = ["date", "timestamp without time zone", "timestamp with time zone"];
    let ((old, _), (new, bounds)) = (parts(from), parts(to));
    let grows = |all: &[&str]| {
        let place = |name: &str| all.iter().position(|one| *one == name);
        place(&old).zip(place(&new)).is_some_and(|(old, new)| old <= new)
    };
    let whole = NUMBERS.iter().take(3).any(|name| *name == old);
    keeps_all(from, to)
        || bounds.is_empty() && ["text", "character varying"].contains(&new.as_str())
        || bounds.is_empty() && grows(&NUMBERS)
        || (whole || old == "real") && ["real", "double precision"].contains(&new.as_str())
        || grows(&TIMES)
        || between_zones(from, to)
        || new.starts_with("time") && old == new
        || interval(from).is_some() && interval(to).is_some()
}

fn widened(old: &[i64], new: &[i64]) -> bool {
    match (old, new) {
        (_, []) => true,
        ([old], [new]) => new >= old,
        _ => false,
    }
}

fn widened_times(old: &[i64], new: &[i64]) -> bool {
    matches!(new, [new] if *new >= PRECISION_MAX) || widened(old, new)
}

/// Which fields an interval keeps, and how many digits behind the seconds.
struct Interval {
    /// The place of the last field it keeps, seconds first.
    last: usize,
    precision: Vec<i64>,
}

impl Interval {
    /// Every value of this type is one of the other as it is.
    fn fits(&self, new: &Self) -> bool {
        new.last <= self.last && (self.last > 0 || widened_times(&self.precision, &new.precision))
    }
}

/// `interval day to second(3)`.
fn interval(type_sql: &str) -> Option<Interval> {
    let (name, precision) = parts(type_sql);
    let fields = name.strip_prefix("interval")?;
    let last = match fields.split(' ').next_back()? {
        "" => 0,
        last if fields.starts_with(' ') => {
            ["second", "minute", "hour", "day", "month", "year"].iter().position(|field| *field == last)?
        }
        _ => return None,
    };
    Some(Interval { last, precision })
}

/// `timestamp(3) without time zone` is `timestamp without time zone` and `[3]`.
fn parts(type_sql: &str) -> (String, Vec<i64>) {
    let Some((before, rest)) = type_sql.split_once('(') else { return (type_sql.to_owned(), Vec::new()) };
    let Some((inside, after)) = rest.split_once(')') else { return (type_sql.to_owned(), Vec::new()) };
    let bounds = inside.split(',').map(|bound| bound.trim().parse().unwrap_or(i64::MIN)).collect();
    (format!("{}{after}", before.trim_end()), bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_refused_is_known() {
        for (from, to) in [
            ("integer", "bigint"),
            ("smallint", "numeric"),
            ("bigint", "double precision"),
            ("jsonb", "text"),
            ("date", "timestamp with time zone"),
            ("timestamp with time zone", "timestamp(3) with time zone"),
            ("interval", "interval day to second(2)"),
            ("character varying(5)", "character varying(9)"),
        ] {
            assert!(takes_all(from, to), "{from} to {to}");
        }
        for (from, to) in [
            ("integer", "smallint"),
            ("numeric", "bigint"),
            ("numeric", "double precision"),
            ("bigint", "numeric(5,2)"),
            ("text", "date"),
            ("text", "character varying(9)"),
            ("timestamp with time zone", "date"),
            ("integer[]", "smallint[]"),
        ] {
            assert!(!takes_all(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn widening_keeps_rows() {
        for (from, to) in [
            ("character varying(20)", "character varying(50)"),
            ("character varying(20)", "text"),
            ("text", "character varying"),
            ("numeric(10,2)", "numeric(12,2)"),
            ("numeric(10,2)", "numeric"),
            ("timestamp(3) without time zone", "timestamp without time zone"),
            ("time with time zone", "time(6) with time zone"),
            ("cidr", "inet"),
            ("integer", "integer"),
            ("interval(3)", "interval second(3)"),
            ("interval", "interval day to second(6)"),
            ("interval day", "interval hour"),
            ("interval day", "interval(0)"),
            ("interval year", "interval month"),
            ("interval year to month", "interval month"),
            ("interval hour to minute", "interval minute"),
        ] {
            assert!(keeps_all(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn all_else_rewrites() {
        for (from, to) in [
            ("integer", "bigint"),
            ("character varying(50)", "character varying(20)"),
            ("text", "character varying(20)"),
            ("numeric(10,2)", "numeric(12,3)"),
            ("numeric", "numeric(10,2)"),
            ("character(10)", "text"),
            ("bit(8)", "bit(16)"),
            ("character varying(10)[]", "character varying(20)[]"),
            ("timestamp without time zone", "timestamp with time zone"),
            ("timestamp without time zone", "timestamp(3) without time zone"),
            ("interval(3)", "interval(2)"),
            ("interval", "interval(3)"),
            ("interval", "interval day"),
            ("interval(3)", "interval day"),
            ("interval(3)", "interval second(2)"),
            ("interval hour", "interval day"),
            ("interval day", "interval year to month"),
            ("interval[]", "interval day[]"),
        ] {
            assert!(!keeps_all(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn zones() {
        let (with, without) = ("timestamp(3) with time zone", "timestamp without time zone");
        assert!(between_zones(with, without) && between_zones(without, with));
        assert!(!between_zones(with, with) && !between_zones("date", with));
        assert!(full_precision(without) && full_precision("timestamp(6) with time zone") && !full_precision(with));
    }

    #[test]
    fn without_a_modifier() {
        for (of, want) in [
            ("character varying(10)[]", "character varying[]"),
            ("timestamp(3) with time zone", "timestamp with time zone"),
            ("character(8)", "bpchar"),
            ("bit(8)", "\"bit\""),
            ("interval day to second(3)", "interval"),
            ("public.shape(point,4326)", "public.shape"),
        ] {
            assert_eq!(unbounded(of), want);
        }
    }
}
