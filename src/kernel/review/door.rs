//! Where an event came from, and so how far the names in it can be trusted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Command;

/// The way into the queue that an event took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The gateway itself: time has run out, a process has died.
    Gateway,
    /// The session that asks for the change.
    Session,
    /// The admin door with the local token: whoever holds it said the name.
    Local,
    /// The admin door with a reviewer's own token: the name is the token's.
    Reviewer,
    /// A chat service that the configuration trusts to say who pressed the button.
    Chat,
}

impl Door {
    /// The door such a command comes through unless its caller knows better.
    pub(super) fn of(command: &Command) -> Self {
        match command {
            Command::Approve { .. }
            | Command::BreakGlass { .. }
            | Command::ReviewDebt { .. }
            | Command::RequestChanges { .. }
            | Command::Reject { .. }
            | Command::Cancel { .. }
            | Command::Comment { .. }
            | Command::Justify { .. }
            | Command::Label { .. }
            | Command::ChooseRun { .. }
            | Command::Settle { .. } => Self::Local,
            Command::Expire | Command::Undo { .. } | Command::LoseOutcome { claim: None, .. } => Self::Gateway,
            Command::Claim { .. }
            | Command::Start { .. }
            | Command::Finish { .. }
            | Command::Fail { .. }
            | Command::GiveBack { .. }
            | Command::LoseOutcome { claim: Some(_), .. }
            | Command::ReturnToReview { .. } => Self::Session,
        }
    }

    /// As the record writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Session => "session",
            Self::Local => "local",
            Self::Reviewer => "reviewer",
            Self::Chat => "chat",
        }
    }
}
