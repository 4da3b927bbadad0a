//! The ACL of a storage area (`<authz-db>` of namespace.xml): lines
//! `ace.N=dn:<pattern>|fqan:<pattern>|EVERYONE:<letters>:ALLOW|DENY`, read from the right, so that a
//! pattern may hold colons. In the order of N the first entry that names the caller and the letter
//! decides; where none does, the answer is no.

use std::path::{Path, PathBuf};

use super::dn_pattern::DnPattern;
use super::trace::Trace;
use super::watched::{Format, Watched};
use crate::config::{Problem, Severity};
use crate::model::{Fqan, Identity};

/// What is done to a storage area, one letter each (SRM v2.2, 3.1: space permissions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpaceOperation {
    /// `D`: release it.
    Release,
    /// `U`: change its size or lifetime.
    Update,
    /// `R`: read from it.
    Read,
    /// `W`: write to it.
    Write,
    /// `S`: stage to it.
    Stage,
    /// `C`: replicate from it.
    Replicate,
    /// `P`: purge from it.
    Purge,
    /// `Q`: ask about it.
    Query,
    /// `M`: change its ACL.
    ModifyAcl,
}

impl SpaceOperation {
    /// Every operation.
    pub const ALL: [SpaceOperation; 9] = [
        SpaceOperation::Release,
        SpaceOperation::Update,
        SpaceOperation::Read,
        SpaceOperation::Write,
        SpaceOperation::Stage,
        SpaceOperation::Replicate,
        SpaceOperation::Purge,
        SpaceOperation::Query,
        SpaceOperation::ModifyAcl,
    ];

    /// The letter in the file.
    pub const fn letter(self) -> char {
        match self {
            SpaceOperation::Release => 'D',
            SpaceOperation::Update => 'U',
            SpaceOperation::Read => 'R',
            SpaceOperation::Write => 'W',
            SpaceOperation::Stage => 'S',
            SpaceOperation::Replicate => 'C',
            SpaceOperation::Purge => 'P',
            SpaceOperation::Query => 'Q',
            SpaceOperation::ModifyAcl => 'M',
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The entries of one area's ACL.
#[derive(Clone, Debug, Default)]
pub struct AreaAcl {
    file: PathBuf,
    /// In the order of N.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    line: usize,
    subject: Subject,
    mask: u16,
    allow: bool,
}

#[derive(Clone, Debug)]
enum Subject {
    Everyone,
    Dn(DnPattern),
    Fqan(FqanPattern),
}

/// `/vo[/group...][/*][/Role=r]`: the group itself, with `/*` also those below it; without a role
/// only FQANs without one, with `Role=*` any.
#[derive(Clone, Debug)]
struct FqanPattern {
    group: String,
    below: bool,
    role: RolePattern,
}

#[derive(Clone, Debug)]
enum RolePattern {
    None,
    Any,
    Is(String),
}

impl Format for AreaAcl {
    /// Nobody nothing: so stands a file that is missing or broken for a closed area.
    fn absent() -> Self {
        Self::default()
    }

    /// Each problem with its line.
    fn parse(text: &str, file: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut problems = Vec::new();
        for (at, content) in text.lines().enumerate() {
            let content = content.trim();
            if content.is_empty() || content.starts_with(['#', '!']) {
                continue;
            }
            let done = parse_line(content, at + 1).and_then(|entry| {
                let Some(entry) = entry else { return Ok(()) };
                if entries.iter().any(|other| other.number == entry.number) {
                    return Err(format!("a second ace.{}: give it another number", entry.number));
                }
                entries.push(entry);
                Ok(())
            });
            if let Err(text) = done {
                let (file, line) = (file.to_owned(), Some(at + 1));
                problems.push(Problem { file, line, text, severity: Severity::Error });
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        entries.sort_by_key(|entry| entry.number);
        Ok((Self { file: file.to_owned(), entries }, Vec::new()))
    }
}

impl AreaAcl {
    /// What is wrong with a file; that it is missing, too. Its area is then closed.
    pub fn problems(file: &Path) -> Vec<Problem> {
        match file.try_exists() {
            Ok(true) => Watched::<Self>::open(file).err().unwrap_or_default(),
            _ => {
                let text = "there is no such file, so it denies everything".to_owned();
                let (file, severity) = (file.to_owned(), Severity::Error);
                vec![Problem { file, line: None, text, severity }]
            }
        }
    }

    /// May `who` do all of `needed` in this area?
    pub fn permits(&self, who: &Identity, needed: &[SpaceOperation], told: &mut Trace) -> bool {
        if matches!(who, Identity::Refused(_)) {
            return false;
        }
        let mut open = needed.iter().fold(0, |mask, operation| mask | operation.bit());
        for entry in &self.entries {
            if open & entry.mask != 0 && entry.subject.matches(who) {
                told.tell("space authorisation", || {
                    let verdict = if entry.allow { "allows" } else { "denies" };
                    let (file, line, number) = (self.file.display(), entry.line, entry.number);
                    format!("{file}:{line}: ace.{number} {verdict} {}", letters(open & entry.mask))
                });
                if !entry.allow {
                    return false;
                }
                open &= !entry.mask;
            }
        }
        if open != 0 {
            told.tell("space authorisation", || {
                format!("no entry of the authz-db allows {}", letters(open))
            });
        }
        open == 0
    }
}

/// As the file has them.
fn letters(mask: u16) -> String {
    SpaceOperation::ALL
        .into_iter()
        .filter(|operation| mask & operation.bit() != 0)
        .map(SpaceOperation::letter)
        .collect()
}

impl Subject {
    fn matches(&self, who: &Identity) -> bool {
        match (self, who.person()) {
            (Subject::Everyone, _) => true,
            (Subject::Dn(pattern), Some(person)) => pattern.matches(&person.dn),
            (Subject::Fqan(pattern), Some(person)) => {
                person.fqans.iter().any(|fqan| pattern.matches(fqan))
            }
            (_, None) => false,
        }
    }
}

impl FqanPattern {
    fn parse(text: &str) -> Result<Self, String> {
        let (path, role) = match text.split_once("/Role=") {
            None => (text, RolePattern::None),
            Some((path, "*")) => (path, RolePattern::Any),
            Some((path, "NULL")) => (path, RolePattern::None),
            Some((path, role)) => (path, RolePattern::Is(role.to_owned())),
        };
        let (group, below) = match path.strip_suffix("/*") {
            Some(group) => (group, true),
            None => (path, false),
        };
        // What is left of the wildcards must be an FQAN.
        let plain = match &role {
            RolePattern::Is(role) => format!("{group}/Role={role}"),
            RolePattern::None | RolePattern::Any => group.to_owned(),
        };
        Fqan::parse(&plain).map_err(|_| {
            format!("{text:?} is no FQAN pattern: expected /vo[/group][/*][/Role=role]")
        })?;
        Ok(Self { group: group.to_owned(), below, role })
    }

    fn matches(&self, fqan: &Fqan) -> bool {
        let (path, role) = match fqan.as_str().split_once("/Role=") {
            Some((path, tail)) => (path, tail.split('/').next()),
            None => (fqan.as_str(), None),
        };
        let path = path.split("/Capability=").next().unwrap_or(path);
        let group = match path.strip_prefix(self.group.as_str()) {
            Some("") => true,
            Some(rest) => self.below && rest.starts_with('/'),
            None => false,
        };
        group
            && match &self.role {
                RolePattern::None => role.is_none(),
                RolePattern::Any => true,
                RolePattern::Is(wanted) => role == Some(wanted.as_str()),
            }
    }
}

/// `None` for the head lines that say nothing about rights.
fn parse_line(content: &str, line: usize) -> Result<Option<Entry>, String> {
    let (key, value) = content.split_once('=').ok_or_else(|| {
        format!("expected ace.N=<subject>:<letters>:ALLOW|DENY, found {content:?}")
    })?;
    let (key, value) = (key.trim(), value.trim());
    if key.eq_ignore_ascii_case("type") || key.eq_ignore_ascii_case("version") {
        return Ok(None);
    }
    let number =
        key.strip_prefix("ace.").and_then(|digits| digits.parse::<u64>().ok()).ok_or_else(
            || format!("unknown key {key:?}: expected ace.N with a number, Type or Version"),
        )?;
    let short = || {
        format!(
            "expected dn:<pattern>, fqan:<pattern> or EVERYONE, then :<letters>:ALLOW|DENY, found {value:?}"
        )
    };
    let (head, verdict) = value.rsplit_once(':').ok_or_else(short)?;
    let (subject, letters) = head.rsplit_once(':').ok_or_else(short)?;
    let allow = match verdict.trim() {
        "ALLOW" => true,
        "DENY" => false,
        other => return Err(format!("expected ALLOW or DENY at the end, found {other:?}")),
    };
    let letters = letters.trim();
    if letters.is_empty() {
        return Err("there are no letters: expected some of DURWSCPQM".to_owned());
    }
    let mut mask = 0;
    for letter in letters.chars() {
        let operation = SpaceOperation::ALL.into_iter().find(|op| op.letter() == letter);
        mask |= operation
            .ok_or_else(|| {
                format!("unknown letter {letter:?} in {letters:?}: expected some of DURWSCPQM")
            })?
            .bit();
    }
    let subject = match subject.trim().split_once(':') {
        None if subject.trim() == "EVERYONE" => Subject::Everyone,
        Some(("dn", pattern)) => {
            Subject::Dn(DnPattern::parse(pattern).map_err(|error| error.to_string())?)
        }
        Some(("fqan", pattern)) => Subject::Fqan(FqanPattern::parse(pattern.trim())?),
        _ => return Err(short()),
    };
    Ok(Some(Entry { number, line, subject, mask, allow }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::SpaceOperation::*;
    use super::*;
    use crate::model::{Person, ProxyKind, Refusal};

    fn person(dn: &str, fqans: &[&str]) -> Identity {
        Identity::Person(Arc::new(Person {
            dn: dn.to_owned(),
            fqans: fqans.iter().map(|text| Fqan::parse(text).unwrap()).collect(),
            not_after: SystemTime::UNIX_EPOCH,
            proxy: ProxyKind::EndEntity,
            notes: Vec::new(),
            scope: None,
        }))
    }

    fn may(acl: &AreaAcl, who: &Identity, needed: &[SpaceOperation]) -> bool {
        acl.permits(who, needed, &mut Trace::off())
    }

    fn acl(text: &str) -> AreaAcl {
        AreaAcl::parse(text, Path::new("a.db")).unwrap().0
    }

    #[test]
    fn the_first_entry_in_the_order_of_its_number_decides() {
        let acl = acl("# our area\nType=file\nVersion=1.0,first\n\
             ace.10=EVERYONE:RQ:ALLOW\n\
             ace.2=fqan:/atlas/Role=production:RWSC:ALLOW\n\
             ace.1 = dn:/C=IT/CN=Bad.*:RW:DENY\n");
        let prod = person("/C=IT/CN=Good", &["/cms", "/atlas/Role=production"]);
        let bad = person("/C=IT/CN=Bad One", &["/atlas/Role=production"]);
        let other = person("/C=IT/CN=Good", &["/atlas"]);
        assert!(may(&acl, &prod, &[Read, Write, Query]));
        assert!(!may(&acl, &prod, &[Read, Release]));
        assert!(!may(&acl, &bad, &[Write]) && !may(&acl, &bad, &[Read]));
        assert!(may(&acl, &bad, &[Stage]));
        assert!(may(&acl, &other, &[Read]) && !may(&acl, &other, &[Write]));
        assert!(may(&acl, &Identity::Anonymous, &[Read]));
        assert!(!may(&acl, &Identity::Anonymous, &[Write]));
        let refused = Identity::Refused(Arc::new(Refusal::new(None, "old".into())));
        assert!(!may(&acl, &refused, &[Read]));
        assert!(!may(&AreaAcl::absent(), &prod, &[Read]));
    }

    #[test]
    fn fqan_patterns() {
        for (pattern, fqan, expected) in [
            ("/atlas", "/atlas", true),
            ("/atlas", "/atlas/de", false),
            ("/atlas", "/atlas-test", false),
            ("/atlas", "/atlas/Role=prod", false),
            ("/atlas/Role=*", "/atlas/Role=prod", true),
            ("/atlas/Role=*", "/atlas", true),
            ("/atlas/*", "/atlas/de/x", true),
            ("/atlas/*", "/atlas", true),
            ("/atlas/*", "/atlasX/de", false),
            ("/atlas/*/Role=prod", "/atlas/de/Role=prod", true),
            ("/atlas/*/Role=prod", "/atlas/de/Role=product", false),
        ] {
            let pattern_is = FqanPattern::parse(pattern).unwrap();
            assert_eq!(
                pattern_is.matches(&Fqan::parse(fqan).unwrap()),
                expected,
                "{pattern} {fqan}"
            );
        }
    }

    #[test]
    fn patterns_may_hold_colons() {
        let acl = acl("ace.1=dn:/CN=Robot: (a|b):W:ALLOW\n");
        assert!(may(&acl, &person("/CN=Robot: a", &[]), &[Write]));
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        for (content, words) in [
            ("nonsense", "expected ace.N="),
            ("ace.x=EVERYONE:R:ALLOW", "unknown key \"ace.x\""),
            ("ace.1=EVERYONE:R", "expected dn:<pattern>"),
            ("ace.1=EVERYONE:R:allow", "expected ALLOW or DENY"),
            ("ace.1=EVERYONE:RX:ALLOW", "unknown letter 'X'"),
            ("ace.1=EVERYONE::ALLOW", "no letters"),
            ("ace.1=NOBODY:R:ALLOW", "expected dn:<pattern>"),
            ("ace.1=dn:garbled:R:ALLOW", "no part of a DN pattern"),
            ("ace.1=fqan:atlas:R:ALLOW", "no FQAN pattern"),
            ("ace.7=EVERYONE:W:DENY", "a second ace.7"),
        ] {
            let text = format!("ace.7=EVERYONE:R:ALLOW\n\n{content}\n");
            let problems = AreaAcl::parse(&text, Path::new("a")).unwrap_err();
            assert_eq!((problems.len(), problems[0].line), (1, Some(3)), "{content}");
            assert!(problems[0].text.contains(words), "{content}: {}", problems[0].text);
        }
    }
}
