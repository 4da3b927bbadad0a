//! What keeps the processors free for others: how many calls of one user are worked on at once (one
//! with hundreds of connections takes turns with himself), and which calls give way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Srm;
use super::access::owner;
use crate::model::{Identity, RequestToken};

/// A call or job about more files gives way to those that are not.
const BULKY: usize = 32;

tokio::task_local! {
    /// The turn of the call that this task works on; a call that only waits has passed it on.
    static TURN: RefCell<Option<OwnedSemaphorePermit>>;
}

/// The calls under way, by user.
#[derive(Default)]
pub(super) struct Turns {
    users: Mutex<HashMap<String, User>>,
}

struct User {
    /// A permit for each call that may be worked on.
    free: Arc<Semaphore>,
    /// Calls that are worked on, or wait.
    calls: usize,
}

impl Srm {
    /// Works on a call when its turn has come: `limits.calls_per_user` of each person at once, first
    /// come, first served.
    pub async fn in_turn<T>(&self, who: &Identity, call: impl Future<Output = T>) -> T {
        let at_once = self.site().config.limits.calls_per_user;
        self.core.turns.run(owner(who), at_once, call).await
    }

    /// Works on a large call where it gives way to all that are not; dropped with the caller.
    pub async fn in_bulk<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.core.bulk.run(call).await
    }

    /// True where a call by this token, or with so many SURLs, gives way to others; also when its
    /// user has as many under way as are worked on at once.
    pub fn gives_way(&self, who: &Identity, token: Option<&str>, surls: usize) -> bool {
        let files = || {
            let live = token.and_then(RequestToken::parse);
            live.and_then(|token| self.core.requests.find(&token)).map_or(0, |live| live.len())
        };
        is_bulky(surls)
            || is_bulky(files())
            || self.core.turns.crowds(owner(who), self.site().config.limits.calls_per_user)
    }
}

/// Whether work on so many files gives way to others.
pub(super) fn is_bulky(files: usize) -> bool {
    files > BULKY
}

impl Turns {
    async fn run<T>(&self, user: &str, at_once: usize, call: impl Future<Output = T>) -> T {
        let place = Place::take(self, user, at_once);
        // The semaphore is never closed.
        let turn = Arc::clone(&place.free).acquire_owned().await.ok();
        TURN.scope(RefCell::new(turn), call).await
    }

    /// Somebody has as many calls under way as are worked on at once, or more.
    fn crowds(&self, user: &str, at_once: usize) -> bool {
        self.lock().get(user).is_some_and(|user| user.calls >= at_once)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From now on the call only waits: another one of its user's may be worked on.
pub(super) fn pass_on() {
    // Outside a call there is nothing to pass on.
    let _ = TURN.try_with(|turn| turn.borrow_mut().take());
}

/// One call's place in the table, also when its client hangs up.
struct Place<'a> {
    turns: &'a Turns,
    user: &'a str,
    free: Arc<Semaphore>,
}

impl<'a> Place<'a> {
    fn take(turns: &'a Turns, user: &'a str, at_once: usize) -> Self {
        let mut users = turns.lock();
        let new = || User { free: Arc::new(Semaphore::new(at_once.max(1))), calls: 0 };
        let known = users.entry(user.to_owned()).or_insert_with(new);
        known.calls += 1;
        Self { turns, user, free: Arc::clone(&known.free) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut users = self.turns.lock();
        if let Some(known) = users.get_mut(self.user) {
            known.calls -= 1;
            if known.calls == 0 {
                users.remove(self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    /// Starts calls of a user that tell their number and never end.
    fn start(
        turns: &Arc<Turns>,
        user: &'static str,
        numbers: std::ops::Range<u32>,
        began: &mpsc::UnboundedSender<u32>,
        waits: bool,
    ) -> Vec<tokio::task::JoinHandle<()>> {
        let call = |number| {
            let (turns, began) = (Arc::clone(turns), began.clone());
            tokio::spawn(async move {
                let work = async {
                    began.send(number).unwrap();
                    if waits {
                        pass_on();
                    }
                    std::future::pending::<()>().await;
                };
                turns.run(user, 2, work).await;
            })
        };
        numbers.map(call).collect()
    }

    async fn next(began: &mut mpsc::UnboundedReceiver<u32>) -> Option<u32> {
        tokio::time::timeout(Duration::from_millis(50), began.recv()).await.ok().flatten()
    }

    #[tokio::test]
    async fn one_user_takes_turns_and_holds_up_nobody() {
        let (turns, (sender, mut began)) = (Arc::new(Turns::default()), mpsc::unbounded_channel());
        let mut calls = start(&turns, "a", 0..5, &sender, false);
        assert_eq!((next(&mut began).await, next(&mut began).await), (Some(0), Some(1)));
        assert_eq!(next(&mut began).await, None, "more than two at once");
        calls.extend(start(&turns, "b", 9..10, &sender, false));
        assert_eq!(next(&mut began).await, Some(9));
        // One that waits, and one that ends, let the next one in; so does one that hangs up.
        calls[0].abort();
        assert_eq!(next(&mut began).await, Some(2));
        calls.extend(start(&turns, "c", 20..30, &sender, true));
        for number in 20..30 {
            assert_eq!(next(&mut began).await, Some(number));
        }
        for call in calls {
            call.abort();
            let _ = call.await;
        }
        assert!(turns.lock().is_empty(), "somebody is remembered for ever");
    }
}
