//! Which of several servers of one protocol the next TURL names. Nothing here blocks: servers are
//! probed by a thread of their own.

use std::hash::{BuildHasher, RandomState};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the result of a probe holds.
const PROBE_HOLDS: Duration = Duration::from_secs(20);
/// How long a server may take to accept a connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// `balance-strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    RoundRobin,
    Random,
    Weight,
    /// Round robin over those that accept connections.
    SmartRoundRobin,
}

impl Strategy {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "round-robin" => Strategy::RoundRobin,
            "random" => Strategy::Random,
            "weight" => Strategy::Weight,
            "smart-rr" => Strategy::SmartRoundRobin,
            _ => return None,
        })
    }
}

/// A `<pool>`: places of its members in the list of the area's servers, and the state of the choice.
#[derive(Debug)]
pub(super) struct Pool {
    strategy: Strategy,
    members: Vec<usize>,
    weights: Vec<i64>,
    next: AtomicUsize,
    random: RandomState,
    /// Smooth weighted round robin: what each member has saved up.
    saved: Mutex<Vec<i64>>,
    health: Arc<Health>,
}

/// What the last probe said; a server never probed counts as alive.
#[derive(Debug)]
struct Health {
    dead: Vec<AtomicBool>,
    checked: Mutex<Option<Instant>>,
    running: AtomicBool,
}

/// Where a member is probed; `None`: our own door, which needs no probe.
pub(super) type Target = Option<(String, u16)>;

impl Pool {
    /// `members` are places in the list of servers, each with its weight (1 or more).
    pub(super) fn new(strategy: Strategy, members: Vec<(usize, u32)>) -> Self {
        let health = Health {
            dead: members.iter().map(|_| AtomicBool::new(false)).collect(),
            checked: Mutex::new(None),
            running: AtomicBool::new(false),
        };
        Self {
            strategy,
            saved: Mutex::new(vec![0; members.len()]),
            weights: members.iter().map(|(_, weight)| i64::from((*weight).max(1))).collect(),
            members: members.into_iter().map(|(place, _)| place).collect(),
            next: AtomicUsize::new(0),
            random: RandomState::new(),
            health: Arc::new(health),
        }
    }

    /// The place of the server whose turn it is; `None` when none is alive. `target` tells where the
    /// server of a place is probed.
    pub(super) fn pick(&self, target: impl Fn(usize) -> Target) -> Option<usize> {
        let count = self.members.len();
        let turn = || self.next.fetch_add(1, Ordering::Relaxed);
        let at = match self.strategy {
            _ if count == 0 => return None,
            Strategy::RoundRobin => turn() % count,
            Strategy::Random => {
                let drawn = self.random.hash_one(turn());
                usize::try_from(drawn % count as u64).unwrap_or(0)
            }
            Strategy::Weight => self.heaviest(),
            Strategy::SmartRoundRobin => {
                self.probe(target);
                let first = turn();
                (0..count)
                    .map(|step| first.wrapping_add(step) % count)
                    .find(|at| !self.health.dead[*at].load(Ordering::Relaxed))?
            }
        };
        self.members.get(at).copied()
    }

    /// Starts the first probe, so that the first client is not sent to a dead server.
    pub(super) fn warm_up(&self, target: impl Fn(usize) -> Target) {
        if self.strategy == Strategy::SmartRoundRobin {
            self.probe(target);
        }
    }

    /// Each turn everybody saves its weight; the richest is chosen and pays the sum.
    fn heaviest(&self) -> usize {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let mut best = 0;
        for (at, weight) in self.weights.iter().enumerate() {
            saved[at] += weight;
            if saved[at] > saved[best] {
                best = at;
            }
        }
        saved[best] -= self.weights.iter().sum::<i64>();
        best
    }

    fn probe(&self, target: impl Fn(usize) -> Target) {
        let fresh = {
            let checked = self.health.checked.lock().unwrap_or_else(PoisonError::into_inner);
            checked.is_some_and(|at| at.elapsed() < PROBE_HOLDS)
        };
        if fresh || self.health.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let targets: Vec<Target> = self.members.iter().map(|place| target(*place)).collect();
        let health = Arc::clone(&self.health);
        let thread = std::thread::Builder::new().name("pool-probe".to_owned());
        let started = thread.spawn(move || health.look(&targets));
        if started.is_err() {
            self.health.running.store(false, Ordering::Release);
        }
    }
}

impl Health {
    /// Blocks; runs on its own thread.
    fn look(&self, targets: &[Target]) {
        for (dead, target) in self.dead.iter().zip(targets) {
            let alive = match target {
                None => true,
                Some((host, port)) => accepts(host, *port),
            };
            dead.store(!alive, Ordering::Relaxed);
        }
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.running.store(false, Ordering::Release);
    }
}

fn accepts(host: &str, port: u16) -> bool {
    let Ok(addresses) = (host, port).to_socket_addrs() else { return false };
    addresses.take(8).any(|address| TcpStream::connect_timeout(&address, PROBE_TIMEOUT).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(pool: &Pool, count: usize) -> Vec<usize> {
        (0..count).map(|_| pool.pick(|_| None).unwrap()).collect()
    }

    #[test]
    fn round_robin_takes_turns() {
        let pool = Pool::new(Strategy::RoundRobin, vec![(4, 1), (2, 1), (7, 1)]);
        assert_eq!(picks(&pool, 7), [4, 2, 7, 4, 2, 7, 4]);
    }

    #[test]
    fn weights_are_kept_and_spread() {
        let pool = Pool::new(Strategy::Weight, vec![(0, 5), (1, 1), (2, 1)]);
        assert_eq!(picks(&pool, 7), [0, 0, 1, 0, 2, 0, 0]);
        let hundred = Pool::new(Strategy::Weight, vec![(0, 100), (1, 1)]);
        assert_eq!(picks(&hundred, 101).iter().filter(|at| **at == 0).count(), 100);
    }

    #[test]
    fn random_reaches_everybody() {
        let pool = Pool::new(Strategy::Random, vec![(0, 1), (1, 1), (2, 1)]);
        let drawn = picks(&pool, 300);
        for place in 0..3 {
            assert!(drawn.iter().filter(|at| **at == place).count() > 30, "{place}");
        }
    }

    #[test]
    fn smart_round_robin_passes_over_the_dead() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap().port();
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = gone.local_addr().unwrap().port();
        drop(gone);
        let target =
            |place: usize| Some(("127.0.0.1".to_owned(), if place == 0 { dead } else { alive }));
        let pool = Pool::new(Strategy::SmartRoundRobin, vec![(0, 1), (1, 1)]);
        assert!(pool.pick(target).is_some());
        for _ in 0..500 {
            if pool.health.checked.lock().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!((0..4).map(|_| pool.pick(target)).collect::<Vec<_>>(), [Some(1); 4]);

        let all_dead = Pool::new(Strategy::SmartRoundRobin, vec![(0, 1)]);
        all_dead.health.look(&[target(0)]);
        assert_eq!(all_dead.pick(target), None);
    }
}
