//! Which files of a request a client means. SURLs may be repeated without end, in the request and in
//! the question, so nothing here is worked out, or kept, once per SURL where once per file will do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Live;
use crate::model::FileState;
use crate::store::FileRow;

/// What SURLs name: those that name the same files share a group of them.
pub(in crate::srm) struct Picked {
    groups: Vec<Vec<Arc<FileRow>>>,
    /// Each SURL in its order, and the place of its group.
    surls: Vec<(String, usize)>,
}

impl Picked {
    /// Every file that is named, once, by its number.
    pub(in crate::srm) fn files(&self) -> BTreeMap<u32, Arc<FileRow>> {
        self.groups.iter().flatten().map(|file| (file.n, Arc::clone(file))).collect()
    }

    /// What `told` says of the files of each SURL, in their order; `told` is asked once per group.
    pub(in crate::srm) fn tell<T: Clone>(
        self,
        told: impl Fn(&[Arc<FileRow>]) -> T,
    ) -> Vec<(String, T)> {
        let told: Vec<T> = self.groups.iter().map(|group| told(group)).collect();
        let one = |(surl, place): (String, usize)| Some((surl, told.get(place)?.clone()));
        self.surls.into_iter().filter_map(one).collect()
    }
}

impl Live {
    /// For each of `surls`, in their order, the file that it names; `None` for one not in the
    /// request. Of several files with one SURL the one that is furthest. Without `surls`: all.
    pub(in crate::srm) fn pick(
        &self,
        surls: Option<&[String]>,
        canonical: impl Fn(&str) -> Option<String>,
    ) -> Vec<(String, Option<Arc<FileRow>>)> {
        let files = self.files();
        let Some(surls) = surls else {
            return files.into_iter().map(|f| (f.surl.clone(), Some(f))).collect();
        };
        let furthest = |file: &&Arc<FileRow>| match file.state {
            FileState::SpaceAvailable | FileState::Pinned => 0,
            FileState::Success | FileState::Released => 1,
            FileState::Queued | FileState::InProgress | FileState::Suspended => 2,
            FileState::Aborted | FileState::Failed | FileState::Expired => 3,
        };
        pick_all(&files, surls, canonical)
            .tell(|files| files.iter().min_by_key(furthest).map(Arc::clone))
    }

    /// For each of `surls`, in their order, all files that it names, and for a directory those that
    /// were found in it too. Without `surls`: all.
    pub(in crate::srm) fn pick_trees(
        &self,
        surls: Option<&[String]>,
        canonical: impl Fn(&str) -> Option<String>,
    ) -> Picked {
        let files = self.files();
        let Some(surls) = surls else {
            let surls = files.iter().map(|file| file.surl.clone()).zip(0..).collect();
            return Picked { surls, groups: files.into_iter().map(|file| vec![file]).collect() };
        };
        let mut picked = pick_all(&files, surls, canonical);
        let mut children: HashMap<u32, Vec<&Arc<FileRow>>> = HashMap::new();
        for file in &files {
            if let Some(parent) = file.parent {
                children.entry(parent).or_default().push(file);
            }
        }
        for group in &mut picked.groups {
            let within = group.iter().filter_map(|file| children.get(&file.n)).flatten();
            let within: Vec<Arc<FileRow>> = within.map(|file| Arc::clone(file)).collect();
            group.extend(within);
        }
        picked
    }
}

/// All files that each SURL names, as written or, failing that, by its canonical form.
fn pick_all(
    files: &[Arc<FileRow>],
    surls: &[String],
    canonical: impl Fn(&str) -> Option<String>,
) -> Picked {
    let mut groups: Vec<Vec<Arc<FileRow>>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for surl in surls {
        places.entry(surl).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
    }
    // Exact text first: that is what clients send, and it costs one look-up per file.
    fill(&mut groups, files, |name| places.get(name).copied());
    let mut forms: HashMap<String, usize> = HashMap::new();
    for (surl, place) in &mut places {
        if groups.get(*place).is_some_and(Vec::is_empty)
            && let Some(form) = canonical(surl)
        {
            *place = *forms.entry(form).or_insert(*place);
        }
    }
    if !forms.is_empty() {
        fill(&mut groups, files, |name| forms.get(&canonical(name)?).copied());
    }
    let place = |surl: &String| Some((surl.clone(), *places.get(surl.as_str())?));
    Picked { surls: surls.iter().filter_map(place).collect(), groups }
}

/// Puts each file into the groups that its names have, once.
fn fill(
    groups: &mut [Vec<Arc<FileRow>>],
    files: &[Arc<FileRow>],
    place: impl Fn(&str) -> Option<usize>,
) {
    for file in files {
        // A copy goes by both its names.
        for name in file.source.as_deref().into_iter().chain([file.surl.as_str()]) {
            if let Some(group) = place(name).and_then(|place| groups.get_mut(place))
                && group.last().is_none_or(|last| last.n != file.n)
            {
                group.push(Arc::clone(file));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RequestKind, RequestToken};
    use crate::srm::submit::queued;
    use crate::store::{Millis, RequestId, RequestRow, StoredRequest};

    fn live(files: impl IntoIterator<Item = FileRow>) -> Arc<Live> {
        let request = RequestRow {
            pin_lifetime: 60,
            ..RequestRow::new(
                RequestToken::parse("5a3e9ad4-3b4c-4e0e-9d3f-4c8f0c9f7a11").unwrap(),
                RequestKind::Get,
                "/CN=u".to_owned(),
                Millis(1),
            )
        };
        let files = (0..).zip(files).map(|(n, file)| FileRow { n, ..file }).collect();
        Live::new(StoredRequest { id: RequestId(1), request, files })
    }

    fn file(surl: &str) -> FileRow {
        queued(surl.to_owned(), None)
    }

    /// As a site does: `x` in any number of slashes.
    fn canonical(surl: &str) -> Option<String> {
        Some(surl.trim_start_matches('/').to_owned())
    }

    #[test]
    fn repeated_surls_share_their_files() {
        const MANY: usize = 10_000;
        let live = live((0..MANY).map(|_| file("/x")));
        let spellings: Vec<String> =
            (2..MANY).map(|n| format!("{}x", "/".repeat(n % 64))).collect();
        for asked in [vec!["/x".to_owned(); MANY], spellings] {
            let picked = live.pick_trees(Some(&asked), canonical);
            let kept: usize = picked.groups.iter().map(Vec::len).sum();
            assert!(kept <= 2 * MANY, "{kept}");
            assert_eq!(picked.files().len(), MANY);
            let calls = std::cell::Cell::new(0);
            let told = picked.tell(|files| {
                calls.set(calls.get() + files.len());
                files.len()
            });
            assert!(calls.get() <= 2 * MANY, "{}", calls.get());
            assert!(told.iter().map(|(surl, _)| surl).eq(&asked));
            assert!(told.iter().all(|(_, files)| *files == MANY));
            let one = live.pick(Some(&asked), canonical);
            assert!(one.iter().all(|(_, file)| file.as_ref().unwrap().n == 0));
        }
    }

    #[test]
    fn a_directory_names_what_was_found_in_it() {
        let directory = FileRow { levels: Some(1), ..file("/d") };
        let found = |surl| FileRow { parent: Some(0), ..file(surl) };
        let live = live([directory, file("/x"), found("/d/a"), found("/d/b")]);
        let named = |surls: &[&str]| -> Vec<Vec<u32>> {
            let surls: Vec<String> = surls.iter().map(|surl| (*surl).to_owned()).collect();
            let told = live
                .pick_trees(Some(&surls), canonical)
                .tell(|files| files.iter().map(|file| file.n).collect::<Vec<u32>>());
            told.into_iter().map(|(_, files)| files).collect()
        };
        assert_eq!(
            named(&["/d", "//d", "/x", "no", "/d/b"]),
            [vec![0, 2, 3], vec![0, 2, 3], vec![1], vec![], vec![3]]
        );
        assert_eq!(live.pick_trees(None, canonical).tell(<[_]>::len).len(), 4);
    }

    #[test]
    fn a_copy_goes_by_both_its_names_and_counts_once() {
        let copy = FileRow { source: Some("/x".to_owned()), ..file("//x") };
        let other = FileRow { source: Some("/a".to_owned()), ..file("/b") };
        let live = live([copy, other]);
        let asked = ["x", "/x", "/a", "/b"].map(str::to_owned);
        let told = live
            .pick_trees(Some(&asked), canonical)
            .tell(|files| files.iter().map(|file| file.n).collect::<Vec<u32>>());
        let told: Vec<Vec<u32>> = told.into_iter().map(|(_, files)| files).collect();
        assert_eq!(told, [[0], [0], [1], [1]]);
    }
}
