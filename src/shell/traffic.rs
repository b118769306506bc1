//! What ordinary statements feel, second by second, and the charts of it for the changes that run.
//!
//! Sessions count on the meter of their thread; once a second the meters are looked at. Of every target the last
//! minute is kept in memory. A change that begins takes that minute over, and is followed until a minute after its
//! end; its chart is written down every few seconds, so that a gateway that is killed loses little of it.

mod meter;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Clock};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};

use self::meter::Meter;
pub use self::meter::Pulse;
use super::clock::now;
use super::executor::Progress;
use super::store::{ChangeOf, Store};
use crate::kernel::review::Instant;
use crate::kernel::traffic::{AROUND_MS, Chart, Histogram, Second, Traffic as Shown};

const TICK: Duration = Duration::from_secs(1);
/// Between two writes of a chart that goes on.
const WRITE_EVERY_MS: u64 = 10_000;
/// Statements under way of which each is looked at: the longest.
const OPEN_MAX: usize = 256;
/// Charts that are followed at a time. Beyond this, those of changes that are over are closed early.
const LIVE_MAX: usize = 256;

/// The traffic of all targets. Clones share it.
#[derive(Clone, Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    epoch: Clock,
    meters: Mutex<HashMap<String, Vec<Arc<Meter>>>>,
    charts: Mutex<Charts>,
}

#[derive(Debug)]
struct Charts {
    /// When the meters were last looked at.
    looked: Instant,
    /// The last minute of every target, oldest first.
    recent: HashMap<String, VecDeque<Second>>,
    live: HashMap<ChangeOf, Live>,
}

#[derive(Debug)]
struct Live {
    target: String,
    chart: Chart,
    /// When it is written next.
    due: Instant,
}

impl Traffic {
    /// Nothing is looked at before [`Self::follow`].
    #[must_use]
    pub fn new(store: Store) -> Self {
        let charts = Charts { looked: now(), recent: HashMap::new(), live: HashMap::new() };
        let shared = Shared { store, epoch: Clock::now(), meters: Mutex::default(), charts: Mutex::new(charts) };
        Self { shared: Arc::new(shared) }
    }

    /// For a session on a target whose clock began then. It must stay on this thread.
    #[must_use]
    pub fn join(&self, target: &str, began: Clock) -> Pulse {
        let thread = std::thread::current().id();
        let mut meters = self.shared.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let of_target = meters.entry(target.to_owned()).or_default();
        let meter = match of_target.iter().find(|meter| meter.thread == thread) {
            Some(meter) => Arc::clone(meter),
            None => {
                let meter = Arc::new(Meter::new(thread));
                of_target.push(Arc::clone(&meter));
                meter
            }
        };
        meter.join(self.micros(began))
    }

    /// A change begins, or goes on. It ends when what this returns is dropped.
    pub async fn begin(&self, of: ChangeOf, target: &str) -> Recording {
        let kept = if self.charts().live.contains_key(&of) { None } else { self.kept(&of).await };
        let began = now();
        let mut charts = self.charts();
        let earlier = charts.recent.get(target).into_iter().flatten();
        let fresh = kept.unwrap_or_else(|| Chart::begin(began, earlier));
        match charts.live.entry(of.clone()) {
            Entry::Occupied(mut live) => live.get_mut().chart.go_on(),
            Entry::Vacant(place) => {
                let mut chart = fresh;
                chart.go_on();
                place.insert(Live { target: target.to_owned(), chart, due: began });
            }
        }
        drop(charts);
        Recording { traffic: self.clone(), of }
    }

    async fn kept(&self, of: &ChangeOf) -> Option<Chart> {
        let kept = self.shared.store.chart(of.clone()).await;
        kept.inspect_err(|error| tracing::warn!(%error, "what others felt of a change before cannot be read")).ok()?
    }

    /// The chart of a change that is followed.
    #[must_use]
    pub fn live(&self, of: &ChangeOf) -> Option<Shown> {
        self.charts().live.get(of).map(|live| live.chart.shown())
    }

    /// Looks at the meters once a second until the process ends, and writes the charts down.
    pub async fn follow(self, mut ended: watch::Receiver<bool>) {
        // Just after a whole second of the wall clock.
        let past = u64::try_from(now().0.rem_euclid(1_000_000)).unwrap_or_default();
        let first = tokio::time::Instant::now() + TICK.saturating_sub(Duration::from_micros(past));
        let mut ticks = interval_at(first, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let is_last = tokio::select! {
                biased;
                _ = ended.wait_for(|on| *on) => true,
                _ = ticks.tick() => false,
            };
            let due = self.look((now(), self.micros(Clock::now())), is_last);
            if !due.is_empty()
                && let Err(error) = self.shared.store.keep_charts(due).await
            {
                tracing::warn!(%error, "what others felt of a change is not kept");
            }
            if is_last {
                return;
            }
        }
    }

    /// Takes what has happened up to a time, on the wall and on the meters' clock, and gives the charts that are to be written.
    fn look(&self, (to, now_us): (Instant, u64), all: bool) -> Vec<(ChangeOf, Chart)> {
        let mut charts = self.charts();
        let from = std::mem::replace(&mut charts.looked, to);
        let meters: Vec<(String, Vec<Arc<Meter>>)> = {
            let meters = self.shared.meters.lock().unwrap_or_else(PoisonError::into_inner);
            meters.iter().map(|(target, meters)| (target.clone(), meters.clone())).collect()
        };
        for (target, meters) in meters {
            let mut second = empty(from, to);
            meters.iter().for_each(|meter| meter.collect(&mut second, now_us));
            second.open.sort_unstable_by_key(|wait| std::cmp::Reverse(wait.us));
            second.open.truncate(OPEN_MAX);
            charts.live.values_mut().filter(|live| live.target == target).for_each(|live| live.chart.take(&second));
            let recent = charts.recent.entry(target).or_default();
            recent.retain(|second| second.from >= to.minus_ms(AROUND_MS));
            if !second.is_empty() {
                recent.push_back(second);
            }
        }
        let crowded = charts.live.len() > LIVE_MAX;
        let mut due = Vec::new();
        charts.live.retain(|of, live| {
            let over = live.chart.is_over(to) || (crowded && live.chart.has_ended());
            if over || all || live.due <= to {
                live.due = to.plus_ms(WRITE_EVERY_MS);
                due.push((of.clone(), live.chart.clone()));
            }
            !over
        });
        due
    }

    fn change(&self, of: &ChangeOf, what: impl FnOnce(&mut Live)) {
        if let Some(live) = self.charts().live.get_mut(of) {
            what(live);
        }
    }

    /// On the clock of the meters.
    fn micros(&self, at: Clock) -> u64 {
        u64::try_from(at.saturating_duration_since(self.shared.epoch).as_micros()).unwrap_or(u64::MAX)
    }

    fn charts(&self) -> MutexGuard<'_, Charts> {
        self.shared.charts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty(from: Instant, to: Instant) -> Second {
    Second { from, to, ended: Histogram::default(), longest: Vec::new(), open: Vec::new() }
}

/// A change that runs.
#[derive(Debug)]
pub struct Recording {
    traffic: Traffic,
    of: ChangeOf,
}

impl Recording {
    /// How far it has come.
    pub fn tell(&self, progress: &Progress) {
        match progress {
            Progress::StepStarted { step, name } => {
                self.traffic.change(&self.of, |live| live.chart.step(*step, name, now()))
            }
            Progress::Backfill { done, estimate, rows_per_second, left } => {
                let left_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
                let rows = (*done, *estimate, *rows_per_second);
                self.traffic.change(&self.of, |live| live.chart.rows(rows, left_ms, now()));
            }
            Progress::StepDone { step, .. } => self.traffic.change(&self.of, |live| live.chart.step_done(*step, now())),
            Progress::AlreadyDone { .. }
            | Progress::Retrying { .. }
            | Progress::Walked(_)
            | Progress::Throttled { .. }
            | Progress::WaitingForSnapshots { .. }
            | Progress::GoesOn
            | Progress::EndedIdle { .. }
            | Progress::Note(_) => {}
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let at = now();
        self.traffic.change(&self.of, |live| {
            live.chart.end(at);
            // At the next look: by then whoever waited for its end is counted.
            live.due = at;
        });
    }
}
