//! path-authz.db: rights by path for local groups, in StoRM's format. Only entries that enclose the
//! target count; for each letter the nearest entry that names it decides.

use std::collections::HashMap;
use std::path::Path;

use crate::config::{Problem, Severity};
use crate::model::Stfn;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;
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
    /// By path, `/` for the top; at one path in the order of the file.
    entries: HashMap<Box<str>, Vec<Entry>>,
    warnings: Vec<Problem>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// `None`: everybody.
    group: Option<Box<str>>,
    mask: u8,
    permit: bool,
    line: usize,
}

impl PathAuthz {
    /// Reads the file. A file that is not there means `@ALL@ / WRFDLMN permit`; one that does not
    /// read is refused, each problem with its line.
    pub fn load(path: &Path) -> Result<PathAuthz, Vec<Problem>> {
        let problem = |text: String| {
            vec![Problem { file: path.to_owned(), line: None, text, severity: Severity::Error }]
        };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(PathAuthz::permit_all());
            }
            Err(error) => return Err(problem(format!("cannot be read: {error}"))),
            Ok(about) if about.len() > MAX_FILE => {
                return Err(problem(format!("is larger than {MAX_FILE} bytes")));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| problem(format!("cannot be read: {error}")))?;
        let mut authz = PathAuthz::parse(&text, path)?;
        authz.warn_of_unknown_groups(path);
        Ok(authz)
    }

    /// As [`PathAuthz::load`], of a text.
    pub fn parse(text: &str, file: &Path) -> Result<PathAuthz, Vec<Problem>> {
        let mut entries: HashMap<Box<str>, Vec<Entry>> = HashMap::new();
        let mut problems = Vec::new();
        let mut algorithm = None;
        for (at, content) in text.lines().enumerate() {
            let line = at + 1;
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let done = match content.strip_prefix("algorithm") {
                Some(rest) if rest.trim_start().starts_with('=') => {
                    parse_algorithm(rest, line, &mut algorithm)
                }
                _ => parse_entry(content, line).map(|(path, entry)| {
                    entries.entry(path.as_str().into()).or_default().push(entry);
                }),
            };
            if let Err(text) = done {
                let file = file.to_owned();
                problems.push(Problem { file, line: Some(line), text, severity: Severity::Error });
            }
        }
        if problems.is_empty() {
            Ok(PathAuthz { entries, warnings: Vec::new() })
        } else {
            Err(problems)
        }
    }

    /// Everybody everything: what a missing file means.
    pub fn permit_all() -> PathAuthz {
        let entry = Entry { group: None, mask: u8::MAX, permit: true, line: 0 };
        PathAuthz { entries: HashMap::from([("/".into(), vec![entry])]), warnings: Vec::new() }
    }

    /// What is odd in the file but no error: groups this host does not know.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// May somebody of this local primary group do all of `needed` at `stfn`? Without a group only
    /// the `@ALL@` entries count.
    pub fn decide(&self, group: Option<&str>, stfn: &Stfn, needed: &[PathOperation]) -> Decision {
        let mut open = needed.iter().fold(0, |mask, operation| mask | operation.bit());
        let mut path = stfn.as_str();
        while open != 0 {
            for entry in self.entries.get(path).into_iter().flatten() {
                let applies = match &entry.group {
                    None => true,
                    Some(name) => group == Some(name),
                };
                if !applies || open & entry.mask == 0 {
                    continue;
                }
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
        if open == 0 { Decision::Permit } else { Decision::Undecided }
    }

    /// As [`PathAuthz::decide`], at all paths below `stfn` that entries name: for what is done to a
    /// whole tree. The first that does not permit it is the answer.
    pub fn decide_below(
        &self,
        group: Option<&str>,
        stfn: &Stfn,
        needed: &[PathOperation],
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
            .map(|path| self.decide(group, &path, needed))
            .find(|decision| *decision != Decision::Permit)
            .unwrap_or(Decision::Permit)
    }

    fn warn_of_unknown_groups(&mut self, file: &Path) {
        let mut known: HashMap<&str, bool> = HashMap::new();
        for entry in self.entries.values().flatten() {
            let Some(group) = entry.group.as_deref() else { continue };
            let there = *known
                .entry(group)
                .or_insert_with(|| matches!(nix::unistd::Group::from_name(group), Ok(Some(_))));
            if !there {
                self.warnings.push(Problem {
                    file: file.to_owned(),
                    line: Some(entry.line),
                    text: format!("this host knows no group {group:?}: the entry holds for nobody"),
                    severity: Severity::Warning,
                });
            }
        }
        self.warnings.sort_by_key(|problem| problem.line);
    }
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

fn parse_entry(content: &str, line: usize) -> Result<(Stfn, Entry), String> {
    let words: Vec<&str> = content.split_whitespace().take(6).collect();
    let &[subject, path, mask, verdict] = words.as_slice() else {
        return Err(format!(
            "expected four words \"<group|@ALL@|*> <path> <letters> <permit|deny>\", found {}",
            if words.len() > 5 { "more than five".to_owned() } else { words.len().to_string() }
        ));
    };
    let group = match subject {
        "@ALL@" | "*" => None,
        name if name.contains('@') => {
            return Err(format!("unknown subject {name:?}: expected a local group, @ALL@ or *"));
        }
        name => Some(name.into()),
    };
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
    Ok((path, Entry { group, mask: bits, permit, line }))
}

#[cfg(test)]
mod tests {
    use super::PathOperation::*;
    use super::*;

    fn db(text: &str) -> PathAuthz {
        PathAuthz::parse(text, Path::new("path-authz.db")).unwrap()
    }

    fn ask(db: &PathAuthz, group: Option<&str>, path: &str, needed: &[PathOperation]) -> Decision {
        db.decide(group, &Stfn::parse(path).unwrap(), needed)
    }

    #[test]
    fn a_whole_tree_is_judged_by_all_entries_below() {
        let text = "@ALL@ / WRFDLMN permit\n@ALL@ /a/b/c D deny\n@ALL@ /ab L deny\n";
        let authz = PathAuthz::parse(text, Path::new("path-authz.db")).unwrap();
        let below =
            |path: &str, needed| authz.decide_below(None, &Stfn::parse(path).unwrap(), &[needed]);
        assert_eq!(below("/a", PathOperation::Delete), Decision::Deny { line: 2 });
        assert_eq!(below("/", PathOperation::Delete), Decision::Deny { line: 2 });
        assert_eq!(below("/a/b/c", PathOperation::Delete), Decision::Permit);
        assert_eq!(below("/a", PathOperation::List), Decision::Permit, "/ab is not below /a");
    }

    #[test]
    fn the_installed_default_permits_everybody_everything() {
        let installed =
            db("# StoRM's own\nalgorithm=it.grid.storm.authz.path.model.PathAuthzAlgBestMatch\n\n\
             @ALL@\t/\tWRFDLMN\tpermit\n");
        for db in [installed, PathAuthz::load(Path::new("/nonexistent/p.db")).unwrap()] {
            assert_eq!(ask(&db, None, "/a/b", &PathOperation::ALL), Decision::Permit);
            assert_eq!(ask(&db, Some("g"), "/", &PathOperation::ALL), Decision::Permit);
        }
    }

    #[test]
    fn the_nearest_entry_that_names_the_letter_decides() {
        let db = db("@ALL@ / RL permit\n\
             prod /atlas WRFDLMN permit\n\
             @ALL@ /atlas/raw WD deny\n\
             prod /atlas/raw/new W permit\n\
             prod /atlas/raw/new/deep/below R deny\n");
        let prod = Some("prod");
        assert_eq!(ask(&db, prod, "/atlas/x", &[WriteFile, CreateFile]), Decision::Permit);
        assert_eq!(ask(&db, prod, "/atlas/raw/x", &[WriteFile]), Decision::Deny { line: 3 });
        assert_eq!(ask(&db, prod, "/atlas/raw/new/x", &[WriteFile]), Decision::Permit);
        // One letter denied denies all; the others are found further up.
        assert_eq!(
            ask(&db, prod, "/atlas/raw/new/x", &[WriteFile, Delete]),
            Decision::Deny { line: 3 }
        );
        // An entry below the target says nothing about it.
        assert_eq!(ask(&db, prod, "/atlas/raw/new/deep", &[ReadFile]), Decision::Permit);
        assert_eq!(ask(&db, Some("other"), "/atlas/x", &[WriteFile]), Decision::Undecided);
        assert_eq!(ask(&db, None, "/atlas/x", &[ReadFile, List]), Decision::Permit);
        assert_eq!(ask(&db, None, "/atlas/x", &[ReadFile, Rename]), Decision::Undecided);
        // By component.
        assert_eq!(ask(&db, prod, "/atlasX/f", &[WriteFile]), Decision::Undecided);
    }

    #[test]
    fn at_one_path_the_first_line_wins() {
        let text = "g /a W deny\n* /a/ W permit\n";
        assert_eq!(ask(&db(text), Some("g"), "/a/f", &[WriteFile]), Decision::Deny { line: 1 });
        assert_eq!(ask(&db(text), None, "/a/f", &[WriteFile]), Decision::Permit);
        let swapped = "* /a W permit\ng /a W deny\n";
        assert_eq!(ask(&db(swapped), Some("g"), "/a/f", &[WriteFile]), Decision::Permit);
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        for (content, words) in [
            ("@ALL@ / RL", "expected four words"),
            ("@ALL@ / RL permit # why", "found more than five"),
            ("@ALL@ / RL permitt", "expected permit or deny, found \"permitt\""),
            ("@ALL@ / RLX permit", "unknown letter 'X'"),
            ("@ALL@ / rl permit", "unknown letter 'r'"),
            ("@all@ / RL permit", "unknown subject \"@all@\""),
            ("g a RL permit", "does not begin with /"),
            ("g /a/../b RL permit", ". or .. part"),
            ("g /a/* RL permit", "no wildcards"),
            ("algorithm=it.grid.Other", "unknown algorithm"),
            ("permit", "expected four words"),
        ] {
            let text = format!("# head\n\n{content}\n@ALL@ / R permit\n");
            let problems = PathAuthz::parse(&text, Path::new("p")).unwrap_err();
            assert_eq!(problems.len(), 1, "{content}");
            assert_eq!(problems[0].line, Some(3), "{content}");
            assert!(problems[0].text.contains(words), "{content}: {}", problems[0].text);
        }
        let twice = format!("algorithm={BEST_MATCH}\nalgorithm={BEST_MATCH}\n");
        let problems = PathAuthz::parse(&twice, Path::new("p")).unwrap_err();
        assert!(problems[0].text.contains("the first is line 1"));
    }

    #[test]
    fn groups_the_host_does_not_know_are_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.db");
        std::fs::write(&file, "root / R permit\nno-such-group-here / W permit\n").unwrap();
        let db = PathAuthz::load(&file).unwrap();
        assert_eq!(db.warnings().iter().map(|w| w.line).collect::<Vec<_>>(), [Some(2)]);
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(PathAuthz::load(&file).is_err());
    }
}
