//! Configuration: what was written (a file, the environment, the command line) becomes [`Settings`],
//! what it means. Nothing else reads configuration files or the environment.

mod policies;
mod secret;
mod settings;
mod users;

pub use secret::Secret;
pub use settings::*;
pub use users::{Users, UsersMistake, Verifier};
