//! Servers from 14.0 to 14.3, on which no index is built concurrently.

use super::{Assessment, assess, catalog};
use crate::kernel::sql::read::read;

fn on(server_version: u32, text: &str) -> Assessment {
    let mut facts = catalog(14);
    let reading = read(text).unwrap();
    let (asked, below) = (super::wanted(&reading), super::wanted_below(&reading, &facts));
    for asked in asked.relations.into_iter().chain(below.relations) {
        if facts.relation(&asked).is_none() {
            facts.put_relation(&asked, None);
        }
    }
    facts.server_version = server_version;
    assess(text, &reading, facts)
}

#[test]
fn nothing_is_built_concurrently_where_that_is_broken() {
    for text in [
        "CREATE INDEX ON orders (a)",
        "CREATE INDEX CONCURRENTLY ON orders (a)",
        "CREATE INDEX ON parts (n)",
        "ALTER TABLE orders ADD UNIQUE (a)",
        "ALTER TABLE keyless ADD PRIMARY KEY (a)",
        "REINDEX TABLE orders",
        "REINDEX INDEX CONCURRENTLY orders_a_idx",
        "REINDEX SCHEMA CONCURRENTLY public",
    ] {
        for version in [140_000, 140_003] {
            let found = on(version, text);
            let told = found.findings.iter().any(|finding| finding.message.contains("upgrade the server to 14.4"));
            let change = &found.changes[0];
            assert!(
                told && change.safe.is_none() && change.guarded.as_ref().is_none_or(|_| !change.is_watched()),
                "{text}: {found:#?}"
            );
        }
        let found = on(140_004, text);
        let change = &found.changes[0];
        assert!(change.safe.is_some() || change.is_watched(), "{text}: {found:#?}");
    }
    // Nothing is built.
    assert!(on(140_003, "DROP INDEX CONCURRENTLY orders_a_idx").changes[0].is_watched());
}
