//! Readers and writers on the table, each measuring every one of its statements.

use crate::stall::table::DATABASE;
use crate::wire::Wire;
use crate::{Fault, Outcome, stats};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One row in five statements is one of these few, so that clients meet on it.
const HOT_ROWS: u64 = 10;
const ANSWER_WAIT: Duration = Duration::from_secs(900);

/// One statement of the application.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub start: Instant,
    pub end: Instant,
    pub writes: bool,
}

/// What the application's clients are to do.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub port: u16,
    pub readers: usize,
    pub rows: u64,
    pub pause: Duration,
}

/// Running clients.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Outcome<Heard>>>,
}

/// What one client, or all of them together, have seen.
#[derive(Debug, Default)]
pub struct Heard {
    pub samples: Vec<Sample>,
    pub errors: Vec<String>,
}

/// Stalls within a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stretch {
    pub longest_read_ms: f64,
    pub longest_write_ms: f64,
    pub p99_ms: f64,
    pub per_second: f64,
}

impl Stretch {
    /// The longest stall of any statement.
    pub fn longest_ms(&self) -> f64 {
        self.longest_read_ms.max(self.longest_write_ms)
    }
}

impl Traffic {
    /// Connects every client and sets them going.
    pub fn start(shape: Shape) -> Outcome<Traffic> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for number in 0..shape.readers * 2 {
            let wire = Wire::connect(shape.port, DATABASE)?;
            wire.limit(ANSWER_WAIT)?;
            let stop = Arc::clone(&stop);
            let writes = number % 2 == 1;
            let seed = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number as u64 + 1);
            clients.push(std::thread::spawn(move || client(wire, shape, writes, seed, &stop)));
        }
        Ok(Traffic { stop, clients })
    }

    /// Lets every client finish its statement and gathers what they have seen.
    pub fn stop(self) -> Outcome<Heard> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Heard::default();
        for client in self.clients {
            let heard = client.join().map_err(|_| Fault::from("a client thread failed"))??;
            all.samples.extend(heard.samples);
            all.errors.extend(heard.errors);
        }
        Ok(all)
    }
}

fn client(mut wire: Wire, shape: Shape, writes: bool, seed: u64, stop: &AtomicBool) -> Outcome<Heard> {
    let mut heard = Heard::default();
    let mut state = seed | 1;
    while !stop.load(Ordering::Relaxed) {
        let sql = statement(&mut state, shape.rows, writes);
        let start = Instant::now();
        let answer = wire.query(&sql)?;
        let end = Instant::now();
        heard.samples.push(Sample { start, end, writes });
        heard.errors.extend(answer.error);
        std::thread::sleep(shape.pause);
    }
    wire.close()?;
    Ok(heard)
}

fn statement(state: &mut u64, rows: u64, writes: bool) -> String {
    let hot = next(state).is_multiple_of(5);
    let id = 1 + next(state) % if hot { HOT_ROWS.min(rows) } else { rows };
    if writes {
        format!("UPDATE orders SET amount = amount + 0.01, updated_at = now() WHERE id = {id}")
    } else {
        format!("SELECT id, status, amount, updated_at FROM orders WHERE id = {id}")
    }
}

/// Xorshift: repeatable from run to run, and good enough to scatter row numbers.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// What the statements say that were under way at any time from `from` to `to`.
pub fn stretch(samples: &[Sample], from: Instant, to: Instant) -> Stretch {
    let within: Vec<&Sample> = samples.iter().filter(|sample| sample.end >= from && sample.start <= to).collect();
    let latency = |sample: &&Sample| (sample.end - sample.start).as_secs_f64() * 1000.0;
    let longest = |writes: bool| {
        let own = within.iter().filter(|sample| sample.writes == writes);
        own.map(latency).fold(0.0, f64::max)
    };
    let all: Vec<f64> = within.iter().map(latency).collect();
    let answered = within.iter().filter(|sample| sample.end <= to).count();
    Stretch {
        longest_read_ms: longest(false),
        longest_write_ms: longest(true),
        p99_ms: stats::quantile(&all, 0.99).unwrap_or(0.0),
        per_second: answered as f64 / (to - from).as_secs_f64().max(1e-3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_waits_across_the_end_counts_with_its_whole_wait() {
        let origin = Instant::now();
        let at = |ms: u64| origin + Duration::from_millis(ms);
        let sample = |start, end, writes| Sample { start: at(start), end: at(end), writes };
        let samples = [sample(0, 5, false), sample(90, 400, true), sample(500, 900, false)];
        let found = stretch(&samples, at(10), at(100));
        assert!((found.longest_write_ms - 310.0).abs() < 0.001);
        assert!(found.longest_read_ms.abs() < 0.001);
    }

    #[test]
    fn rows_stay_within_the_table() {
        let mut state = 1;
        for _ in 0..1000 {
            let sql = statement(&mut state, 3, false);
            let id = sql.rsplit(' ').next().map(str::to_string);
            assert!(matches!(id.as_deref(), Some("1" | "2" | "3")), "{sql}");
        }
    }
}
