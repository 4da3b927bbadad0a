//! Patterns for FQANs as grid-mapfiles, groupmapfiles and ban lists write them: `*`, `?` and `[…]` as
//! the shell has them, where `*` takes in slashes too (LCMAPS reads them so). Case counts.

/// A pattern. What holds no wildcard is compared whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    /// What stands before the first wildcard: most patterns end here for most texts.
    prefix: String,
    /// All that follows.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Is(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `[a-z]`, `[!a-z]`: inclusive ranges, and whether they are meant.
    Among(Vec<(char, char)>, bool),
}

impl Glob {
    /// Parses. An unclosed `[` stands for itself.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let (prefix, mut rest) = text.split_at(text.find(['*', '?', '[']).unwrap_or(text.len()));
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            parts.push(match c {
                // Two in a row mean no more than one.
                '*' if parts.last() == Some(&Part::Any) => continue,
                '*' => Part::Any,
                '?' => Part::One,
                '[' => match among(rest) {
                    Some((part, after)) => {
                        rest = after;
                        part
                    }
                    None => Part::Is('['),
                },
                c => Part::Is(c),
            });
        }
        Self { prefix: prefix.to_owned(), parts }
    }

    /// True when `text` holds a wildcard.
    pub(super) fn is_needed(text: &str) -> bool {
        text.contains(['*', '?', '['])
    }

    /// Does all of `text` match? At most (length of the text) × (length of the pattern) steps.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(text) = text.strip_prefix(&self.prefix) else { return false };
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut part) = (0, 0);
        // Where to go on when the last `*` has to take in one character more.
        let mut again: Option<(usize, usize)> = None;
        loop {
            match (self.parts.get(part), text.get(at)) {
                (Some(Part::Any), _) => {
                    again = Some((part + 1, at));
                    part += 1;
                    continue;
                }
                (Some(one), Some(c)) if one.takes(*c) => {
                    part += 1;
                    at += 1;
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            match again {
                Some((after, from)) if from < text.len() => {
                    again = Some((after, from + 1));
                    part = after;
                    at = from + 1;
                }
                _ => return false,
            }
        }
    }
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Part::Is(own) => *own == c,
            Part::One | Part::Any => true,
            Part::Among(ranges, meant) => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) == *meant
            }
        }
    }
}

/// What follows a `[`: the set, and the text after its `]`.
fn among(text: &str) -> Option<(Part, &str)> {
    let (body, meant) = match text.strip_prefix(['!', '^']) {
        Some(body) => (body, false),
        None => (text, true),
    };
    // A `]` right at the beginning is one of the set.
    let first = body.chars().next()?.len_utf8();
    let end = first + body[first..].find(']')?;
    let set: Vec<char> = body[..end].chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&low) = set.get(at) {
        match (set.get(at + 1), set.get(at + 2)) {
            (Some('-'), Some(&high)) => {
                ranges.push((low, high));
                at += 3;
            }
            _ => {
                ranges.push((low, low));
                at += 1;
            }
        }
    }
    Some((Part::Among(ranges, meant), &body[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_shell_has_them() {
        for (pattern, text, expected) in [
            ("/dteam", "/dteam", true),
            ("/dteam", "/dteam/x", false),
            ("/dteam", "/DTEAM", false),
            ("/dteam*", "/dteam", true),
            ("/dteam*", "/dteam/Role=lcgadmin", true),
            ("/dteam/*", "/dteam", false),
            ("/dteam/*", "/dteam/a/b", true),
            ("/dteam/*/deep", "/dteam/a/b/deep", true),
            ("/dteam/*/deep", "/dteam/a/b/deeper", false),
            ("/dteam/q?x", "/dteam/qzx", true),
            ("/dteam/q?x", "/dteam/qx", false),
            ("/d/b[ab]", "/d/ba", true),
            ("/d/b[ab]", "/d/bc", false),
            ("/d/b[!a-c]", "/d/bd", true),
            ("/d/b[!a-c]", "/d/bb", false),
            ("/d/[]]", "/d/]", true),
            ("/d/[a", "/d/[a", true),
            ("**", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("ü*", "üx", true),
        ] {
            assert_eq!(Glob::parse(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let begun = std::time::Instant::now();
        assert!(!Glob::parse(&("*a".repeat(500) + "c")).matches(&"a".repeat(4000)));
        assert!(begun.elapsed().as_secs() < 5);
    }
}
