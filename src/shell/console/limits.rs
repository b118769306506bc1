//! How often somebody may call, and how often an address may come that cannot say who it is.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use super::problem::Problem;

/// Calls of one person: so many at once, and so many a second after that.
const CALLS_AT_ONCE: NonZeroU32 = NonZeroU32::new(500).expect("above zero");
const CALLS_PER_S: NonZeroU32 = NonZeroU32::new(100).expect("above zero");
/// Tries of one address without a token that counts: so many at once, and so many a minute after that.
const TRIES: NonZeroU32 = NonZeroU32::new(10).expect("above zero");
/// Addresses and people that are counted before those are forgotten that have not come lately.
const KEYS_MAX: usize = 10_000;
/// Bits of an IPv6 address that one network has.
const NETWORK: u128 = !(u64::MAX as u128);

/// Who came how often.
#[derive(Clone)]
pub struct Limits(Arc<Counted>);

struct Counted {
    calls: DefaultKeyedRateLimiter<String>,
    tries: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(TRIES)
    }
}

impl Limits {
    /// With so many tries at once and a minute.
    pub(super) fn of(tries: NonZeroU32) -> Self {
        let calls = Quota::per_second(CALLS_PER_S).allow_burst(CALLS_AT_ONCE);
        Self(Arc::new(Counted {
            calls: DefaultKeyedRateLimiter::keyed(calls),
            tries: DefaultKeyedRateLimiter::keyed(Quota::per_minute(tries)),
        }))
    }

    /// Counts a call of somebody who is known.
    ///
    /// # Errors
    /// It is one too many.
    pub(super) fn call(&self, who: &str) -> Result<(), Problem> {
        counted(&self.0.calls, &who.to_owned(), "calls of yours")
    }

    /// Counts a try of somebody who is not known.
    ///
    /// # Errors
    /// It is one too many.
    pub(super) fn stranger(&self, address: IpAddr) -> Result<(), Problem> {
        let network = match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & NETWORK).into()),
            address @ IpAddr::V4(_) => address,
        };
        counted(&self.0.tries, &network, "tries without a token that counts from your address")
    }
}

fn counted<K: std::hash::Hash + Eq + Clone>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
    what: &str,
) -> Result<(), Problem> {
    if limiter.len() >= KEYS_MAX {
        limiter.retain_recent();
    }
    limiter
        .check_key(key)
        .map_err(|early| Problem::too_often(what, early.wait_time_from(DefaultClock::default().now())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_tries_and_no_more() {
        let limits = Limits::default();
        let here: IpAddr = "2001:db8::1".parse().expect("an address");
        let beside: IpAddr = "2001:db8::2".parse().expect("an address");
        let elsewhere: IpAddr = "2001:db8:0:1::1".parse().expect("an address");
        for _ in 0..TRIES.get() {
            limits.stranger(here).expect("not too many");
        }
        let problem = limits.stranger(beside).expect_err("the same network");
        assert_eq!(problem.status, 429);
        assert!(problem.retry_after_s.is_some_and(|seconds| (1..=6).contains(&seconds)), "{problem:?}");
        limits.stranger(elsewhere).expect("another network");
    }

    #[test]
    fn an_old_address_in_new_clothes_is_the_same() {
        let limits = Limits::default();
        for _ in 0..TRIES.get() {
            limits.stranger("192.0.2.1".parse().expect("an address")).expect("not too many");
        }
        limits.stranger("::ffff:192.0.2.1".parse().expect("an address")).expect_err("the same");
    }

    #[test]
    fn one_person_does_not_use_up_the_calls_of_another() {
        let limits = Limits::default();
        let refused = (0..CALLS_AT_ONCE.get() * 2).filter(|_| limits.call("anna").is_err()).count();
        assert!(refused > 0);
        limits.call("bert").expect("has not called yet");
    }
}
