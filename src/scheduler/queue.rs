//! The order in which jobs are taken.

use std::collections::VecDeque;

use super::Job;

/// First in, first out, whoever asked. The user comes along so that a fairer order can be put in
/// here without a change outside.
#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
}

impl Queue {
    pub(super) fn push(&mut self, _user: &str, job: Box<dyn Job>) {
        self.jobs.push_back(job);
    }

    pub(super) fn pop(&mut self) -> Option<Box<dyn Job>> {
        self.jobs.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }
}
