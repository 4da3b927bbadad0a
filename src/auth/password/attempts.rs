//! How often somebody may be wrong: a bucket for each user name and each address, that every failure
//! fills and time empties. What a bucket still has room for is taken before the password is looked
//! at, so that many tries at once do not get more of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::network;

/// Failures of one user name in a row, and how long one of them is remembered.
const NAME: Bound = Bound { failures: 10.0, forgotten: Duration::from_secs(30) };
/// The same of one address, behind which may sit many people.
const ADDRESS: Bound = Bound { failures: 30.0, forgotten: Duration::from_secs(10) };
/// Names and addresses that are remembered, each. argon2 lets nobody try so fast that they all count.
const REMEMBERED: usize = 1 << 16;

struct Bound {
    failures: f64,
    forgotten: Duration,
}

/// Who was wrong lately.
#[derive(Debug, Default)]
pub struct Attempts {
    both: Mutex<(Buckets<String>, Buckets<IpAddr>)>,
}

type Buckets<K> = HashMap<K, Bucket>;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    fn now(bucket: Option<&Self>, bound: &Bound, now: Instant) -> f64 {
        bucket.map_or(0.0, |bucket| {
            let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
            (bucket.level - passed / bound.forgotten.as_secs_f64()).max(0.0)
        })
    }
}

impl Attempts {
    /// How long nothing of this user or from this address is looked at; zero: it is.
    pub fn wait(&self, user: &str, address: IpAddr) -> Duration {
        let both = self.both();
        let now = Instant::now();
        let name = Bucket::now(both.0.get(user), &NAME, now);
        let address = Bucket::now(both.1.get(&network(address)), &ADDRESS, now);
        wait(name, &NAME).max(wait(address, &ADDRESS))
    }

    /// A password is about to be looked at, and counts as wrong until [`Attempts::right`] takes that
    /// back. An error is as [`Attempts::wait`].
    pub fn begin(&self, user: &str, address: IpAddr) -> Result<(), Duration> {
        let waiting = self.wait(user, address);
        if !waiting.is_zero() {
            return Err(waiting);
        }
        let both = &mut *self.both();
        add(&mut both.0, user.to_owned(), &NAME, 1.0);
        add(&mut both.1, network(address), &ADDRESS, 1.0);
        Ok(())
    }

    /// It was right. Earlier failures are not forgotten sooner: whoever knows one password may still
    /// guess at others.
    pub fn right(&self, user: &str, address: IpAddr) {
        let both = &mut *self.both();
        add(&mut both.0, user.to_owned(), &NAME, -1.0);
        add(&mut both.1, network(address), &ADDRESS, -1.0);
    }

    fn both(&self) -> MutexGuard<'_, (Buckets<String>, Buckets<IpAddr>)> {
        // Numbers, each whole.
        self.both.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait(level: f64, bound: &Bound) -> Duration {
    let over = level - (bound.failures - 1.0);
    // Clocks tick between two calls: what is nearly free is free.
    if over <= 1e-9 { Duration::ZERO } else { bound.forgotten.mul_f64(over) }
}

fn add<K: std::hash::Hash + Eq>(buckets: &mut Buckets<K>, key: K, bound: &Bound, failures: f64) {
    let now = Instant::now();
    if buckets.len() >= REMEMBERED && !buckets.contains_key(&key) {
        buckets.retain(|_, bucket| Bucket::now(Some(bucket), bound, now) > 0.0);
        if buckets.len() >= REMEMBERED {
            buckets.clear();
        }
    }
    let level = (Bucket::now(buckets.get(&key), bound, now) + failures).max(0.0);
    buckets.insert(key, Bucket { level, at: now });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_name_is_guessed_at_ten_times() {
        let attempts = Attempts::default();
        for last in 0..10 {
            attempts.begin("alice", address(last)).unwrap();
        }
        let wait = attempts.begin("alice", address(99)).unwrap_err();
        assert!(wait > Duration::from_secs(28) && wait <= Duration::from_secs(30), "{wait:?}");
        attempts.begin("bob", address(99)).unwrap();
        // What was right does not count.
        for _ in 0..100 {
            attempts.begin("carol", address(100)).unwrap();
            attempts.right("carol", address(100));
        }
    }

    #[test]
    fn an_address_tries_thirty_names() {
        let attempts = Attempts::default();
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        for name in 0..30 {
            attempts.begin(&name.to_string(), one).unwrap();
        }
        assert!(attempts.begin("more", neighbour).is_err());
        assert!(attempts.wait("more", "2001:db8:0:1::1".parse().unwrap()).is_zero());
    }

    #[test]
    fn memory_is_bounded() {
        let mut buckets = Buckets::new();
        for key in 0..3 * REMEMBERED {
            add(&mut buckets, key, &NAME, 1.0);
        }
        assert!(buckets.len() <= REMEMBERED);
    }
}
