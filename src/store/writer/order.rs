//! Which changes are committed together, and in what order: all that wait, the light ones first.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::{Message, Unit};

/// How long a commit is put off while the callers of the last one are expected back. Somebody who
/// comes alone never waits.
const GATHER: Duration = Duration::from_micros(500);
/// How long units that nobody waits for are put off.
const IDLE: Duration = Duration::from_millis(100);

/// A unit of more rows is heavy: it lets those pass that are not, so that somebody's ten thousand files
/// do not hold up everybody's one.
const LIGHT: usize = 32;
/// Rows of a unit that is a part of something heavy, however little it writes.
pub(in crate::store) const PART: usize = LIGHT + 1;
/// Rows of heavy units in one transaction, at most, where there are several: while others are about,
/// and while nobody is.
const STEPS: (usize, usize) = (64, 4096);
/// Whoever wrote such a time ago is about.
const ABOUT: Duration = Duration::from_millis(250);
/// What is heavy rests, while others are about, so many times as long as it took, though at most so long:
/// disk and processors that its caller keeps busy are theirs meanwhile.
const REST: (u32, Duration) = (20, Duration::from_millis(8));
/// How long a heavy unit lets others pass; then it goes with them, though never twice in a row.
const AGED: Duration = Duration::from_millis(250);

/// Everything that waits, and whether it is the last. `crowd` is the size of the last group: its
/// callers have just been answered and may be on their way back. `due`: when to come back at the latest,
/// with nothing perhaps.
pub(super) fn gather(
    receiver: &Receiver<Message>,
    crowd: usize,
    due: Option<Instant>,
) -> (Vec<Box<dyn Unit>>, bool) {
    let mut group: Vec<Box<dyn Unit>> = Vec::with_capacity(crowd);
    let mut until: Option<Instant> = None;
    let mut awaited = false;
    loop {
        let message = match receiver.try_recv() {
            Err(TryRecvError::Empty) => match until.into_iter().chain(due).min() {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) if awaited && group.len() >= crowd => return (group, false),
                Some(until) => {
                    receiver.recv_timeout(until.saturating_duration_since(Instant::now()))
                }
            },
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Ok(message) => Ok(message),
        };
        match message {
            Ok(Message::Unit(unit)) => {
                let first = until.is_none();
                if unit.is_awaited() && !awaited {
                    awaited = true;
                    until = Some(Instant::now() + GATHER);
                } else if first {
                    until = Some(Instant::now() + IDLE);
                }
                group.push(unit);
            }
            Err(RecvTimeoutError::Timeout) => return (group, false),
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return (group, true),
        }
    }
}

/// Heavy units, in the order in which they came.
#[derive(Default)]
pub(super) struct Heavy {
    waiting: VecDeque<(Instant, Box<dyn Unit>)>,
    /// When somebody last waited for something light.
    light: Option<Instant>,
    /// Something heavy was in the last transaction.
    had_turn: bool,
    /// Until then nothing heavy is written.
    rests: Option<Instant>,
}

impl Heavy {
    /// When something heavy that waits may be written.
    pub(super) fn due(&self) -> Option<Instant> {
        let (came, _) = self.waiting.front()?;
        Some(self.rests.map_or(*came, |rests| rests.max(*came)))
    }

    /// The last transaction took so long.
    pub(super) fn took(&mut self, time: Duration) {
        if self.had_turn {
            let rest = (REST.0 * time).min(REST.1);
            self.rests = self.about().then(|| Instant::now() + rest);
        }
    }

    fn about(&self) -> bool {
        self.light.is_some_and(|last| last.elapsed() < ABOUT)
    }

    /// Keeps back what is heavy in a group; what is to be written now.
    pub(super) fn let_pass(&mut self, group: Vec<Box<dyn Unit>>, all: bool) -> Vec<Box<dyn Unit>> {
        let now = Instant::now();
        let (heavy, mut light): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|unit| unit.rows() > LIGHT);
        self.waiting.extend(heavy.into_iter().map(|unit| (now, unit)));
        let alone = light.is_empty();
        if light.iter().any(|unit| unit.is_awaited() && unit.rows() > 0) {
            self.light = Some(now);
        }
        let most = if self.about() { STEPS.0 } else { STEPS.1 };
        let rested = self.rests.is_none_or(|rests| now >= rests);
        let mut rows = 0;
        while let Some((came, unit)) = self.waiting.front() {
            let fits = rows == 0 || (alone && rows + unit.rows() <= most);
            let aged = !self.had_turn && now.duration_since(*came) >= AGED;
            if !(all || fits && rested && (alone || aged)) {
                break;
            }
            rows += unit.rows();
            light.extend(self.waiting.pop_front().map(|(_, unit)| unit));
        }
        self.had_turn = rows > 0;
        light
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::super::StoreError;
    use super::*;

    struct Rows(usize);

    impl Unit for Rows {
        fn is_awaited(&self) -> bool {
            true
        }

        fn is_durable(&self) -> bool {
            false
        }

        fn rows(&self) -> usize {
            self.0
        }

        fn run(&mut self, _: &Connection) -> Result<(), StoreError> {
            Ok(())
        }

        fn answer(self: Box<Self>, _: Result<(), StoreError>) {}
    }

    fn pass(heavy: &mut Heavy, units: &[usize]) -> usize {
        let units = units.iter().map(|rows| Box::new(Rows(*rows)) as Box<dyn Unit>);
        heavy.let_pass(units.collect(), false).len()
    }

    #[test]
    fn what_is_heavy_rests_while_others_are_about_and_only_then() {
        let mut heavy = Heavy::default();
        // Nobody else: one after the other.
        assert_eq!(pass(&mut heavy, &[64]), 1);
        heavy.took(Duration::from_secs(1));
        assert!(heavy.due().is_none());
        assert_eq!(pass(&mut heavy, &[64]), 1);
        // Somebody comes, and goes first.
        assert_eq!(pass(&mut heavy, &[64, 1]), 1);
        heavy.took(Duration::from_millis(1));
        assert_eq!(pass(&mut heavy, &[]), 1);
        heavy.took(Duration::from_secs(1));
        assert_eq!(pass(&mut heavy, &[64]), 0);
        let rest = heavy.due().unwrap().saturating_duration_since(Instant::now());
        assert!(rest <= REST.1, "{rest:?}");
        // A light one does not end the rest, nor does the rest hold it up.
        assert_eq!(pass(&mut heavy, &[1]), 1);
        heavy.took(Duration::from_millis(1));
        std::thread::sleep(REST.1);
        assert_eq!(pass(&mut heavy, &[]), 1);
    }
}
