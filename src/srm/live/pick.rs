//! Which files of a request a client means.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Live;
use crate::model::FileState;
use crate::store::FileRow;

impl Live {
    /// For each of `surls`, in their order, the file that it names; `None` for one not in the
    /// request. Of several files with one SURL the one that is furthest. Without `surls`: all.
    pub(in crate::srm) fn pick(
        &self,
        surls: Option<&[String]>,
        canonical: impl Fn(&str) -> Option<String>,
    ) -> Vec<(String, Option<Arc<FileRow>>)> {
        if surls.is_none() {
            return self.files().into_iter().map(|f| (f.surl.clone(), Some(f))).collect();
        }
        let furthest = |file: &Arc<FileRow>| match file.state {
            FileState::SpaceAvailable | FileState::Pinned => 0,
            FileState::Success | FileState::Released => 1,
            FileState::Queued | FileState::InProgress | FileState::Suspended => 2,
            FileState::Aborted | FileState::Failed | FileState::Expired => 3,
        };
        let all = self.pick_all(surls, canonical).into_iter();
        all.map(|(surl, files)| (surl, files.into_iter().min_by_key(furthest))).collect()
    }

    /// As [`Live::pick_all`]; a directory names the files that were found in it too.
    pub(in crate::srm) fn pick_trees(
        &self,
        surls: Option<&[String]>,
        canonical: impl Fn(&str) -> Option<String>,
    ) -> Vec<(String, Vec<Arc<FileRow>>)> {
        let mut picked = self.pick_all(surls, canonical);
        for (_, files) in picked.iter_mut().filter(|_| surls.is_some()) {
            let directories: HashSet<u32> =
                files.iter().filter(|file| file.levels.is_some()).map(|file| file.n).collect();
            if !directories.is_empty() {
                let within = |file: &Arc<FileRow>| {
                    file.parent.is_some_and(|parent| directories.contains(&parent))
                };
                files.extend(self.files().into_iter().filter(within));
            }
        }
        picked
    }

    /// For each of `surls`, in their order, all files that it names, as written or, failing that,
    /// by its canonical form. Without `surls`: all.
    pub(in crate::srm) fn pick_all(
        &self,
        surls: Option<&[String]>,
        canonical: impl Fn(&str) -> Option<String>,
    ) -> Vec<(String, Vec<Arc<FileRow>>)> {
        let files = self.files();
        let Some(surls) = surls else {
            return files.into_iter().map(|f| (f.surl.clone(), vec![f])).collect();
        };
        // Exact text first: that is what clients send, and it costs one look-up per file.
        let mut found: HashMap<&str, Vec<Arc<FileRow>>> =
            surls.iter().map(|surl| (surl.as_str(), Vec::new())).collect();
        for file in &files {
            for name in names(file) {
                if let Some(named) = found.get_mut(name) {
                    named.push(Arc::clone(file));
                }
            }
        }
        let missing = found.iter().filter(|(_, named)| named.is_empty());
        let missing: Vec<(&str, String)> =
            missing.filter_map(|(surl, _)| Some((*surl, canonical(surl)?))).collect();
        if !missing.is_empty() {
            let mut by_form: HashMap<String, Vec<Arc<FileRow>>> =
                missing.iter().map(|(_, form)| (form.clone(), Vec::new())).collect();
            for file in &files {
                for name in names(file) {
                    if let Some(named) = canonical(name).and_then(|form| by_form.get_mut(&form)) {
                        named.push(Arc::clone(file));
                    }
                }
            }
            for (surl, form) in missing {
                found.insert(surl, by_form.get(&form).cloned().unwrap_or_default());
            }
        }
        let named = |surl: &String| found.get(surl.as_str()).cloned().unwrap_or_default();
        surls.iter().map(|surl| (surl.clone(), named(surl))).collect()
    }
}

/// A copy goes by both its names.
fn names(file: &FileRow) -> impl Iterator<Item = &str> {
    file.source.as_deref().into_iter().chain([file.surl.as_str()])
}
