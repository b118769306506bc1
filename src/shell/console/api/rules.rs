//! What statements are judged by.

use axum::Json;

use super::doors::{Doors, gives};
use super::{Answer, Identity};
use crate::kernel::review::Power;
use crate::kernel::rules;
use crate::shell::console::view::{RulePage, RuleView};

pub(super) fn doors(doors: Doors) -> Doors {
    doors.get("/v1/rules", Power::Read, gives::<RulePage>("What statements are judged by"), rules)
}

async fn rules(_who: Identity) -> Answer<RulePage> {
    let rules = rules::all().map(|rule| RuleView {
        id: rule.id.to_owned(),
        hazard: rule.hazard.to_owned(),
        lock: rule.lock.map(|lock| lock.words().to_owned()),
        response: rule.default,
        instead: rule.doc.instead.to_owned(),
    });
    Ok(Json(RulePage { rules: rules.collect() }))
}
