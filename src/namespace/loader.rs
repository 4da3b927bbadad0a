//! What the parts of namespace.xml are read with: where the file is, and where problems go.

use std::path::Path;

use crate::config::{Config, Problem, Severity};

/// What is gathered on the way.
pub(super) struct Loader<'a> {
    pub(super) file: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) config: &'a Config,
    pub(super) problems: Vec<Problem>,
    pub(super) failed: bool,
}

impl<'a> Loader<'a> {
    pub(super) fn new(file: &'a Path, config: &'a Config) -> Self {
        let folder = file.parent().unwrap_or(Path::new("/"));
        Self { file, folder, config, problems: Vec::new(), failed: false }
    }

    /// No start.
    pub(super) fn error(&mut self, line: u64, text: String) {
        self.failed = true;
        self.tell(line, text, Severity::Error);
    }

    pub(super) fn warn(&mut self, line: u64, text: String) {
        self.tell(line, text, Severity::Warning);
    }

    /// Problems of another file, which do not keep the daemon from starting.
    pub(super) fn append(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    fn tell(&mut self, line: u64, text: String, severity: Severity) {
        let line = usize::try_from(line).ok().filter(|line| *line > 0);
        self.problems.push(Problem { file: self.file.to_owned(), line, text, severity });
    }
}

/// `<element name=X>`, for the texts.
pub(super) fn label(element: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("<{element} name={name}>"),
        None => format!("<{element}>"),
    }
}
