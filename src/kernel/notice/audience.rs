//! Whom a notice concerns: reviewers when something waits for them, the requester when something became of it.

use super::Notice;
use crate::kernel::policy::pattern_matches;
use crate::kernel::review::{Kind, People, Power, Profile, Ticket, same_person};

/// People to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience<'a> {
    pub reviewers: Vec<&'a Profile>,
    pub requester: Option<&'a Profile>,
}

/// Events after which a decision is waited for.
const FOR_REVIEWERS: [&str; 5] =
    ["ticket.opened", "ticket.voted", "ticket.returned", "ticket.justified", "ticket.glass_broken"];
/// Events that tell the requester what became of it. Of a job with a ticket, the ticket's event does.
const FOR_REQUESTER: [&str; 14] = [
    "ticket.approved",
    "ticket.glass_broken",
    "ticket.changes_requested",
    "ticket.rejected",
    "ticket.cancelled",
    "ticket.commented",
    "ticket.expired",
    "ticket.finished",
    "ticket.failed",
    "ticket.outcome_lost",
    "ticket.given_back",
    "ticket.returned",
    "ticket.settled",
    "ticket.undone",
];
const FOR_ORDERER: [&str; 5] = ["job.interrupted", "job.finished", "job.failed", "job.aborted", "job.undone"];

/// Who is to be told of a notice. Nobody is told what they have done themselves.
#[must_use]
pub fn audience<'a>(notice: &Notice, ticket: Option<&Ticket>, people: &'a People) -> Audience<'a> {
    let event = notice.event.as_str();
    let did_it = |profile: &Profile| {
        notice.by.as_ref().is_some_and(|by| same_person(by, &profile.name) || profile.voter().is_called(by))
    };
    let mut audience = Audience::default();
    if let (Some(ticket), true) = (ticket, FOR_REVIEWERS.contains(&event)) {
        let concerned: Vec<&Profile> = match ticket.owed() {
            Some(_) => lookers(ticket, people).collect(),
            None => reviewers(ticket, people).collect(),
        };
        audience.reviewers = concerned.into_iter().filter(|profile| !did_it(profile)).collect();
    }
    let requester = match (&notice.ticket, &notice.job) {
        (Some(ticket), _) if FOR_REQUESTER.contains(&event) => {
            let named = ticket.person.as_ref().and_then(|person| people.find(person));
            named.or_else(|| people.of_login(&ticket.requester, &ticket.application))
        }
        (None, Some(job)) if job.ticket.is_none() && FOR_ORDERER.contains(&event) => {
            people.of_login(&job.requester, &job.application)
        }
        _ => None,
    };
    audience.requester = requester.filter(|profile| !did_it(profile));
    audience
}

/// Whose approval would bring a ticket that waits further.
pub fn reviewers<'a>(ticket: &Ticket, people: &'a People) -> impl Iterator<Item = &'a Profile> {
    people.profiles.iter().filter(|profile| decides_on(profile, ticket) && ticket.waits_for(&profile.voter()))
}

/// Whose look afterwards would count.
fn lookers<'a>(ticket: &Ticket, people: &'a People) -> impl Iterator<Item = &'a Profile> {
    let stranger = |profile: &&Profile| profile.kind == Kind::Person && !ticket.is_asked_by(&profile.voter());
    people.profiles.iter().filter(|profile| decides_on(profile, ticket)).filter(stranger)
}

fn decides_on(profile: &Profile, ticket: &Ticket) -> bool {
    profile.on(Power::Decide).any(|pattern| pattern_matches(pattern, &ticket.request.target))
}
