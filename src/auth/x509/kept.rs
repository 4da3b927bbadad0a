//! What the files of the trust directories held when they could last be read: a file that is being
//! written, or came out broken, does not take away what stood in it.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Problem, Severity};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Contents that were good, by path.
#[derive(Debug, Default)]
pub(crate) struct Kept(HashMap<PathBuf, Arc<[u8]>>);

impl Kept {
    /// What this does not know, as the other has it.
    pub(crate) fn add(&mut self, other: &Self) {
        for (path, content) in &other.0 {
            self.0.entry(path.clone()).or_insert_with(|| Arc::clone(content));
        }
    }
}

/// What is wrong with a file, and in which line, where it is one line's fault.
pub(crate) type Wrong = (Option<usize>, String);

/// Of no line in particular.
pub(crate) fn wrong(text: String) -> Wrong {
    (None, text)
}

/// One reading of the directories, after the last.
pub(crate) struct Files<'a> {
    last: &'a Kept,
    now: Kept,
}

impl<'a> Files<'a> {
    pub(crate) fn after(last: &'a Kept) -> Self {
        Self { last, now: Kept::default() }
    }

    /// What `parse` makes of the file; and, where it finds something wrong, of what the file held
    /// when nothing was. A file that is gone is gone. What is wrong is told.
    pub(crate) fn read<T>(
        &mut self,
        path: &Path,
        problems: &mut Vec<Problem>,
        parse: impl Fn(&[u8]) -> (T, Vec<Wrong>),
    ) -> Option<T> {
        let old = self.last.0.get(path);
        let (found, wrong) = match read_bounded(path) {
            Ok(bytes) => {
                let (found, mut wrong) = parse(&bytes);
                if wrong.is_empty() && old.is_some_and(|old| is_cut(&bytes, old)) {
                    wrong.push((None, "ends within a line".to_owned()));
                }
                if wrong.is_empty() {
                    self.now.0.insert(path.to_owned(), bytes.into());
                    return Some(found);
                }
                (Some(found), wrong)
            }
            Err(error) => {
                let text = format!("cannot be read: {error}");
                if error.kind() == ErrorKind::NotFound {
                    problems.push(warning(path, text));
                    return None;
                }
                (None, vec![(None, text)])
            }
        };
        let stays = if old.is_some() { "; what it held before stays in use" } else { "" };
        let tell = |(line, text)| Problem { line, ..warning(path, text + stays) };
        problems.extend(wrong.into_iter().map(tell));
        let Some(old) = old else { return found };
        self.now.0.insert(path.to_owned(), Arc::clone(old));
        Some(parse(old).0)
    }

    /// For the next reading.
    pub(crate) fn kept(self) -> Kept {
        self.now
    }
}

/// A file whose size is no danger; a directory's entries are its administrator's, but may be large
/// by mistake.
pub(crate) fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(std::io::Error::other("it is no file, or larger than 64 MiB"));
    }
    std::fs::read(path)
}

pub(crate) fn warning(file: &Path, text: String) -> Problem {
    Problem { file: file.to_owned(), line: None, text, severity: Severity::Warning }
}

/// A text that does not end with a line, as it did before: half a name may be a name, too.
fn is_cut(now: &[u8], before: &[u8]) -> bool {
    before.ends_with(b"\n") && !now.ends_with(b"\n") && std::str::from_utf8(now).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number; no number counts as 0, and is wrong.
    fn parse(bytes: &[u8]) -> (u32, Vec<Wrong>) {
        match std::str::from_utf8(bytes).ok().and_then(|text| text.trim_end().parse().ok()) {
            Some(number) => (number, Vec::new()),
            None => (0, vec![wrong("is no number".to_owned())]),
        }
    }

    #[test]
    fn what_was_good_outlives_what_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut kept = Kept::default();
        let mut read = |content: Option<&str>| {
            match content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let (mut files, mut problems) = (Files::after(&kept), Vec::new());
            let found = files.read(&path, &mut problems, parse);
            kept = files.kept();
            let told: Vec<_> = problems.into_iter().map(|problem| problem.text).collect();
            (found, told.join("\n"))
        };
        assert_eq!(read(Some("?")), (Some(0), "is no number".to_owned()));
        assert_eq!(read(Some("7")), (Some(7), String::new()));
        for half in ["", "7?", "?"] {
            let told = "is no number; what it held before stays in use".to_owned();
            assert_eq!(read(Some(half)), (Some(7), told), "{half}");
        }
        assert_eq!(read(Some("8")).0, Some(8));
        assert_eq!(read(Some("99\n")).0, Some(99));
        assert_eq!(
            read(Some("9")),
            (Some(99), "ends within a line; what it held before stays in use".to_owned())
        );
        assert_eq!(read(None).0, None);
        assert_eq!(read(Some("?")).0, Some(0), "what was removed does not come back");
    }
}
