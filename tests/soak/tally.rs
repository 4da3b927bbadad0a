//! What the clients found wrong, and how much they did.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shared by all clients.
#[derive(Default)]
pub struct Tally {
    asked: AtomicUsize,
    wrong: Mutex<BTreeMap<&'static str, Vec<String>>>,
}

impl Tally {
    /// An answer came.
    pub fn asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer that no course of events explains.
    pub fn violation(&self, what: String) {
        self.wrong("violations", what);
    }

    /// Something acknowledged is gone.
    pub fn lost(&self, what: String) {
        self.wrong("lost", what);
    }

    /// One finding of that kind.
    pub fn wrong(&self, kind: &'static str, what: String) {
        println!("{kind}: {what:.16000}");
        self.wrong.lock().unwrap().entry(kind).or_default().push(what);
    }

    /// How many of that kind.
    pub fn count(&self, kind: &str) -> usize {
        self.wrong.lock().unwrap().get(kind).map_or(0, Vec::len)
    }

    /// Answers so far.
    pub fn answers(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Of all kinds.
    pub fn all(&self) -> usize {
        self.wrong.lock().unwrap().values().map(Vec::len).sum()
    }
}
