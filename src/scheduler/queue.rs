//! The order in which jobs are taken, and how many places one user may have: start-time fair queuing
//! over users, by weight. Whoever asks for little is served next, however much others have waiting.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::Job;

/// A user may have so many times the places that stay free beside his: three quarters of the queue when
/// he is alone, and there is always room for one who has nothing in it.
const SHARE: usize = 3;
/// Users without jobs of whom it is remembered how far ahead of their turn they were.
const REMEMBERED: usize = 10_000;

/// Jobs by user, and the places that they and those to come take.
#[derive(Default)]
pub(super) struct Queue {
    users: HashMap<Arc<str>, User>,
    /// Users with jobs: whose turn begins first, then who came first.
    turns: BTreeSet<(u64, u64, Arc<str>)>,
    /// Where the turn began that was taken last.
    clock: u64,
    /// Counts turns.
    came: u64,
    /// Users without a place or a running job.
    idle: usize,
    /// Places taken by jobs that wait.
    weight: usize,
    /// Places taken by those and by jobs to come.
    places: usize,
}

#[derive(Default)]
struct User {
    jobs: VecDeque<Box<dyn Job>>,
    places: usize,
    /// Places outside the queue, of jobs that were put off: in nobody else's way.
    resting: usize,
    /// Jobs that were taken, and have not ended.
    running: usize,
    /// Where the next turn begins: each job moves it on by its weight.
    start: u64,
}

impl User {
    fn is_idle(&self) -> bool {
        self.places == 0 && self.resting == 0 && self.running == 0
    }
}

/// Why places can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// All are taken.
    All,
    /// The user has so many already that others would find none.
    Share,
}

impl Queue {
    /// Takes `places` for jobs of that user, of `limit` in all.
    pub(super) fn take_places(
        &mut self,
        user: &Arc<str>,
        places: usize,
        limit: usize,
    ) -> Result<(), NoRoom> {
        let free = limit.checked_sub(self.places + places).ok_or(NoRoom::All)?;
        let (queued, resting) =
            self.users.get(user).map_or((0, 0), |user| (user.places, user.resting));
        let own = queued + resting + places;
        // What rests counts for its own user alone, as if it were in the queue.
        let free = free.saturating_sub(resting);
        // An empty queue takes any request that fits: else the largest would never be taken.
        if self.places + resting > 0 && own > free.saturating_mul(SHARE).max(1) {
            return Err(NoRoom::Share);
        }
        self.keep(user, places);
        Ok(())
    }

    /// Counts places of that user as resting.
    pub(super) fn rest(&mut self, user: &Arc<str>, places: usize) {
        self.occupied(user, places).resting += places;
    }

    /// Takes places in the queue for what rests, if there are as many; also beyond the user's share.
    pub(super) fn wake(&mut self, user: &Arc<str>, places: usize, limit: usize) -> bool {
        let fits = self.places == 0 || self.places + places <= limit;
        if fits {
            self.keep(user, places);
            self.end_rest(user, places);
        }
        fits
    }

    /// Resting places are given up.
    pub(super) fn end_rest(&mut self, user: &Arc<str>, places: usize) {
        if let Some(known) = self.users.get_mut(user).filter(|_| places > 0) {
            known.resting -= places;
            self.idle += usize::from(known.is_idle());
        }
        self.forget_idle();
    }

    fn keep(&mut self, user: &Arc<str>, places: usize) {
        self.places += places;
        self.occupied(user, places).places += places;
    }

    /// A user who is about to have so many places more.
    fn occupied(&mut self, user: &Arc<str>, places: usize) -> &mut User {
        if let Some(known) = self.users.get(user) {
            self.idle -= usize::from(known.is_idle() && places > 0);
        }
        self.users.entry(Arc::clone(user)).or_default()
    }

    /// Gives places back.
    pub(super) fn give_back(&mut self, user: &Arc<str>, places: usize) {
        self.places -= places;
        if let Some(known) = self.users.get_mut(user).filter(|_| places > 0) {
            known.places -= places;
            self.idle += usize::from(known.is_idle());
        }
        self.forget_idle();
    }

    /// A job of that user that was taken has ended, or did not begin.
    pub(super) fn end(&mut self, user: &Arc<str>) {
        if let Some(known) = self.users.get_mut(user) {
            known.running -= 1;
            self.idle += usize::from(known.is_idle());
        }
        self.forget_idle();
    }

    fn forget_idle(&mut self) {
        // With nobody else there, nobody is ahead of his turn.
        if self.idle > 0 && (self.places == 0 || self.idle > REMEMBERED) {
            self.users.retain(|_, user| !user.is_idle());
            self.idle = 0;
        }
    }

    /// Puts a job, whose places are taken, behind the user's others.
    pub(super) fn push(&mut self, user: &Arc<str>, job: Box<dyn Job>) {
        let weight = job.weight();
        let Some(known) = self.users.get_mut(user) else { return };
        if known.jobs.is_empty() {
            known.start = known.start.max(self.clock);
            self.came += 1;
            self.turns.insert((known.start, self.came, Arc::clone(user)));
        }
        self.weight += weight;
        known.jobs.push_back(job);
    }

    /// The next job of a user who has fewer than `most` running, and whose it is. It counts as running
    /// from now on, until [`Self::end`]; its places stay taken.
    pub(super) fn pop(&mut self, most: usize) -> Option<(Arc<str>, Box<dyn Job>)> {
        let may = |(_, _, user): &&(u64, u64, Arc<str>)| {
            self.users.get(user).is_some_and(|user| user.running < most)
        };
        let turn = self.turns.iter().find(may)?.clone();
        self.turns.remove(&turn);
        let (start, _, user) = turn;
        self.clock = self.clock.max(start);
        let known = self.users.get_mut(&user)?;
        let job = known.jobs.pop_front()?;
        known.running += 1;
        self.weight -= job.weight();
        known.start = start.saturating_add(job.weight() as u64);
        if !known.jobs.is_empty() {
            self.came += 1;
            self.turns.insert((known.start, self.came, Arc::clone(&user)));
        }
        Some((user, job))
    }

    /// Places taken by jobs that wait.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Places taken in all.
    pub(super) fn places(&self) -> usize {
        self.places
    }
}

#[cfg(test)]
mod tests {
    use super::super::JobFuture;
    use super::*;

    struct Files(usize);

    impl Job for Files {
        fn run(self: Box<Self>) -> JobFuture {
            Box::pin(std::future::ready(()))
        }

        fn weight(&self) -> usize {
            self.0
        }
    }

    fn add(queue: &mut Queue, user: &str, weight: usize) {
        let user = Arc::from(user);
        queue.take_places(&user, weight, usize::MAX / 8).unwrap();
        queue.push(&user, Box::new(Files(weight)));
    }

    /// Whose jobs come next; each gives its places back.
    fn next(queue: &mut Queue, count: usize) -> String {
        let mut order = String::new();
        for _ in 0..count {
            let Some((user, job)) = queue.pop(1) else { break };
            queue.give_back(&user, job.weight());
            queue.end(&user);
            order.push_str(&user);
        }
        order
    }

    #[test]
    fn by_turns_and_by_weight() {
        let mut queue = Queue::default();
        (0..6).for_each(|_| add(&mut queue, "a", 1));
        (0..2).for_each(|_| add(&mut queue, "b", 1));
        assert_eq!(next(&mut queue, 8), "ababaaaa");
        // Four files at once count as four.
        (0..3).for_each(|_| add(&mut queue, "a", 4));
        (0..8).for_each(|_| add(&mut queue, "b", 1));
        assert_eq!(next(&mut queue, 11), "abbbbabbbba");
        assert_eq!((queue.weight(), queue.places(), queue.users.len()), (0, 0, 0));
    }

    #[test]
    fn who_comes_late_is_next_and_who_took_much_waits() {
        let mut queue = Queue::default();
        (0..1000).for_each(|_| add(&mut queue, "a", 1));
        next(&mut queue, 500);
        add(&mut queue, "b", 1);
        assert_eq!(next(&mut queue, 2).matches('b').count(), 1);
        // Not asking for a moment makes nobody forget what was had.
        add(&mut queue, "b", 100);
        assert!(next(&mut queue, 2).contains('b'));
        add(&mut queue, "b", 1);
        assert_eq!(next(&mut queue, 90), "a".repeat(90));
        assert!(next(&mut queue, 30).contains('b'));
    }

    #[test]
    fn what_was_taken_counts_at_once() {
        let mut queue = Queue::default();
        (0..3).for_each(|_| add(&mut queue, "a", 1));
        let (user, _) = queue.pop(2).unwrap();
        assert!(queue.pop(2).is_some());
        assert!(queue.pop(2).is_none(), "he has two, though neither gave its places back yet");
        add(&mut queue, "b", 1);
        assert_eq!(&*queue.pop(2).unwrap().0, "b");
        queue.end(&user);
        assert_eq!(queue.pop(2).unwrap().0, user);
    }

    #[test]
    fn one_user_does_not_eat_the_queue() {
        let (mut queue, greedy) = (Queue::default(), Arc::from("a"));
        while queue.take_places(&greedy, 1, 1000).is_ok() {}
        assert_eq!(queue.places(), 750);
        assert_eq!(queue.take_places(&greedy, 1, 1000), Err(NoRoom::Share));
        assert_eq!(queue.take_places(&greedy, 251, 1000), Err(NoRoom::All));
        // Others find room, also beside several such.
        for n in 0..20 {
            let user = Arc::from(format!("u{n}"));
            assert_eq!(queue.take_places(&user, 1, 1000), Ok(()));
        }
        queue.give_back(&greedy, 750);
        assert_eq!(queue.take_places(&greedy, 700, 1000), Ok(()));
        // Alone, a request that needs them all gets them all.
        assert_eq!(Queue::default().take_places(&greedy, 1000, 1000), Ok(()));
        assert_eq!(Queue::default().take_places(&greedy, 1001, 1000), Err(NoRoom::All));
    }

    #[test]
    fn what_rests_is_in_nobody_elses_way() {
        let (mut queue, greedy, polite) = (Queue::default(), Arc::from("a"), Arc::from("b"));
        assert_eq!(queue.take_places(&greedy, 750, 1000), Ok(()));
        queue.rest(&greedy, 750);
        queue.give_back(&greedy, 750);
        // He himself gets no more by it.
        assert_eq!(queue.take_places(&greedy, 1, 1000), Err(NoRoom::Share));
        assert_eq!(queue.take_places(&polite, 750, 1000), Ok(()));
        // It comes back when there is room, also beyond what he may have beside others.
        assert!(!queue.wake(&greedy, 251, 1000));
        assert!(queue.wake(&greedy, 250, 1000));
        queue.end_rest(&greedy, 500);
        queue.give_back(&greedy, 250);
        queue.give_back(&polite, 750);
        assert_eq!((queue.places(), queue.users.len()), (0, 0));
        // What is on disk is worked on, however long the queue is by now.
        queue.rest(&greedy, 2000);
        assert!(queue.wake(&greedy, 2000, 1000));
        queue.give_back(&greedy, 2000);
        assert_eq!((queue.places(), queue.users.len()), (0, 0));
    }

    #[test]
    fn memory_of_users_is_bounded() {
        let mut queue = Queue::default();
        add(&mut queue, "a", 1);
        add(&mut queue, "a", 1);
        for n in 0..3 * REMEMBERED {
            add(&mut queue, &format!("u{n}"), 100);
            next(&mut queue, 1);
        }
        assert!(queue.users.len() <= REMEMBERED + 2, "{}", queue.users.len());
    }
}
