//! What a plan was chosen for is looked at again when it has waited: a table that was empty or small need not be so any
//! more.

use std::time::Duration;

use tokio::time::Instant;

use super::{Runner, error};
use crate::kernel::facts::Facts;
use crate::kernel::sql::statement::Reading;
use crate::shell::catalog;
use crate::shell::database::{Database, DatabaseError};

/// What was looked at so long ago was looked at just now.
const JUST_NOW: Duration = Duration::from_millis(100);

/// Why a plan of one step may run.
pub struct Premise<'a> {
    /// What it was chosen for.
    pub reading: &'a Reading,
    /// Whether it would be chosen by these facts too.
    pub holds: &'a (dyn Fn(Facts) -> bool + Send + Sync),
}

impl<D: Database> Runner<'_, D> {
    /// Looks again, if that was not just now. An error where the plan is not the one for this any more: nothing has run.
    pub(super) async fn look_again(&mut self) -> Result<(), DatabaseError> {
        let Some(premise) = self.premise else { return Ok(()) };
        if self.looked.elapsed() < JUST_NOW {
            return Ok(());
        }
        let facts = catalog::facts_of(self.db, premise.reading).await?;
        self.looked = Instant::now();
        if (premise.holds)(facts) {
            return Ok(());
        }
        self.report.overtaken = true;
        Err(error("55000", "what it was judged by has changed while it waited"))
    }
}
