//! Bodies hold pieces of files in memory, and their clients may be as slow as they like: so all of a kind
//! have so much together, and the more there are, the less has each.

use std::sync::atomic::{AtomicUsize, Ordering};

/// All bodies of a kind.
#[derive(Debug)]
pub(super) struct Crowd {
    members: AtomicUsize,
    /// Bytes that their pieces have, about, one of each.
    together: usize,
    /// Bytes of a piece, however many they are.
    least: usize,
    /// Bytes of a piece, however few they are.
    most: usize,
}

impl Crowd {
    pub(super) const fn new(together: usize, least: usize, most: usize) -> Self {
        Self { members: AtomicUsize::new(0), together, least, most }
    }

    /// One more.
    pub(super) fn enter(&'static self) -> Member {
        self.members.fetch_add(1, Ordering::Relaxed);
        Member(self)
    }

    /// Bytes of a piece of each of so many.
    fn piece(&self, members: usize) -> usize {
        (self.together / members.max(1)).clamp(self.least, self.most)
    }
}

/// One of a [`Crowd`], until it is dropped.
#[derive(Debug)]
pub(super) struct Member(&'static Crowd);

impl Member {
    /// Bytes of its next piece.
    pub(super) fn piece(&self) -> usize {
        self.0.piece(self.0.members.load(Ordering::Relaxed))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.members.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_get_small_pieces() {
        static CROWD: Crowd = Crowd::new(1000, 10, 100);
        assert_eq!(
            [0, 1, 10, 20, 100, usize::MAX].map(|n| CROWD.piece(n)),
            [100, 100, 100, 50, 10, 10]
        );
        let first = CROWD.enter();
        let others: Vec<Member> = (0..24).map(|_| CROWD.enter()).collect();
        assert_eq!(first.piece(), 40);
        drop(others);
        assert_eq!(first.piece(), 100);
    }
}
