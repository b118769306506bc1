//! The wall clock as tickets and records use it. Durations are measured with clocks that cannot be set.

use crate::kernel::review::Instant;

/// The time as of the system's clock.
#[must_use]
pub fn now() -> Instant {
    Instant(jiff::Timestamp::now().as_microsecond())
}
