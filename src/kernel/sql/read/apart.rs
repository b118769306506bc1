//! One statement over several tables that does the same to each by itself, as one statement for each.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pg_raw_parse::Node;

use super::super::bounds;
use super::super::statement::RelationName;
use super::{objects, parse};

/// A VACUUM of several tables in pieces; nothing of any other text, or where its pieces cannot be told.
#[must_use]
pub fn one_by_one(text: &str) -> Option<Vec<(RelationName, String)>> {
    let tree = parse(text, bounds::TEXT_BYTES_MAX).ok()?;
    let places = catch_unwind(AssertUnwindSafe(|| {
        let mut all = tree.iter();
        let (Some(raw), None) = (all.next(), all.next()) else { return None };
        let Node::VacuumStmt(vacuum) = raw.stmt() else { return None };
        let place = |on: &pg_raw_parse::nodes::VacuumRelation| {
            let range = on.relation().filter(|range| range.inh)?;
            Some((objects::relation(range), usize::try_from(range.location).ok()?))
        };
        vacuum.rels().iter().map(place).collect::<Option<Vec<_>>>()
    }));
    let places = places.ok()??;
    let (_, first) = places.first().filter(|_| places.len() > 1)?;
    let before = text.get(..*first)?;
    let ends = places.iter().skip(1).map(|(_, place)| *place).chain([text.len()]);
    let piece = |((name, from), to): (&(RelationName, usize), usize)| {
        let table = text.get(*from..to)?.trim_end().trim_end_matches([',', ';']).trim_end();
        Some((name.clone(), format!("{before}{table}")))
    };
    places.iter().zip(ends).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::one_by_one;

    #[test]
    fn a_vacuum_of_several_tables_is_one_of_each() {
        let told = |text: &str| {
            let pieces = one_by_one(text)?;
            Some(pieces.iter().map(|(name, sql)| format!("{}: {sql}", name.written())).collect::<Vec<_>>().join(" | "))
        };
        for (text, want) in [
            ("VACUUM FULL t, s.u", Some("t: VACUUM FULL t | s.u: VACUUM FULL s.u")),
            (
                "vacuum (full, analyze) \"A b\" (x) , u(y, z) ;",
                Some("A b: vacuum (full, analyze) \"A b\" (x) | u: vacuum (full, analyze) u(y, z)"),
            ),
            ("VACUUM FULL t", None),
            ("VACUUM FULL", None),
            ("VACUUM FULL t, u; SELECT 1", None),
            ("DROP TABLE t, u", None),
        ] {
            let wanted = want.map(str::to_owned);
            assert_eq!(told(text), wanted, "{text}");
        }
    }
}
