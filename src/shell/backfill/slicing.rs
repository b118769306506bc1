//! Into how many slices a stretch of pages is cut. More slices keep more rows on their pages, which saves index
//! entries and room; each reads the pages once more. Which is faster depends on the table's indexes and free
//! room and on how long others keep old rows alive, so it is tried out, and again from time to time.

use std::time::Duration;

/// What is tried, the last only where the second is worth it. Powers of two, see `pages::Slice`.
const CHOICES: [u64; 3] = [1, 4, 8];
/// Batch time before the first comparison (the size of a batch settles first), and for each choice in it.
const WARM_UP: Duration = Duration::from_millis(300);
const TRIAL: Duration = Duration::from_millis(300);
/// Batch time until the next comparison.
const SETTLED: Duration = Duration::from_secs(30);
/// More slices leave less behind, so they may be this much slower than the fastest choice.
const WORTH: f64 = 0.9;

#[derive(Debug)]
pub(super) struct Slicing {
    state: State,
    /// Which choice is thought to be best, and is made until something is known.
    guess: usize,
    /// Time spent in the present state.
    spent: Duration,
    /// Pages per second of each choice, as far as tried.
    rates: [f64; CHOICES.len()],
    pages: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    WarmUp,
    Trying(usize),
    Settled(u64),
}

impl Slicing {
    /// For a table with so many indexes: a row that leaves its page needs an entry in each.
    pub(super) fn new(indexes: u64) -> Self {
        let guess = usize::from(indexes > 1);
        Self { state: State::WarmUp, guess, spent: Duration::ZERO, rates: [0.0; CHOICES.len()], pages: 0.0 }
    }

    /// Slices of the next stretch.
    pub(super) fn slices(&self) -> u64 {
        let choice = match self.state {
            State::WarmUp => self.guess,
            State::Trying(choice) => choice,
            State::Settled(slices) => return slices,
        };
        CHOICES.get(choice).copied().unwrap_or(1)
    }

    /// A whole stretch of pages, in all its slices, took so long.
    pub(super) fn took(&mut self, pages: u64, time: Duration) {
        self.spent += time;
        self.pages += f64::from(u32::try_from(pages).unwrap_or(u32::MAX));
        let next = match self.state {
            State::WarmUp if self.spent >= WARM_UP => State::Trying(self.guess),
            State::Settled(_) if self.spent >= SETTLED => State::Trying(self.guess),
            State::Trying(choice) if self.spent >= TRIAL => {
                if let Some(rate) = self.rates.get_mut(choice) {
                    *rate = self.pages / self.spent.as_secs_f64().max(1e-6);
                }
                self.after(choice)
            }
            State::WarmUp | State::Trying(_) | State::Settled(_) => return,
        };
        self.state = next;
        self.spent = Duration::ZERO;
        self.pages = 0.0;
    }

    /// The guess is tried first, then the other of the first two.
    fn after(&self, tried: usize) -> State {
        let [one, some, many] = self.rates;
        if tried == self.guess {
            return State::Trying(1 - self.guess);
        }
        if tried < 2 && some >= WORTH * one {
            return State::Trying(2);
        }
        let fastest = one.max(some).max(many);
        let tried = if tried < 2 { 2 } else { CHOICES.len() };
        let good = CHOICES.iter().zip(self.rates).take(tried).filter(|(_, rate)| *rate >= WORTH * fastest);
        State::Settled(good.map(|(slices, _)| *slices).max().unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills pages for a while on a server whose speed depends on the slices.
    fn settles_at(rate: impl Fn(u64) -> f64) -> u64 {
        let [few, many] = [1, 5].map(|indexes| {
            let mut slicing = Slicing::new(indexes);
            for _ in 0..60 {
                slicing.took(100, Duration::from_secs_f64(100.0 / rate(slicing.slices())));
            }
            slicing.slices()
        });
        assert_eq!(few, many, "the guess does not matter in the end");
        few
    }

    #[test]
    fn indexes_make_slices_worth_it() {
        assert_eq!(settles_at(|slices| if slices == 1 { 1_000.0 } else { 2_000.0 }), 8);
    }

    #[test]
    fn without_indexes_one_look_at_a_page_is_enough() {
        #[allow(clippy::cast_precision_loss)]
        let rate = |slices: u64| 2_000.0 / slices as f64;
        assert_eq!(settles_at(rate), 1);
    }

    #[test]
    fn what_cannot_be_best_is_not_tried() {
        let mut slicing = Slicing::new(1);
        let mut slow = Duration::ZERO;
        for _ in 0..200 {
            let time = Duration::from_millis(10 * slicing.slices());
            slow += if slicing.slices() == 1 { Duration::ZERO } else { time };
            assert!(slicing.slices() < 8);
            slicing.took(100, time);
        }
        assert!(slow <= TRIAL + Duration::from_millis(40), "{slow:?}");
    }

    #[test]
    fn what_was_best_is_tried_again_later() {
        let mut slicing = Slicing::new(1);
        let mut run = |fast: u64| {
            for _ in 0..2_000 {
                let ms = if slicing.slices() == fast { 20 } else { 60 };
                slicing.took(100, Duration::from_millis(ms));
            }
            slicing.slices()
        };
        assert_eq!(run(8), 8);
        assert_eq!(run(1), 1);
    }
}
