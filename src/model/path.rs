//! Paths that cannot lead anywhere else: no `..`, no NUL, no empty part.

use std::fmt;

/// Names with this prefix are stormd's own (puts that are not done, uploads under way). They are
/// hidden in every listing and refused at every door.
pub const HIDDEN_PREFIX: &str = ".storm.";

/// Longest path that is taken, in bytes (Linux `PATH_MAX`).
pub const MAX_PATH: usize = 4096;
/// Longest single name, in bytes (Linux `NAME_MAX`).
const MAX_NAME: usize = 255;

/// Why a text is no path of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// StFNs are absolute.
    #[error("the path does not begin with /")]
    NotAbsolute,
    /// `..` above `/`.
    #[error("the path leads above /")]
    AboveRoot,
    /// `.` or `..` where they are not resolved (HTTP targets).
    #[error("the path holds a . or .. part")]
    DotSegment,
    /// A NUL byte.
    #[error("the path holds a NUL byte")]
    Nul,
    /// A name that begins with [`HIDDEN_PREFIX`].
    #[error("names that begin with .storm. are kept for stormd itself")]
    Hidden,
    /// Longer than the file system takes.
    #[error("the path or one of its names is too long")]
    TooLong,
    /// Not UTF-8 after percent-decoding.
    #[error("the path is not UTF-8")]
    NotUtf8,
}

/// Site file name: the absolute path part of a SURL or of an HTTP target, e.g. `/atlas/f`.
/// `/` alone is the top.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stfn(String);

impl Stfn {
    /// The top, `/`.
    pub fn top() -> Self {
        Self("/".to_owned())
    }

    /// Parses a decoded SURL path: empty parts are dropped, `.` and `..` resolved lexically.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Self::build(text, true)
    }

    /// Parses a decoded HTTP path: empty parts are dropped, `.` and `..` refused.
    pub fn parse_strict(text: &str) -> Result<Self, PathError> {
        Self::build(text, false)
    }

    fn build(text: &str, resolve: bool) -> Result<Self, PathError> {
        if !text.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" => {}
                "." | ".." if !resolve => return Err(PathError::DotSegment),
                "." => {}
                ".." => {
                    parts.pop().ok_or(PathError::AboveRoot)?;
                }
                name => {
                    check_name(name)?;
                    parts.push(name);
                }
            }
        }
        let path = format!("/{}", parts.join("/"));
        if path.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        Ok(Self(path))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names, from the top.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|p| !p.is_empty())
    }

    /// The last name; `None` for the top.
    pub fn name(&self) -> Option<&str> {
        self.parts().last()
    }

    /// The directory that holds this; `None` for the top.
    pub fn parent(&self) -> Option<Self> {
        let (head, _) = self.0.rsplit_once('/')?;
        if self.0.len() == 1 {
            return None;
        }
        Some(Self(if head.is_empty() { "/".to_owned() } else { head.to_owned() }))
    }

    /// This directory's entry `name`.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        check_name(name)?;
        let head = if self.0 == "/" { "" } else { &self.0 };
        Ok(Self(format!("{head}/{name}")))
    }

    /// What is left of this path below `root`, by component: `/dteam` encloses `/dteam/a`, not
    /// `/dteamX`. `None` when `root` does not enclose it.
    pub fn below(&self, root: &Stfn) -> Option<RelPath> {
        if root.0 == "/" {
            return Some(RelPath(self.0[1..].to_owned()));
        }
        let rest = self.0.strip_prefix(root.0.as_str())?;
        if rest.is_empty() {
            return Some(RelPath::root());
        }
        rest.strip_prefix('/').map(|r| RelPath(r.to_owned()))
    }

    /// `path` below this.
    pub fn descend(&self, path: &RelPath) -> Self {
        match (self.0.as_str(), path.0.as_str()) {
            (_, "") => self.clone(),
            ("/", rest) => Self(format!("/{rest}")),
            (head, rest) => Self(format!("{head}/{rest}")),
        }
    }
}

impl fmt::Display for Stfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Stfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A path below a storage area's root, without a leading `/`; empty for the root itself.
/// It can hold no `..`, no `.`, no NUL and no empty part.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(String);

impl RelPath {
    /// The area's root.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Reads back what [`RelPath::as_str`] gave (from the store). Checked again all the same.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if text.split('/').any(|p| matches!(p, "" | "." | "..")) {
            return Err(PathError::DotSegment);
        }
        if text.len() > MAX_PATH || text.split('/').any(|p| p.len() > MAX_NAME) {
            return Err(PathError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as text: `a/b`, or empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the area's root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last name; `None` for the root.
    pub fn name(&self) -> Option<&str> {
        if self.is_root() { None } else { self.0.rsplit('/').next() }
    }

    /// The directory that holds this; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or(String::new(), |(head, _)| head.to_owned())))
    }

    /// This directory's entry `name`. Unlike [`Stfn::join`] it takes hidden names: the core itself
    /// makes those.
    pub fn join(&self, name: &str) -> Self {
        debug_assert!(!name.contains('/') && !matches!(name, "" | "." | ".."));
        Self(if self.is_root() { name.to_owned() } else { format!("{}/{name}", self.0) })
    }

    /// What is left of this path below `root`, by component; `None` when `root` does not enclose it.
    pub fn below(&self, root: &RelPath) -> Option<RelPath> {
        if root.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(root.0.as_str())? {
            "" => Some(Self::root()),
            rest => rest.strip_prefix('/').map(|rest| Self(rest.to_owned())),
        }
    }

    /// `path` below this.
    pub fn descend(&self, path: &RelPath) -> Self {
        match (self.0.as_str(), path.0.as_str()) {
            (_, "") => self.clone(),
            ("", _) => path.clone(),
            (head, rest) => Self(format!("{head}/{rest}")),
        }
    }

    /// True when `self` is `other` or lies below it.
    pub fn is_within(&self, other: &RelPath) -> bool {
        other.is_root()
            || self
                .0
                .strip_prefix(other.0.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

fn check_name(name: &str) -> Result<(), PathError> {
    if name.starts_with(HIDDEN_PREFIX) {
        return Err(PathError::Hidden);
    }
    if name.len() > MAX_NAME {
        return Err(PathError::TooLong);
    }
    if name.contains('\0') {
        return Err(PathError::Nul);
    }
    if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
        return Err(PathError::DotSegment);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn resolves_dot_segments_lexically() {
        assert_eq!(Stfn::parse("/sa/a/../b").unwrap().as_str(), "/sa/b");
        assert_eq!(Stfn::parse("//sa/./b//").unwrap().as_str(), "/sa/b");
        assert_eq!(Stfn::parse("/sa/../..").unwrap_err(), PathError::AboveRoot);
        assert_eq!(Stfn::parse("/").unwrap(), Stfn::top());
    }

    #[test]
    fn refuses_what_could_lead_elsewhere() {
        assert_eq!(Stfn::parse_strict("/a/../b").unwrap_err(), PathError::DotSegment);
        assert_eq!(Stfn::parse("a").unwrap_err(), PathError::NotAbsolute);
        assert_eq!(Stfn::parse("/a\0").unwrap_err(), PathError::Nul);
        assert_eq!(Stfn::parse("/a/.storm.x").unwrap_err(), PathError::Hidden);
        assert_eq!(RelPath::parse("a/../b").unwrap_err(), PathError::DotSegment);
        assert_eq!(RelPath::parse("/a").unwrap_err(), PathError::DotSegment);
    }

    #[test]
    fn encloses_by_component() {
        let root = Stfn::parse("/dteam").unwrap();
        assert_eq!(Stfn::parse("/dteam/a").unwrap().below(&root).unwrap().as_str(), "a");
        assert_eq!(Stfn::parse("/dteam").unwrap().below(&root), Some(RelPath::root()));
        assert_eq!(Stfn::parse("/dteamX").unwrap().below(&root), None);
    }

    #[test]
    fn parents_and_names() {
        let path = Stfn::parse("/a/b").unwrap();
        assert_eq!(path.name(), Some("b"));
        assert_eq!(path.parent().unwrap().parent().unwrap(), Stfn::top());
        assert_eq!(Stfn::top().parent(), None);
        assert_eq!(RelPath::parse("a/b").unwrap().parent().unwrap().as_str(), "a");
        assert_eq!(RelPath::parse("a").unwrap().parent(), Some(RelPath::root()));
        let (a, ab) = (RelPath::parse("a").unwrap(), RelPath::parse("a/b").unwrap());
        assert_eq!(ab.below(&a).unwrap(), RelPath::parse("b").unwrap());
        assert_eq!(ab.below(&RelPath::root()), Some(ab.clone()));
        assert_eq!(a.below(&a), Some(RelPath::root()));
        assert_eq!(RelPath::parse("ab").unwrap().below(&a), None);
        assert_eq!(a.descend(&RelPath::parse("b").unwrap()), ab);
        assert_eq!(RelPath::root().descend(&ab), ab);
    }

    proptest! {
        #[test]
        fn parsed_paths_stay_clean(text in "/[a-z./\\x00]{0,40}") {
            if let Ok(path) = Stfn::parse(&text) {
                prop_assert!(path.parts().all(|p| !matches!(p, "" | "." | "..") && !p.contains('\0')));
                prop_assert_eq!(Stfn::parse(path.as_str()).unwrap(), path.clone());
                let rel = path.below(&Stfn::top()).unwrap();
                prop_assert_eq!(RelPath::parse(rel.as_str()).unwrap(), rel);
            }
        }
    }
}
