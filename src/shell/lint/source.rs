//! Who answers for what the run did not make: a server, or what is assumed.

use super::live::Session;
use crate::kernel::assess;
use crate::kernel::facts::{Facts, Wanted};
use crate::kernel::forecast::Forecast;
use crate::kernel::sql::read::session::{Followed, SetTo};
use crate::kernel::sql::statement::Reading;
use crate::shell::catalog;
use crate::shell::database::DatabaseError;

pub(super) enum Source {
    Assumed,
    Server(Box<Session>),
}

impl Source {
    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// What a message is judged by.
    pub(super) async fn facts(&mut self, forecast: &Forecast, reading: &Reading) -> Result<Facts, DatabaseError> {
        let wanted = assess::wanted(reading);
        let assumed = || forecast.instead_of_a_server(reading, &wanted);
        let Self::Server(session) = self else { return Ok(assumed()) };
        // What a name means there, a server can only be asked where that is known.
        let path = match forecast.search_path() {
            _ if forecast.is_lost() => SetTo::Unclear,
            path if path == session.search_path => SetTo::Own,
            path => SetTo::Text(path),
        };
        if !session.follow(Followed::SearchPath, &path).await? {
            return Ok(assumed());
        }
        let zone = session.follow(Followed::TimeZone, forecast.time_zone()).await?;
        let mut facts = asked(session, forecast, &wanted).await?;
        let below = assess::wanted_below(reading, &facts);
        if !below.is_empty() {
            facts.absorb(asked(session, forecast, &below).await?);
        }
        if !zone {
            facts.time_zone_changes();
        }
        Ok(facts)
    }
}

async fn asked(session: &mut Session, forecast: &Forecast, wanted: &Wanted) -> Result<Facts, DatabaseError> {
    let answer = catalog::look_up(session, &forecast.unknown(wanted)).await?;
    Ok(forecast.on_top_of(wanted, answer))
}
