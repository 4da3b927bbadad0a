//! path-authz.db: rights by path for local groups, in StoRM's format. Only entries that enclose the
//! target count; for each letter the nearest entry that names it decides.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::trace::Trace;
use super::watched::Format;
use crate::config::{Problem, Severity};
use crate::model::Stfn;

/// StoRM's name of the one algorithm there is.
const BEST_MATCH: &str = "PathAuthzAlgBestMatch";

/// What is done to a path, one letter each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathOperation {
    /// `W`: write data.
    WriteFile,
    /// `R`: read data.
    ReadFile,
    /// `F`: move away.
    Rename,
    /// `D`: delete.
    Delete,
    /// `L`: list.
    List,
    /// `M`: make a directory.
    MakeDirectory,
    /// `N`: make a new file.
    CreateFile,
}

impl PathOperation {
    /// Every operation, in the order of the mask `WRFDLMN`.
    pub const ALL: [PathOperation; 7] = [
        PathOperation::WriteFile,
        PathOperation::ReadFile,
        PathOperation::Rename,
        PathOperation::Delete,
        PathOperation::List,
        PathOperation::MakeDirectory,
        PathOperation::CreateFile,
    ];

    /// The letter in the file.
    pub const fn letter(self) -> char {
        match self {
            PathOperation::WriteFile => 'W',
            PathOperation::ReadFile => 'R',
            PathOperation::Rename => 'F',
            PathOperation::Delete => 'D',
            PathOperation::List => 'L',
            PathOperation::MakeDirectory => 'M',
            PathOperation::CreateFile => 'N',
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What the file says to an operation. Only [`Decision::Permit`] lets it pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Every letter is permitted.
    Permit,
    /// Some letter is denied, by this line (0: the built-in rule).
    Deny {
        /// From 1.
        line: usize,
    },
    /// Some letter is named by no entry for this caller and path.
    Undecided,
}

/// The entries of path-authz.db.
#[derive(Clone, Debug)]
pub struct PathAuthz {
    file: PathBuf,
    /// By path, `/` for the top; at one path in the order of the file.
    entries: HashMap<Box<str>, Vec<Entry>>,
    names_groups: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    subject: Subject,
    mask: u8,
    permit: bool,
    line: usize,
}

#[derive(Clone, Debug)]
enum Subject {
    Everybody,
    Group(u32),
    /// A group that this host does not know.
    Nobody,
}

impl Format for PathAuthz {
    /// Everybody everything.
    fn absent() -> Self {
        let entry = Entry { subject: Subject::Everybody, mask: u8::MAX, permit: true, line: 0 };
        Self {
            file: PathBuf::new(),
            entries: HashMap::from([("/".into(), vec![entry])]),
            names_groups: false,
        }
    }

    /// Each problem with its line. Groups that this host does not know are warned of.
    fn parse(text: &str, file: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        Self::parse_with(text, file, &|name| {
            let group = nix::unistd::Group::from_name(name).ok().flatten();
            group.map(|group| group.gid.as_raw())
        })
    }
}

impl PathAuthz {
    fn parse_with(
        text: &str,
        file: &Path,
        number: &dyn Fn(&str) -> Option<u32>,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut entries: HashMap<Box<str>, Vec<Entry>> = HashMap::new();
        let mut known: HashMap<String, Option<u32>> = HashMap::new();
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let mut algorithm = None;
        for (at, content) in text.lines().enumerate() {
            let line = at + 1;
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let mut group = |name: &str| {
                let found = *known.entry(name.to_owned()).or_insert_with(|| number(name));
                if found.is_none() {
                    let text =
                        format!("this host knows no group {name:?}: the entry holds for nobody");
                    let (file, severity) = (file.to_owned(), Severity::Warning);
                    warnings.push(Problem { file, line: Some(line), text, severity });
                }
                found.map_or(Subject::Nobody, Subject::Group)
            };
            let done = match content.strip_prefix("algorithm") {
                Some(rest) if rest.trim_start().starts_with('=') => {
                    parse_algorithm(rest, line, &mut algorithm)
                }
                _ => parse_entry(content, line, &mut group).map(|(path, entry)| {
                    entries.entry(path.as_str().into()).or_default().push(entry);
                }),
            };
            if let Err(text) = done {
                let file = file.to_owned();
                problems.push(Problem { file, line: Some(line), text, severity: Severity::Error });
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let names_groups = !known.is_empty();
        Ok((Self { file: file.to_owned(), entries, names_groups }, warnings))
    }

    /// False when nothing depends on the caller's groups.
    pub fn names_groups(&self) -> bool {
        self.names_groups
    }

    /// May somebody of these local groups (their ids) do all of `needed` at `stfn`? Without a group
    /// only the `@ALL@` entries count.
    pub fn decide(
        &self,
        groups: &[u32],
        stfn: &Stfn,
        needed: &[PathOperation],
        told: &mut Trace,
    ) -> Decision {
        let mut open = needed.iter().fold(0, |mask, operation| mask | operation.bit());
        let mut path = stfn.as_str();
        while open != 0 {
            for entry in self.entries.get(path).into_iter().flatten() {
                let applies = match entry.subject {
                    Subject::Everybody => true,
                    Subject::Group(gid) => groups.contains(&gid),
                    Subject::Nobody => false,
                };
                if !applies || open & entry.mask == 0 {
                    continue;
                }
                told.tell("path-authz", || {
                    let verdict = if entry.permit { "permits" } else { "denies" };
                    let letters = letters(open & entry.mask);
                    format!("{}: the entry of {path} {verdict} {letters}", self.place(entry.line))
                });
                if !entry.permit {
                    return Decision::Deny { line: entry.line };
                }
                open &= !entry.mask;
            }
            path = match path.rfind('/') {
                _ if path == "/" => break,
                Some(0) => "/",
                Some(end) => &path[..end],
                None => break,
            };
        }
        if open == 0 {
            return Decision::Permit;
        }
        told.tell("path-authz", || format!("no entry permits {} at {stfn}", letters(open)));
        Decision::Undecided
    }

    /// As [`PathAuthz::decide`], at all paths below `stfn` that entries name: for what is done to a
    /// whole tree. The first that does not permit it is the answer.
    pub fn decide_below(
        &self,
        groups: &[u32],
        stfn: &Stfn,
        needed: &[PathOperation],
        told: &mut Trace,
    ) -> Decision {
        let below = |path: &&str| match path.strip_prefix(stfn.as_str()) {
            Some(rest) => rest.starts_with('/') || (stfn.as_str() == "/" && !rest.is_empty()),
            None => false,
        };
        self.entries
            .keys()
            .map(|path| &**path)
            .filter(below)
            .filter_map(|path| Stfn::parse(path).ok())
            .map(|path| self.decide(groups, &path, needed, told))
            .find(|decision| *decision != Decision::Permit)
            .unwrap_or(Decision::Permit)
    }

    fn place(&self, line: usize) -> String {
        match line {
            0 => "the built-in rule (there is no path-authz.db)".to_owned(),
            line => format!("{}:{line}", self.file.display()),
        }
    }
}

/// As the file has them.
fn letters(mask: u8) -> String {
    PathOperation::ALL
        .into_iter()
        .filter(|operation| mask & operation.bit() != 0)
        .map(PathOperation::letter)
        .collect()
}

fn parse_algorithm(rest: &str, line: usize, seen: &mut Option<usize>) -> Result<(), String> {
    let value = rest.trim_start().trim_start_matches('=').trim();
    if let Some(first) = *seen {
        return Err(format!("a second algorithm line; the first is line {first}: keep one"));
    }
    *seen = Some(line);
    if value.rsplit('.').next() == Some(BEST_MATCH) {
        return Ok(());
    }
    Err(format!(
        "unknown algorithm {value:?}: expected it.grid.storm.authz.path.model.{BEST_MATCH}"
    ))
}

fn parse_entry(
    content: &str,
    line: usize,
    group: &mut dyn FnMut(&str) -> Subject,
) -> Result<(Stfn, Entry), String> {
    let words: Vec<&str> = content.split_whitespace().take(6).collect();
    let &[subject, path, mask, verdict] = words.as_slice() else {
        return Err(format!(
            "expected four words \"<group|@ALL@|*> <path> <letters> <permit|deny>\", found {}",
            if words.len() > 5 { "more than five".to_owned() } else { words.len().to_string() }
        ));
    };
    if subject.contains('@') && subject != "@ALL@" {
        return Err(format!("unknown subject {subject:?}: expected a local group, @ALL@ or *"));
    }
    if path.contains('*') {
        return Err(format!(
            "{path:?} holds a *: paths take no wildcards; an entry holds for all that lies below its path"
        ));
    }
    let path = Stfn::parse_strict(path).map_err(|error| format!("{path:?}: {error}"))?;
    let mut bits = 0;
    for letter in mask.chars() {
        let operation = PathOperation::ALL.into_iter().find(|op| op.letter() == letter);
        bits |= operation
            .ok_or_else(|| {
                format!("unknown letter {letter:?} in {mask:?}: expected some of WRFDLMN")
            })?
            .bit();
    }
    let permit = match verdict {
        word if word.eq_ignore_ascii_case("permit") => true,
        word if word.eq_ignore_ascii_case("deny") => false,
        word => return Err(format!("expected permit or deny, found {word:?}")),
    };
    let subject = match subject {
        "@ALL@" | "*" => Subject::Everybody,
        name => group(name),
    };
    Ok((path, Entry { subject, mask: bits, permit, line }))
}

#[cfg(test)]
mod tests;
