//! What the clients found wrong, and how much they did.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

/// Shared by all clients.
#[derive(Default)]
pub struct Tally {
    /// By operation, and by the code that mattered.
    asked: Mutex<BTreeMap<String, BTreeMap<String, usize>>>,
    wrong: Mutex<BTreeMap<&'static str, Vec<String>>>,
}

impl Tally {
    /// An answer came.
    pub fn asked(&self, operation: &str, code: &str) {
        let mut asked = self.asked.lock().unwrap();
        *asked.entry(operation.to_owned()).or_default().entry(code.to_owned()).or_default() += 1;
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
        println!("{kind}: {what:.65000}");
        self.wrong.lock().unwrap().entry(kind).or_default().push(what);
    }

    /// How many of that kind.
    pub fn count(&self, kind: &str) -> usize {
        self.wrong.lock().unwrap().get(kind).map_or(0, Vec::len)
    }

    /// Answers so far.
    pub fn answers(&self) -> usize {
        self.asked.lock().unwrap().values().flat_map(BTreeMap::values).sum()
    }

    /// How often each operation was answered with which codes, a line each.
    pub fn told(&self) -> String {
        let mut text = String::new();
        for (operation, codes) in self.asked.lock().unwrap().iter() {
            write!(text, "{operation}:").unwrap();
            for (code, count) in codes {
                write!(text, " {} {count}", code.trim_start_matches("SRM_")).unwrap();
            }
            text.push('\n');
        }
        text
    }

    /// Whether that operation was ever answered so.
    pub fn met(&self, operation: &str, code: &str) -> bool {
        let asked = self.asked.lock().unwrap();
        asked.get(operation).is_some_and(|codes| codes.contains_key(code))
    }

    /// Of all kinds.
    pub fn all(&self) -> usize {
        self.wrong.lock().unwrap().values().map(Vec::len).sum()
    }
}
