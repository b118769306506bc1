//! What was promised, what was measured, and whether they agree.

use std::time::Duration;

use super::DemoError;
use super::traffic::Measured;

/// A change through the gateway may stall the traffic by this much more than it stalls without a change.
const MORE_THAN_BASELINE: Duration = Duration::from_millis(100);
const CHANGES: u64 = 3;

/// One way of making the changes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measurement {
    /// Before the changes.
    pub(super) baseline: Duration,
    /// Meanwhile, on a table that nobody changes: what the machine does to everybody.
    pub(super) meanwhile: Duration,
    pub(super) worst: Duration,
    pub(super) changes: u64,
}

/// The end of the story.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    pub(super) naive: Measurement,
    pub(super) gateway: Measurement,
    pub(super) ticket: Option<u64>,
    pub(super) dropped: bool,
    /// The traffic through the gateway, and how many of its statements the record has.
    pub(super) traffic: Measured,
    pub(super) recorded: u64,
    pub(super) verified: bool,
}

impl Summary {
    pub(super) fn table(&self) -> String {
        let ticket =
            self.ticket.map_or("none".into(), |ticket| format!("{ticket}: asked by ann, approved by bob, ran"));
        let lines = [
            ("changes made through the gateway", format!("{} of {CHANGES}", self.gateway.changes)),
            (
                "longest stall without the gateway",
                format!(
                    "{} ms (traffic alone: {} ms)",
                    milliseconds(self.naive.worst),
                    milliseconds(self.naive.baseline)
                ),
            ),
            (
                "longest stall with the gateway",
                format!(
                    "{} ms (traffic alone: {} ms; meanwhile on an untouched table: {} ms)",
                    milliseconds(self.gateway.worst),
                    milliseconds(self.gateway.baseline),
                    milliseconds(self.gateway.meanwhile)
                ),
            ),
            ("errors the application saw", self.traffic.errors.to_string()),
            ("ticket approved", ticket),
            (
                "statements of the application recorded",
                format!("{} of {}", thousands(self.recorded), thousands(self.traffic.done)),
            ),
            ("record verified", if self.verified { "yes".into() } else { "NO".into() }),
        ];
        let lines = lines.map(|(what, value)| format!("   {what:<40} {value}"));
        format!("Summary\n{}", lines.join("\n"))
    }

    /// Everything that is not as promised, in one error.
    pub(super) fn judge(&self) -> Result<(), DemoError> {
        let allowed = self.gateway.baseline.max(self.gateway.meanwhile) + MORE_THAN_BASELINE;
        let checks = [
            (self.gateway.changes == CHANGES, "a change was not made".to_owned()),
            (
                self.gateway.worst <= allowed,
                format!(
                    "the traffic stalled for {} ms, {} ms are allowed",
                    milliseconds(self.gateway.worst),
                    milliseconds(allowed)
                ),
            ),
            (self.traffic.errors == 0, "the application saw errors".to_owned()),
            (self.ticket.is_some() && self.dropped, "the approved change did not run".to_owned()),
            (self.traffic.is_recorded_in(self.recorded), "statements are missing in the record".to_owned()),
            (self.verified, "the record is not whole".to_owned()),
        ];
        let broken: Vec<String> = checks.into_iter().filter(|(kept, _)| !kept).map(|(_, promise)| promise).collect();
        if broken.is_empty() { Ok(()) } else { Err(DemoError::Promise(broken.join("; "))) }
    }
}

pub(super) fn milliseconds(duration: Duration) -> String {
    thousands(u64::try_from((duration.as_micros() + 500) / 1000).unwrap_or(u64::MAX))
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}

/// `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Summary {
        let ms = Duration::from_millis;
        Summary {
            naive: Measurement { baseline: ms(20), meanwhile: ms(0), worst: ms(3_000), changes: 3 },
            gateway: Measurement { baseline: ms(20), meanwhile: ms(15), worst: ms(120), changes: 3 },
            ticket: Some(1),
            dropped: true,
            traffic: Measured { worst: ms(120), done: 5_000, errors: 0 },
            recorded: 5_000,
            verified: true,
        }
    }

    #[test]
    fn promises_are_kept_or_named() {
        good().judge().unwrap();
        let broken = |change: fn(&mut Summary)| {
            let mut summary = good();
            change(&mut summary);
            summary.judge().unwrap_err().to_string()
        };
        assert!(broken(|s| s.gateway.worst = Duration::from_millis(121)).contains("121 ms, 120 ms are allowed"));
        assert!(broken(|s| s.recorded = 4_999).contains("missing"));
        assert!(broken(|s| s.verified = false).contains("not whole"));
        assert!(broken(|s| s.dropped = false).contains("did not run"));
        assert!(broken(|s| s.traffic.errors = 1).contains("errors"));
        assert!(broken(|s| s.gateway.changes = 2).contains("not made"));
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(milliseconds(Duration::from_micros(1_499)), "1");
    }

    #[test]
    fn the_table_tells_the_story() {
        insta::assert_snapshot!(good().table(), @r"
        Summary
           changes made through the gateway         3 of 3
           longest stall without the gateway        3,000 ms (traffic alone: 20 ms)
           longest stall with the gateway           120 ms (traffic alone: 20 ms; meanwhile on an untouched table: 15 ms)
           errors the application saw               0
           ticket approved                          1: asked by ann, approved by bob, ran
           statements of the application recorded   5,000 of 5,000
           record verified                          yes
        ");
    }
}
