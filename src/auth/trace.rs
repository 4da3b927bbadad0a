//! What a decision was made of, for whoever asks why (`stormd authz explain`). The code that decides
//! tells it; for requests nobody listens, and nothing is written.

/// The steps of one decision, in their order.
#[derive(Debug, Default)]
pub struct Trace {
    /// `None`: nobody listens.
    steps: Option<Vec<Step>>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which check: `ban list`, `mapping`, `path-authz` and so on.
    pub check: &'static str,
    /// What it found, with the file and line that decided.
    pub found: String,
}

impl Trace {
    /// For requests: nothing is kept.
    pub const fn off() -> Self {
        Self { steps: None }
    }

    /// Keeps every step.
    pub const fn on() -> Self {
        Self { steps: Some(Vec::new()) }
    }

    /// Adds a step, where somebody listens.
    pub fn tell(&mut self, check: &'static str, found: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.steps {
            steps.push(Step { check, found: found() });
        }
    }

    /// True where somebody listens: then nothing may be changed.
    pub const fn is_on(&self) -> bool {
        self.steps.is_some()
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        self.steps.as_deref().unwrap_or_default()
    }
}
