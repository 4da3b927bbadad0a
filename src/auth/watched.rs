//! A file that is read again when it changed, where the last good content is kept: grid-mapfile,
//! groupmapfile, ban list, path-authz.db, the areas' authz-db files.
//!
//! Whoever asks for the content looks at the file first (one `stat`, some times a second at most). A
//! file that changed a moment ago is left alone until its writer has been quiet. One that is gone, has
//! become empty, ends within a line, or does not read changes nothing, and the log says so once: nobody gets back in, and
//! nobody is put out, because a disk was full or an editor half way.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;

use crate::config::{Problem, Severity};

/// Between two looks at a file.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a writer must have been quiet.
const QUIET: Duration = Duration::from_millis(500);
/// The same for a file that ends within a line.
const LONG_QUIET: Duration = Duration::from_secs(10);
/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// What such a file holds.
pub trait Format: Send + Sync + Sized + 'static {
    /// It is only ever replaced whole: a change holds at once, and nobody waits for a writer to be
    /// quiet.
    const WRITTEN_WHOLE: bool = false;

    /// What a file that is not there means.
    fn absent() -> Self;

    /// Reads the text: the content and its warnings, or what is wrong with it, by line.
    fn parse(text: &str, file: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>>;
}

/// The content of a file, as new as it can be trusted to be.
#[derive(Debug)]
pub struct Watched<T> {
    path: PathBuf,
    content: ArcSwap<T>,
    /// When to look next, in milliseconds of [`clock`].
    due: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The file that `content` came from.
    taken: Option<Stamp>,
    /// A newer one that is still being written, as far as one can tell, and since when it looks so.
    changing: Option<(Stamp, Instant)>,
    /// That file ended with the end of a line.
    ended: bool,
    /// What was told of already; `Some(None)`: that it is gone.
    told: Option<Option<Stamp>>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(about: &Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

impl<T: Format> Watched<T> {
    /// Reads the file: its content and warnings, or what is wrong with it.
    pub fn open(path: &Path) -> Result<(Arc<Self>, Vec<Problem>), Vec<Problem>> {
        let (seen, content, warnings) = match read(path)? {
            None => (Seen::default(), T::absent(), Vec::new()),
            Some((stamp, text)) => {
                let (content, warnings) = T::parse(&text, path)?;
                let ended = text.ends_with('\n');
                (Seen { taken: Some(stamp), ended, ..Seen::default() }, content, warnings)
            }
        };
        Ok((Arc::new(Self::holding(path, seen, content)), warnings))
    }

    /// For a file that does not read: `instead` counts until it does.
    pub fn holding_back(path: &Path, instead: T) -> Arc<Self> {
        Arc::new(Self::holding(path, Seen::default(), instead))
    }

    /// For a reload: `old` where it is the same file, after a look that waits for no writer, unless
    /// the file ends within a line; else the file read for the first time. An error leaves `old` as
    /// it is.
    pub fn again(
        old: Option<&Arc<Self>>,
        path: &Path,
    ) -> Result<(Arc<Self>, Vec<Problem>), Vec<Problem>> {
        let Some(old) = old.filter(|old| old.path == path) else { return Self::open(path) };
        let warnings = match old.look(&mut old.seen(), false) {
            Look::Taken(warnings) => warnings,
            Look::Refused(problems) => return Err(problems),
            Look::Kept(why) => why.map(|why| old.warning(why)).into_iter().collect(),
        };
        Ok((Arc::clone(old), warnings))
    }

    fn holding(path: &Path, seen: Seen, content: T) -> Self {
        Self {
            path: path.to_owned(),
            content: ArcSwap::from_pointee(content),
            due: AtomicU64::new(0),
            seen: Mutex::new(seen),
        }
    }

    /// The content now.
    pub fn get(&self) -> Arc<T> {
        let now = clock();
        let seen = match T::WRITTEN_WHOLE {
            true => Some(self.seen()),
            // Whoever comes while another looks takes what is there.
            false if self.due.load(Ordering::Relaxed) <= now => self.seen.try_lock().ok(),
            false => None,
        };
        if let Some(mut seen) = seen {
            self.due.store(now + LOOK_EVERY.as_millis() as u64, Ordering::Relaxed);
            match self.look(&mut seen, true) {
                Look::Taken(warnings) => {
                    tracing::info!(file = %self.path.display(), "changed, and read again");
                    log(&warnings);
                }
                Look::Refused(problems) => {
                    log(&problems);
                    tracing::error!(file = %self.path.display(), "what was read before stays in use");
                }
                Look::Kept(Some(why)) => log(&[self.warning(why)]),
                Look::Kept(None) => {}
            }
        }
        self.content.load_full()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warning(&self, text: String) -> Problem {
        Problem { file: self.path.clone(), line: None, text, severity: Severity::Warning }
    }

    fn look(&self, seen: &mut Seen, patient: bool) -> Look {
        let stamp = match std::fs::metadata(&self.path) {
            Ok(about) => Stamp::of(&about),
            Err(error) => {
                seen.changing = None;
                let told = seen.told.replace(None) == Some(None);
                let news = seen.taken.is_some() && !(patient && told);
                return Look::Kept(news.then(|| {
                    format!(
                        "cannot be read ({error}): what was read before stays in use; to drop it, \
                         put a file there that holds a comment only"
                    )
                }));
            }
        };
        if seen.taken == Some(stamp) {
            (seen.changing, seen.told) = (None, None);
            return Look::Kept(None);
        }
        let quiet = quiet(seen, stamp);
        let early = quiet < QUIET && !T::WRITTEN_WHOLE;
        if patient && (seen.told == Some(Some(stamp)) || early) {
            return Look::Kept(None);
        }
        if stamp.size == 0 && seen.taken.is_some_and(|taken| taken.size > 0) {
            seen.told = Some(Some(stamp));
            return Look::Kept(Some(
                "is empty now: what was read before stays in use; to drop it, write a comment"
                    .to_owned(),
            ));
        }
        match read(&self.path) {
            // Gone, or written to, since: the next look tells.
            Ok(Some((read, _))) if read != stamp => Look::Kept(None),
            Ok(None) => Look::Kept(None),
            Ok(Some((_, text))) if patient && seen.ended && !text.ends_with('\n') => {
                seen.told = Some(Some(stamp));
                Look::Kept(Some(
                    "ends within a line: is somebody still writing? What was read before stays in use"
                        .to_owned(),
                ))
            }
            Ok(Some((_, text))) => match T::parse(&text, &self.path) {
                // Half of what will stand there?
                Ok(_) if !text.ends_with('\n') && quiet < LONG_QUIET => {
                    Look::Kept((!patient).then(|| {
                        "ends within a line: what was read before stays until nobody has \
                         written to it for 10 s"
                            .to_owned()
                    }))
                }
                Ok((content, warnings)) => {
                    seen.changing = None;
                    self.content.store(Arc::new(content));
                    seen.ended = text.ends_with('\n');
                    (seen.taken, seen.told) = (Some(stamp), None);
                    Look::Taken(warnings)
                }
                Err(problems) => refused(seen, stamp, problems),
            },
            Err(problems) => refused(seen, stamp, problems),
        }
    }
}

enum Look {
    /// New content is in use; with its warnings.
    Taken(Vec<Problem>),
    /// The file does not read.
    Refused(Vec<Problem>),
    /// Nothing has changed; a word for the log, where there is one.
    Kept(Option<String>),
}

fn refused(seen: &mut Seen, stamp: Stamp, problems: Vec<Problem>) -> Look {
    seen.told = Some(Some(stamp));
    Look::Refused(problems)
}

/// How long nobody has written to it, by its own time or by ours.
fn quiet(seen: &mut Seen, stamp: Stamp) -> Duration {
    let modified = u64::try_from(stamp.modified.0).unwrap_or(0);
    let modified = SystemTime::UNIX_EPOCH
        + Duration::from_secs(modified)
        + Duration::from_nanos(u64::try_from(stamp.modified.1).unwrap_or(0));
    let seen_for = match seen.changing {
        Some((changing, since)) if changing == stamp => since.elapsed(),
        _ => {
            seen.changing = Some((stamp, Instant::now()));
            Duration::ZERO
        }
    };
    seen_for.max(modified.elapsed().unwrap_or_default())
}

/// The whole file and what it looked like when it had been read; `None` when it is not there.
fn read(path: &Path) -> Result<Option<(Stamp, String)>, Vec<Problem>> {
    let problem = |text: String| {
        vec![Problem { file: path.to_owned(), line: None, text, severity: Severity::Error }]
    };
    let unreadable = |error: io::Error| problem(format!("cannot be read: {error}"));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(problem(format!("is larger than {MAX_FILE} bytes")));
    }
    let stamp = Stamp::of(&file.metadata().map_err(unreadable)?);
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some((stamp, text))),
        Err(_) => Err(problem("is not UTF-8".to_owned())),
    }
}

fn log(problems: &[Problem]) {
    for problem in problems {
        match problem.severity {
            Severity::Warning => tracing::warn!("{problem}"),
            Severity::Error => tracing::error!("{problem}"),
        }
    }
}

/// Milliseconds since some moment, never going back.
fn clock() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // Beginning above 0, so that the first look is due at once.
    1 + u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words, of which `bad` is refused.
    #[derive(Debug)]
    struct Words(Vec<String>);

    impl Format for Words {
        fn absent() -> Self {
            Self(Vec::new())
        }

        fn parse(text: &str, file: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
            let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            if words.iter().any(|word| word == "bad") {
                let (file, text) = (file.to_owned(), "bad".to_owned());
                return Err(vec![Problem { file, line: None, text, severity: Severity::Error }]);
            }
            Ok((Self(words), Vec::new()))
        }
    }

    fn text(watched: &Watched<Words>) -> String {
        watched.get().0.join(" ")
    }

    /// What is in force when the file has been left alone for a while.
    fn settled(watched: &Watched<Words>) -> String {
        for _ in 0..8 {
            let _ = watched.get();
            std::thread::sleep(LOOK_EVERY);
        }
        text(watched)
    }

    #[test]
    fn the_last_good_content_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let (watched, _) = Watched::<Words>::open(&path).unwrap();
        assert_eq!(text(&watched), "");
        std::fs::write(&path, "a b\n").unwrap();
        // Written a moment ago: the writer may not be done.
        assert_eq!(text(&watched), "");
        assert_eq!(settled(&watched), "a b");
        for broken in ["bad", ""] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(settled(&watched), "a b", "{broken:?}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(settled(&watched), "a b");
        std::fs::write(&path, "c\n").unwrap();
        assert_eq!(settled(&watched), "c");
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(settled(&watched), "");
        std::fs::write(&path, "long\nlist\n").unwrap();
        assert_eq!(settled(&watched), "long list");
        std::fs::write(&path, "long\nli").unwrap();
        assert_eq!(settled(&watched), "long list", "the rest is still to come");
        std::fs::write(&path, "long\n").unwrap();
        assert_eq!(settled(&watched), "long");
    }

    #[test]
    fn a_change_of_long_ago_is_seen_by_the_first_who_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "a").unwrap();
        let (watched, _) = Watched::<Words>::open(&path).unwrap();
        std::fs::write(&path, "b").unwrap();
        let old = SystemTime::now() - Duration::from_secs(60);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert_eq!(text(&watched), "b");
    }

    #[test]
    fn a_reload_waits_for_no_writer_but_takes_no_half_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "a").unwrap();
        let (watched, _) = Watched::<Words>::open(&path).unwrap();
        std::fs::write(&path, "b\nhal").unwrap();
        let (_, warnings) = Watched::again(Some(&watched), &path).unwrap();
        assert_eq!((warnings.len(), settled(&watched)), (1, "a".to_owned()));
        std::fs::write(&path, "b\n").unwrap();
        let (same, warnings) = Watched::again(Some(&watched), &path).unwrap();
        assert!(Arc::ptr_eq(&same, &watched) && warnings.is_empty());
        assert_eq!(text(&same), "b");
        std::fs::write(&path, "bad").unwrap();
        assert!(Watched::again(Some(&watched), &path).is_err());
        assert_eq!(text(&watched), "b");
        std::fs::remove_file(&path).unwrap();
        let (_, warnings) = Watched::again(Some(&watched), &path).unwrap();
        assert_eq!((warnings.len(), text(&watched)), (1, "b".to_owned()));
        let other = folder.path().join("g");
        let (other, _) = Watched::again(Some(&watched), &other).unwrap();
        assert_eq!(text(&other), "");
    }
}
