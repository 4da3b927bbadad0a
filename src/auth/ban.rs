//! The ban list: whose requests are refused before anything else is asked. One DN or FQAN pattern a
//! line, as in LCAS' and LCMAPS' ban files: quoted, or bare and then the whole line (a DN may hold
//! blanks); `#` begins a comment line. DNs are compared by value. A line that does not read is an error:
//! whoever it should keep out would get in.

use std::path::{Path, PathBuf};

use super::dn::comparable_line;
use super::glob::Glob;
use super::gridmap::{Entry, Lines, Subject, each_line, parse_subject};
use super::trace::Trace;
use super::watched::Format;
use crate::config::{Problem, Severity};
use crate::model::Person;

/// Who is banned.
#[derive(Clone, Debug, Default)]
pub struct BanList {
    file: PathBuf,
    lines: Lines,
    /// DNs with wildcards: rather one too many kept out than one let in.
    dn_patterns: Vec<(Glob, Entry)>,
}

impl BanList {
    /// True when a line names the DN or one of the FQANs.
    pub fn bans(&self, person: &Person, told: &mut Trace) -> bool {
        let by_fqan = || person.fqans.iter().find_map(|fqan| self.lines.of_fqan(fqan));
        let by_dn_pattern = || {
            let dn = (!self.dn_patterns.is_empty()).then(|| comparable_line(&person.dn))?;
            self.dn_patterns.iter().find(|(glob, _)| glob.matches(&dn)).map(|(_, entry)| entry)
        };
        let found = self.lines.of_dn(&person.dn).or_else(by_dn_pattern).or_else(by_fqan);
        told.tell("ban list", || match found {
            Some(entry) => {
                format!("{}:{}: {:?} is banned", self.file.display(), entry.line, entry.subject)
            }
            None => "neither the DN nor an FQAN is banned".to_owned(),
        });
        found.is_some()
    }
}

impl Format for BanList {
    fn absent() -> Self {
        Self::default()
    }

    fn parse(text: &str, file: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut list = Self { file: file.to_owned(), ..Self::default() };
        let problems = each_line(text, file, Severity::Error, true, |line, subject, _| {
            let parsed = parse_subject(&subject)?;
            let entry = Entry { line, subject, name: String::new() };
            match &parsed {
                Subject::Dn(dn) if dn.contains(['*', '?']) => {
                    list.dn_patterns.push((Glob::parse(dn), entry));
                }
                _ => list.lines.push(parsed, entry),
            }
            Ok(())
        });
        if problems.is_empty() { Ok((list, Vec::new())) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::model::{Fqan, ProxyKind};

    #[test]
    fn by_dn_and_by_fqan() {
        let text = "# who\n\"/C=IT/O=x/CN=Bad Person\"\n/C=IT/O=x/CN=Bare Person, Jr.\n\
                    /C=IT/CN=host\\/se.example\n\"/bad.vo\"\n/vo/Role=out*\n/C=XX/*\n";
        let (list, _) = BanList::parse(text, Path::new("b")).unwrap();
        for (dn, fqans, line) in [
            ("/C=IT/O=x/CN=Bad Person", &[][..], 2),
            ("/C=IT/O=x/CN=Bare Person, Jr.", &[], 3),
            ("/C=IT/CN=host/se.example", &[], 4),
            ("/C=IT/CN=x", &["/vo", "/bad.vo"], 5),
            ("/C=IT/CN=x", &["/vo/Role=outcast"], 6),
            ("/c=xx/CN=Anybody", &[], 7),
            ("/C=XY/CN=Anybody", &[], 0),
            ("/C=IT/CN=x", &["/bad.vo2", "/vo", "/vo/Role=in"], 0),
            ("/C=IT/O=x/CN=Bad Person/CN=x", &[], 0),
            ("/C=IT/O=x/CN=Bad Person 2", &[], 0),
            ("/C=IT/O=x/CN=Bare Person", &[], 0),
        ] {
            let person = Person {
                dn: dn.to_owned(),
                fqans: fqans.iter().map(|text| Fqan::parse(text).unwrap()).collect(),
                not_after: SystemTime::UNIX_EPOCH,
                proxy: ProxyKind::EndEntity,
                notes: Vec::new(),
                scope: None,
            };
            let mut told = Trace::on();
            assert_eq!(list.bans(&person, &mut told), line > 0, "{dn} {fqans:?}");
            let place = format!("b:{line}: ");
            assert!(line == 0 || told.steps()[0].found.starts_with(&place), "{told:?}");
        }
    }

    #[test]
    fn what_does_not_read_is_an_error() {
        for bad in ["CN=x", "\"/C=IT/CN=x", "nobody@example.org", "//"] {
            let problems = BanList::parse(&format!("# a\n{bad}\n"), Path::new("b")).unwrap_err();
            assert_eq!((problems.len(), problems[0].line), (1, Some(2)), "{bad}");
        }
    }
}
