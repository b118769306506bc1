//! The application's traffic: readers and writers that notice how long they have to wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Statement};

use super::DemoError;
use super::session::{Login, Session, connect, told};
use super::table;

const READERS: u64 = 3;
const WRITERS: u64 = 2;
const PAUSE: Duration = Duration::from_millis(4);

/// Runs until stopped or dropped.
pub(super) struct Traffic {
    workers: Vec<JoinHandle<()>>,
    state: Arc<State>,
}

struct State {
    meters: Vec<Meter>,
    epoch: Instant,
    stopping: AtomicBool,
    /// Microseconds since `epoch` when the current measurement began.
    measuring_since: AtomicU64,
    errors: AtomicU64,
    last_error: Mutex<String>,
}

/// One worker's.
#[derive(Default)]
struct Meter {
    /// When the statement under way began, in microseconds since the epoch; 0 when there is none.
    began: AtomicU64,
    worst_us: AtomicU64,
    done: AtomicU64,
}

/// What the traffic went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) worst: Duration,
    /// Since the traffic started.
    pub(super) done: u64,
    pub(super) errors: u64,
}

impl State {
    fn now_us(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// How long something has been going on within the current measurement.
    fn waited(&self, began: u64) -> u64 {
        self.now_us().saturating_sub(began.max(self.measuring_since.load(Ordering::Relaxed)))
    }

    fn failed(&self, error: &tokio_postgres::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = told(error);
    }
}

impl Traffic {
    /// Starts it, and fails if the first worker cannot connect.
    pub(super) async fn start(login: &Login, table: &'static str, rows: u64) -> Result<Self, DemoError> {
        let failed = DemoError::database("the application cannot connect");
        drop(connect(login).await.map_err(failed)?);
        let state = Arc::new(State {
            meters: (0..READERS + WRITERS).map(|_| Meter::default()).collect(),
            epoch: Instant::now(),
            stopping: AtomicBool::new(false),
            measuring_since: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_error: Mutex::new(String::new()),
        });
        let workers = (0..READERS + WRITERS)
            .map(|number| {
                let worker = Worker { number, login: login.clone(), table, rows, state: Arc::clone(&state) };
                tokio::spawn(worker.run())
            })
            .collect();
        Ok(Self { workers, state })
    }

    /// Forgets the longest stall so far.
    pub(super) fn begin(&self) {
        self.state.measuring_since.store(self.state.now_us(), Ordering::Relaxed);
        self.state.meters.iter().for_each(|meter| meter.worst_us.store(0, Ordering::Relaxed));
    }

    /// The longest stall since [`Self::begin`], also one that is not over yet.
    pub(super) fn measured(&self) -> Measured {
        let stall = |meter: &Meter| {
            let began = meter.began.load(Ordering::Relaxed);
            let under_way = if began == 0 { 0 } else { self.state.waited(began) };
            under_way.max(meter.worst_us.load(Ordering::Relaxed))
        };
        let meters = &self.state.meters;
        Measured {
            worst: Duration::from_micros(meters.iter().map(stall).max().unwrap_or_default()),
            done: meters.iter().map(|meter| meter.done.load(Ordering::Relaxed)).sum(),
            errors: self.state.errors.load(Ordering::Relaxed),
        }
    }

    pub(super) fn last_error(&self) -> String {
        self.state.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets what is under way end, and says how much was done altogether.
    pub(super) async fn stop(mut self) -> Measured {
        self.state.stopping.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            if let Err(error) = worker.await {
                tracing::warn!(%error, "a worker of the traffic failed");
            }
        }
        self.measured()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

struct Worker {
    number: u64,
    login: Login,
    table: &'static str,
    rows: u64,
    state: Arc<State>,
}

impl Worker {
    async fn run(self) {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (self.number + 1));
        while !self.state.stopping.load(Ordering::Relaxed) {
            if let Err(error) = self.session(&mut random).await {
                self.state.failed(&error);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    async fn session(&self, random: &mut Random) -> Result<(), tokio_postgres::Error> {
        let Session { client, notices: _notices } = connect(&self.login).await?;
        let table = self.table;
        let by_id = client.prepare(&format!("SELECT status, placed_at FROM {table} WHERE id = $1")).await?;
        let by_customer = client.prepare(&format!("SELECT count(*) FROM {table} WHERE customer_id = $1")).await?;
        let update = client.prepare(&format!("UPDATE {table} SET status = 'sent' WHERE id = $1")).await?;
        let insert = format!("INSERT INTO {table} (customer_id, status, total, note) VALUES ($1, 'new', 9.99, 'live')");
        let insert = client.prepare(&insert).await?;
        while !self.state.stopping.load(Ordering::Relaxed) {
            let (statement, below) = match (self.number < READERS, random.below(4)) {
                (true, 0) => (&by_customer, table::customers(self.rows)),
                (true, _) => (&by_id, self.rows),
                (false, 0) => (&insert, table::customers(self.rows)),
                (false, _) => (&update, self.rows),
            };
            let key = i64::try_from(1 + random.below(below)).unwrap_or(1);
            self.timed(&client, statement, key).await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn timed(&self, client: &Client, statement: &Statement, key: i64) -> Result<(), tokio_postgres::Error> {
        let index = usize::try_from(self.number).unwrap_or_default();
        let Some(meter) = self.state.meters.get(index) else { return Ok(()) };
        let began = self.state.now_us();
        meter.began.store(began, Ordering::Relaxed);
        let result = client.query(statement, &[&key]).await;
        meter.worst_us.fetch_max(self.state.waited(began), Ordering::Relaxed);
        meter.began.store(0, Ordering::Relaxed);
        meter.done.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
        result.map(drop)
    }
}

/// Marsaglia's xorshift: which rows are touched is of no importance.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> Arc<State> {
        Arc::new(State {
            meters: vec![Meter::default(), Meter::default()],
            epoch: Instant::now().checked_sub(Duration::from_secs(10)).unwrap(),
            stopping: AtomicBool::new(false),
            measuring_since: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_error: Mutex::default(),
        })
    }

    #[test]
    fn a_stall_that_is_not_over_counts_from_the_beginning_of_the_measurement() {
        let traffic = Traffic { workers: Vec::new(), state: state() };
        traffic.state.meters[0].worst_us.store(5_000, Ordering::Relaxed);
        assert_eq!(traffic.measured().worst, Duration::from_millis(5));
        traffic.state.meters[1].began.store(1, Ordering::Relaxed);
        assert!(traffic.measured().worst >= Duration::from_secs(9));
        traffic.begin();
        assert!(traffic.measured().worst < Duration::from_secs(1));
    }
}
