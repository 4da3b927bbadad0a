//! The order in which jobs are taken.

use std::collections::VecDeque;

use super::Job;

/// First in, first out, whoever asked. The user comes along so that a fairer order can be put in
/// here without a change outside.
#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    weight: usize,
}

impl Queue {
    pub(super) fn push(&mut self, _user: &str, job: Box<dyn Job>) {
        self.weight += job.weight();
        self.jobs.push_back(job);
    }

    pub(super) fn pop(&mut self) -> Option<Box<dyn Job>> {
        let job = self.jobs.pop_front()?;
        self.weight -= job.weight();
        Some(job)
    }

    /// Places taken by all of them.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}
