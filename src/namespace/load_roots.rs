//! The areas' roots on the disk.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::load_area::AreaDraft;
use super::loader::Loader;

impl Loader<'_> {
    /// The canonical roots, made where they are relative and missing.
    pub(super) fn roots(&mut self, drafts: &[AreaDraft]) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = Vec::new();
        let state = std::fs::canonicalize(&self.config.paths.state)
            .unwrap_or_else(|_| self.config.paths.state.clone());
        for draft in drafts {
            let line = draft.root.line;
            let Some(text) = draft.root.get() else { continue };
            let root = match self.root(text) {
                Ok(root) => root,
                Err(why) => {
                    self.error(line, format!("{}: <root> {text}: {why}", draft.label));
                    continue;
                }
            };
            if state.starts_with(&root) {
                let text = format!(
                    "{}: <root> {} holds the state folder {} (keys, database): move one of them",
                    draft.label,
                    root.display(),
                    state.display()
                );
                self.error(line, text);
            }
            for (other, at) in roots.iter().zip(drafts) {
                if *other == root {
                    let text = format!(
                        "{}: <root> {} is the root of {} too: each needs its own",
                        draft.label,
                        root.display(),
                        at.label
                    );
                    self.error(line, text);
                } else if root.starts_with(other) || other.starts_with(&root) {
                    let text = format!(
                        "{}: <root> {} and the root of {} lie one in the other: space is counted twice",
                        draft.label,
                        root.display(),
                        at.label
                    );
                    self.warn(line, text);
                }
            }
            roots.push(root);
        }
        roots
    }

    fn root(&self, text: &str) -> Result<PathBuf, String> {
        let root = self.folder.join(text);
        let relative = Path::new(text).is_relative();
        if relative && !self.failed && !root.exists() {
            make_root(&root).map_err(|error| format!("cannot be made: {error}"))?;
        }
        let about = match std::fs::metadata(&root) {
            Ok(about) => about,
            // Somebody must first mend the errors before it is made.
            Err(_) if relative && self.failed => return Ok(root),
            Err(error) => {
                return Err(format!("{error}: make the directory, or mount its file system"));
            }
        };
        if !about.is_dir() {
            return Err("is no directory".to_owned());
        }
        std::fs::canonicalize(&root).map_err(|error| error.to_string())
    }
}

fn make_root(root: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o770).create(root)?;
    // The umask may have taken bits away.
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o770))
}
