//! After the last step: every check of the plan, whose results are part of the report. One that fails fails the
//! plan, which then says what does not hold.

use super::steps::query_within;
use super::{Runner, error, yes};
use crate::kernel::plan::verify::{Check, Checked, NOTHING_LEFT, Verified};
use crate::shell::database::{Database, DatabaseError, Row};

/// For an EXPLAIN: it writes nothing, waits for nobody long, and shows whether an index can serve, also where the
/// table is small.
const EXPLAINING: &str = "\
SELECT pg_catalog.set_config('transaction_read_only', 'on', true), pg_catalog.set_config('lock_timeout', '1000', true), \
pg_catalog.set_config('enable_seqscan', 'off', true), pg_catalog.set_config('enable_sort', 'off', true)";

impl<D: Database> Runner<'_, D> {
    pub(super) async fn verify(&mut self) -> Result<(), DatabaseError> {
        let plan = self.plan;
        self.verifying = true;
        let mut fails = Vec::new();
        for check in plan.checks().iter() {
            let (outcome, why) = self.ask(check).await?;
            // What this role may not drop is told: what was asked for is done all the same.
            let only_told = check.uses.is_some() || check.name == NOTHING_LEFT && self.forbidden;
            if outcome == Verified::Fails && !only_told {
                fails.push(check.name.clone());
            }
            let why = why.or_else(|| self.leftover_words().filter(|_| check.name == NOTHING_LEFT));
            self.report.checks.push(Checked { name: check.name.clone(), outcome, why });
        }
        if let Some(why) = self.leftover_words()
            && !self.report.checks.iter().any(|told| told.name == NOTHING_LEFT)
        {
            let name = NOTHING_LEFT.to_owned();
            self.report.checks.push(Checked { name, outcome: Verified::Fails, why: Some(why) });
        }
        if fails.is_empty() {
            return Ok(());
        }
        let text = format!("after all steps ran, this turns out not to be so: {}", fails.join("; "));
        Err(error("55000", &text))
    }

    fn leftover_words(&self) -> Option<String> {
        let cleanup = self.leftover.as_ref()?;
        let (why, who) = self.why_left();
        Some(format!("{why}; to do that, run{who}: {cleanup}"))
    }

    async fn ask(&mut self, check: &Check) -> Result<(Verified, Option<String>), DatabaseError> {
        let Some(index) = &check.uses else {
            let is_past = match &check.past {
                Some(past) => yes(self.db, past).await?,
                None => false,
            };
            let holds = is_past || yes(self.db, &check.sql).await?;
            return Ok((if holds { Verified::Holds } else { Verified::Fails }, None));
        };
        match query_within(self.db, EXPLAINING, &check.sql).await {
            Ok(rows) if rows.iter().any(|row| names(row, index)) => Ok((Verified::Holds, None)),
            Ok(_) => Ok((Verified::Fails, None)),
            Err(error @ DatabaseError::Lost(_)) => Err(error),
            Err(error) => Ok((Verified::Untold, Some(error.to_string()))),
        }
    }
}

/// Whether a line of an EXPLAIN names the index, which it quotes where needed.
fn names(row: &Row, index: &str) -> bool {
    let line = row.first().and_then(Option::as_deref).unwrap_or_default();
    let written = line.split_once(" using ").or_else(|| line.split_once(" on ")).map_or("", |(_, rest)| rest);
    let quoted = format!("\"{}\"", index.replace('"', "\"\""));
    [index, quoted.as_str()]
        .iter()
        .any(|name| written.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
}
