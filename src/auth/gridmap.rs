//! grid-mapfile and groupmapfile: `"<DN or FQAN pattern>" account[,account…]`, as LCMAPS and Globus
//! read them.
//!
//! `#` begins a comment line; quotes may be left out around what holds no blanks; `\"`, `\\` and `\xHH`
//! are escapes. The first line that matches counts. A name that begins with a dot is a pool of
//! accounts. DNs are compared by value, FQAN patterns are [`Glob`]s. A line that does not read is warned
//! of and maps nobody: such files come from many hands.

use std::collections::HashMap;
use std::path::Path;

use super::dn::{comparable_entry, comparable_line};
use super::glob::Glob;
use super::watched::Format;
use crate::config::{Problem, Severity};
use crate::model::{Fqan, Person};

/// A line that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 1.
    pub line: usize,
    /// The DN or pattern, as written.
    pub subject: String,
    /// The account, group, or pool (without its dot) that it names.
    pub name: String,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A DN, comparable.
    Dn(String),
    /// A pattern for FQANs, without `Role=NULL` and `Capability=NULL`.
    Fqan(String),
}

/// Lines by what they are about; the first in the file wins.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    entries: Vec<Entry>,
    dns: HashMap<String, usize>,
    fqans: HashMap<String, usize>,
    globs: Vec<(Glob, usize)>,
}

impl Lines {
    pub(super) fn push(&mut self, subject: Subject, entry: Entry) {
        let at = self.entries.len();
        match subject {
            Subject::Dn(dn) => {
                self.dns.entry(dn).or_insert(at);
            }
            Subject::Fqan(pattern) if Glob::is_needed(&pattern) => {
                self.globs.push((Glob::parse(&pattern), at));
            }
            Subject::Fqan(fqan) => {
                self.fqans.entry(fqan).or_insert(at);
            }
        }
        self.entries.push(entry);
    }

    /// The first line about a DN in its one-line form.
    pub(super) fn of_dn(&self, dn: &str) -> Option<&Entry> {
        if self.dns.is_empty() {
            return None;
        }
        self.entries.get(*self.dns.get(&comparable_line(dn))?)
    }

    /// The first line about an FQAN.
    pub(super) fn of_fqan(&self, fqan: &Fqan) -> Option<&Entry> {
        let exact = self.fqans.get(fqan.as_str()).copied();
        let glob = self.globs.iter().find(|(glob, _)| glob.matches(fqan.as_str()));
        let glob = glob.map(|(_, at)| *at);
        self.entries.get(exact.into_iter().chain(glob).min()?)
    }
}

/// grid-mapfile: DN or FQAN to account or pool.
#[derive(Clone, Debug, Default)]
pub struct GridMap {
    accounts: Lines,
    pools: Lines,
}

impl GridMap {
    /// True when some line names a pool.
    pub fn has_pools(&self) -> bool {
        !self.pools.entries.is_empty()
    }

    /// The account of the first FQAN that a line names one for.
    pub fn account_by_fqan(&self, person: &Person) -> Option<&Entry> {
        person.fqans.iter().find_map(|fqan| self.accounts.of_fqan(fqan))
    }

    /// The pool of the first FQAN that a line names one for.
    pub fn pool_by_fqan(&self, person: &Person) -> Option<&Entry> {
        person.fqans.iter().find_map(|fqan| self.pools.of_fqan(fqan))
    }

    /// The pool of the DN.
    pub fn pool_by_dn(&self, person: &Person) -> Option<&Entry> {
        self.pools.of_dn(&person.dn)
    }

    /// The account of the DN.
    pub fn account_by_dn(&self, person: &Person) -> Option<&Entry> {
        self.accounts.of_dn(&person.dn)
    }

    /// The accounts of all FQANs, in their order.
    pub fn accounts_by_fqans<'a>(&'a self, person: &'a Person) -> impl Iterator<Item = &'a Entry> {
        person.fqans.iter().filter_map(|fqan| self.accounts.of_fqan(fqan))
    }

    /// Adds a line. An error is one line for the administrator.
    pub fn add(&mut self, line: usize, subject: &str, names: &str) -> Result<(), String> {
        let parsed = parse_subject(subject)?;
        let names: Vec<&str> = names.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        if names.is_empty() {
            return Err(format!("{subject:?} names no account"));
        }
        let entry = |name: &str| Entry { line, subject: subject.to_owned(), name: name.to_owned() };
        // Of several, the first of each sort is the one that LCMAPS takes.
        if let Some(account) = names.iter().find(|name| !name.starts_with('.')) {
            self.accounts.push(parsed.clone(), entry(account));
        }
        if let Some(pool) = names.iter().find_map(|name| name.strip_prefix('.')) {
            if pool.is_empty() || pool.contains('/') {
                return Err(format!("{subject:?} names a pool without a name"));
            }
            self.pools.push(parsed, entry(pool));
        }
        Ok(())
    }
}

impl Format for GridMap {
    fn absent() -> Self {
        Self::default()
    }

    fn parse(text: &str, file: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut map = Self::default();
        let warnings = each_line(text, file, Severity::Warning, false, |line, subject, rest| {
            map.add(line, &subject, rest)
        });
        Ok((map, warnings))
    }
}

/// groupmapfile: FQAN to group.
#[derive(Clone, Debug, Default)]
pub struct GroupMap {
    groups: Lines,
}

impl GroupMap {
    /// The group of an FQAN.
    pub fn group(&self, fqan: &Fqan) -> Option<&Entry> {
        self.groups.of_fqan(fqan)
    }
}

impl Format for GroupMap {
    fn absent() -> Self {
        Self::default()
    }

    fn parse(text: &str, file: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut map = Self::default();
        let warnings = each_line(text, file, Severity::Warning, false, |line, subject, rest| {
            let parsed = parse_subject(&subject)?;
            if matches!(parsed, Subject::Dn(_)) {
                return Err(format!("{subject:?} is a DN: groups are mapped from FQANs"));
            }
            let name = rest.split(',').next().unwrap_or_default().trim();
            if name.is_empty() || name.starts_with('.') {
                return Err(format!(
                    "{subject:?} names no group (pools of groups are not offered)"
                ));
            }
            map.groups.push(parsed, Entry { line, name: name.to_owned(), subject });
            Ok(())
        });
        Ok((map, warnings))
    }
}

/// Calls `take` with number, subject and first word after it, for each line that holds something; its
/// errors become problems. `whole`: a subject without quotes is all of its line.
pub(super) fn each_line(
    text: &str,
    file: &Path,
    severity: Severity,
    whole: bool,
    mut take: impl FnMut(usize, String, &str) -> Result<(), String>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, content) in text.lines().enumerate() {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let line = at + 1;
        let done = split(content, whole).and_then(|(subject, rest)| {
            take(line, subject, rest.split_whitespace().next().unwrap_or_default())
        });
        if let Err(text) = done {
            problems.push(Problem { file: file.to_owned(), line: Some(line), text, severity });
        }
    }
    problems
}

/// The subject, unescaped, and what follows it.
fn split(content: &str, whole: bool) -> Result<(String, &str), String> {
    let (body, quoted) = match content.strip_prefix('"') {
        Some(body) => (body, true),
        None => (content, false),
    };
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    loop {
        let Some(c) = rest.chars().next() else {
            if quoted {
                return Err("a quote is opened and not closed".to_owned());
            }
            break;
        };
        if if quoted { c == '"' } else { c.is_whitespace() && !whole } {
            rest = &rest[c.len_utf8()..];
            break;
        }
        let (taken, length) = unescape(rest).unwrap_or_else(|| {
            let length = c.len_utf8();
            (rest.as_bytes()[..length].to_vec(), length)
        });
        bytes.extend(taken);
        rest = &rest[length..];
    }
    // `\xHH` gives bytes, of whatever character set.
    let subject = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect());
    Ok((subject, rest))
}

/// What an escape at the beginning of `text` stands for, and its length. Others stay as they are: `\/` is
/// OpenSSL's, control characters stand so in our DNs.
fn unescape(text: &str) -> Option<(Vec<u8>, usize)> {
    let after = text.strip_prefix('\\')?;
    match after.as_bytes().first()? {
        &c @ (b'"' | b'\\') => Some((vec![c], 2)),
        b'x' => {
            let byte = u8::from_str_radix(after.get(1..3)?, 16).ok()?;
            (!byte.is_ascii_control()).then(|| (vec![byte], 4))
        }
        _ => None,
    }
}

/// A DN begins with `/KEY=`, an FQAN with `/vo`.
pub(super) fn parse_subject(text: &str) -> Result<Subject, String> {
    let wrong = || format!("{text:?} is neither a DN (/C=IT/…) nor an FQAN pattern (/vo/…)");
    let body = text.strip_prefix('/').ok_or_else(wrong)?;
    let first = body.split('/').next().unwrap_or_default();
    if first.is_empty() {
        return Err(wrong());
    }
    if first.contains('=') {
        return Ok(Subject::Dn(comparable_entry(text)));
    }
    let mut pattern = text;
    for null in ["/Capability=NULL", "/Role=NULL"] {
        pattern = pattern.strip_suffix(null).unwrap_or(pattern);
    }
    Ok(Subject::Fqan(pattern.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::model::ProxyKind;

    fn person(dn: &str, fqans: &[&str]) -> Person {
        Person {
            dn: dn.to_owned(),
            fqans: fqans.iter().map(|text| Fqan::parse(text).unwrap()).collect(),
            not_after: SystemTime::UNIX_EPOCH,
            proxy: ProxyKind::EndEntity,
            notes: Vec::new(),
            scope: None,
        }
    }

    fn map(text: &str) -> GridMap {
        let (map, warnings) = GridMap::parse(text, Path::new("g")).unwrap();
        assert_eq!(warnings, []);
        map
    }

    fn name(entry: Option<&Entry>) -> &str {
        entry.map_or("", |entry| &entry.name)
    }

    #[test]
    fn lines_as_sites_write_them() {
        let map = map("# head\n\n\
             \"/C=IT/O=x/CN=Quo\\\"te\" a1\n\
             \"/C=IT/O=x/CN=back\\\\slash\" a2\n\
             \"/C=IT/O=x/CN=hex\\x41b \\xC3\\x9C\" a3\n\
             /C=IT/CN=Bare a4,other\n\
             \"/C=IT/O=x/Email=a@b\" a5\n\
             \"/C=IT/CN=host\\/se.example\" a6\n\
             \t\"/DC=ch/CN=Pool\"   .pool,fixed   # why\n\
             \"/C=IT/CN=Bare\" second\n");
        for (dn, account) in [
            ("/C=IT/O=x/CN=Quo\"te", "a1"),
            ("/C=IT/O=x/CN=back\\slash", "a2"),
            ("/C=IT/O=x/CN=hexAb Ü", "a3"),
            ("/C=IT/CN=Bare", "a4"),
            ("/C=IT/O=x/emailAddress=a@b", "a5"),
            ("/C=IT/CN=host/se.example", "a6"),
            ("/DC=ch/CN=Pool", "fixed"),
            ("/C=IT/CN=Bar", ""),
            ("/C=IT/CN=Bare/CN=x", ""),
        ] {
            assert_eq!(name(map.account_by_dn(&person(dn, &[]))), account, "{dn}");
        }
        assert_eq!(map.pool_by_dn(&person("/DC=ch/CN=Pool", &[])).unwrap().line, 9);
        assert_eq!(map.account_by_dn(&person("/C=IT/CN=Bare", &[])).unwrap().line, 6);
    }

    #[test]
    fn the_first_fqan_that_a_line_names_counts_and_of_its_lines_the_first() {
        let map = map("\"/dteam/Role=lcgadmin\" dteamsgm\n\
             \"/dteam/ops/Role=NULL/Capability=NULL\" ops\n\
             \"/dteam*\" .dteam\n\
             \"/dteam\" late\n\
             \"/dteam/*\" groups\n");
        for (fqans, account, pool) in [
            (&["/dteam", "/dteam/Role=lcgadmin"][..], "late", "dteam"),
            (&["/other", "/dteam/Role=lcgadmin", "/dteam"], "dteamsgm", "dteam"),
            (&["/dteam/ops"], "ops", "dteam"),
            (&["/dteam/x/Role=y"], "groups", "dteam"),
            (&["/dteamX"], "", "dteam"),
            (&["/other"], "", ""),
            (&[], "", ""),
        ] {
            let person = person("/CN=x", fqans);
            assert_eq!(name(map.account_by_fqan(&person)), account, "{fqans:?}");
            assert_eq!(name(map.pool_by_fqan(&person)), pool, "{fqans:?}");
        }
    }

    #[test]
    fn a_line_that_does_not_read_maps_nobody() {
        let text = "\"/CN=open a\nCN=x a\n\"/CN=x\"\n/ a\n\"/CN=p\" .\n\"/CN=good\" a\n";
        let (map, warnings) = GridMap::parse(text, Path::new("g")).unwrap();
        assert_eq!(warnings.iter().map(|w| w.line.unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(name(map.account_by_dn(&person("/CN=good", &[]))), "a");
        let text = "\"/C=IT/CN=x\" g\n\"/vo\" .pool\n\"/vo/a\" g,h\n";
        let (map, warnings) = GroupMap::parse(text, Path::new("g")).unwrap();
        assert_eq!(warnings.len(), 2);
        assert_eq!(name(map.group(&Fqan::parse("/vo/a").unwrap())), "g");
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_with_an_answer(text in "[\"\\\\x0-9a-f/=*\\[\\]!é, .#\n-]{0,120}") {
            let file = Path::new("f");
            let (map, _) = GridMap::parse(&text, file).unwrap();
            let person = person("/C=IT/CN=x", &["/vo/a", "/x"]);
            let _ = (map.account_by_dn(&person), map.pool_by_fqan(&person));
            let _ = GroupMap::parse(&text, file).unwrap();
            let _ = crate::auth::ban::BanList::parse(&text, file);
            let _ = crate::auth::path_authz::PathAuthz::parse(&text, file);
        }
    }
}
