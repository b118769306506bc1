//! What can be asked of a ticket, and why it may not count.

use super::{Instant, Mismatch, NOTE_MAX, Request, RunMode, StateName, Voter};

/// What somebody wants to do with a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `seen_hash` is [`super::Ticket::review_hash`] of what the reviewer looked at.
    Approve {
        by: Voter,
        note: Option<String>,
        seen_hash: Option<String>,
    },
    /// Let it through without a quorum; opens a debt.
    BreakGlass {
        by: Voter,
        reason: String,
    },
    /// Looks afterwards at what was let through.
    ReviewDebt {
        by: Voter,
        note: String,
    },
    RequestChanges {
        by: Voter,
        what: String,
    },
    Reject {
        by: Voter,
        reason: String,
    },
    Cancel {
        by: String,
        reason: Option<String>,
    },
    Comment {
        by: String,
        text: String,
    },
    /// The requester says why.
    Justify {
        by: String,
        text: String,
    },
    Label {
        by: String,
        add: Vec<String>,
        remove: Vec<String>,
    },
    /// Who runs it, and when.
    ChooseRun {
        by: String,
        run: RunMode,
    },
    /// The clock says so.
    Expire,
    /// Somebody wants to run it now. `request` is the statement as it was judged just now:
    /// where it no longer is what was approved, the answer is a return to review.
    Claim {
        claim: String,
        session: String,
        request: Box<Request>,
    },
    /// From now on the database may have seen it.
    Start {
        claim: String,
    },
    Finish {
        claim: String,
        ms: u64,
        tag: String,
    },
    Fail {
        claim: String,
        code: String,
        message: String,
    },
    /// The outcome cannot be known; without a claim: the process that ran it is gone.
    LoseOutcome {
        claim: Option<String>,
        why: String,
    },
    /// The run has done nothing: its approval may be used again.
    GiveBack {
        claim: String,
        why: String,
    },
    /// What an unknown outcome turned out to be, once the database was looked at.
    Settle {
        by: String,
        applied: bool,
        found: String,
    },
    /// What it did was taken back by a job.
    Undo {
        job: i64,
    },
    /// The same statement came again and means something else now.
    ReturnToReview {
        why: String,
        request: Box<Request>,
    },
}

/// Why a command does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the ticket is {is}, and would have to be {needed} for that")]
    WrongState { is: StateName, needed: &'static str },
    #[error("{by} asked for this change and cannot approve it: a second person has to")]
    OwnRequest { by: String },
    #[error("{by} is no person: agents and services ask, people decide")]
    NoPerson { by: String },
    #[error("{by} has approved it already: another person has to")]
    VotedAlready { by: String },
    #[error("{by} may not break the glass here: {allowed}")]
    NoGlass { by: String, allowed: String },
    #[error("there is no debt on this ticket: nobody broke the glass, or it was looked at already")]
    NoDebt,
    #[error("{by} let it through and cannot review that: somebody else has to")]
    OwnDebt { by: String },
    #[error("the ticket has changed since it was looked at: look at it again")]
    StaleView,
    #[error("the time for it has run out")]
    Overdue,
    #[error("its time has not run out yet")]
    NotDue,
    #[error("it may not run yet{}", .from.map(|at| format!(", not before {}", at.utc())).unwrap_or_default())]
    TooEarly { from: Option<Instant> },
    #[error("its approval ends at {}, before that time: choose an earlier one, or ask again", .ends.utc())]
    AfterApproval { ends: Instant },
    #[error("that time has passed")]
    InThePast,
    #[error("the ticket is claimed by another session")]
    OtherClaim,
    #[error("this is another change than the ticket's: {0}")]
    OtherChange(Mismatch),
    #[error("that is not a name of a person: {0}")]
    BadName(&'static str),
    #[error("a label is 1 to 64 visible characters, and a ticket has at most 32 of them")]
    BadLabel,
    #[error("a reason has to be given")]
    NoReason,
    #[error("a label has to be given, to put on or to take off")]
    NoLabel,
    #[error("the text is longer than {NOTE_MAX} bytes")]
    TooLong,
}
