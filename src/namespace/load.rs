//! namespace.xml -> [`Namespace`]: what the grammar cannot say. All problems at once, by line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::Document;
use super::hosts::{Hosts, Ports};
use super::load_area::AreaDraft;
use super::loader::Loader;
use super::{ApproachableRule, AreaDetails, MappingRule, Namespace, StorageArea, reader};
use crate::config::{Config, Problem};
use crate::fsdriver::Driver;

/// Largest namespace.xml that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;
/// The version of the schema that is read.
const VERSION: &str = "1.5.0";

impl Namespace {
    /// Reads and checks namespace.xml and opens each area's driver with its canonical root.
    ///
    /// Beside the value come the problems that keep nothing from starting: warnings, and errors that
    /// close one area only (an `authz-db` that is missing or broken denies everything there). A
    /// relative root is taken from the file's folder and made (0770) when it is missing; an absolute
    /// one must be there.
    pub fn load(
        file: &Path,
        config: &Config,
        open_driver: &OpenDriver<'_>,
    ) -> Result<(Namespace, Vec<Problem>), Vec<Problem>> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let mut loader = Loader::new(&file, config);
        let loaded = match loader.read() {
            Some(document) => loader.build(&document, open_driver),
            None => None,
        };
        loader.problems.sort_by_key(|problem| problem.line);
        match loaded {
            Some(namespace) if !loader.failed => Ok((namespace, loader.problems)),
            _ => Err(loader.problems),
        }
    }
}

/// Opens the driver of an area by its canonical root, given the roots of all areas: what lies in
/// another one's is not this one's. The error says why not, in words.
pub type OpenDriver<'a> = dyn Fn(&Path, &[PathBuf]) -> Result<Arc<dyn Driver>, String> + 'a;

impl Loader<'_> {
    /// The first two passes: grammar, then yaserde.
    fn read(&mut self) -> Option<Document> {
        let text = match read_bounded(self.file) {
            Ok(text) => text,
            Err(error) => {
                self.error(0, error);
                return None;
            }
        };
        let checked = reader::check(&text);
        for (line, text) in checked.problems {
            self.error(line as u64, text);
        }
        if checked.broken {
            return None;
        }
        match yaserde::de::from_str(&checked.copy) {
            Ok(document) => Some(document),
            Err(error) => {
                self.error(0, format!("cannot be read: {error}"));
                None
            }
        }
    }

    fn build(&mut self, document: &Document, open_driver: &OpenDriver<'_>) -> Option<Namespace> {
        if let Some(version) = document.version.as_deref().filter(|version| *version != VERSION) {
            self.warn(document.line, format!("version {version:?} is read as {VERSION}"));
        }
        let mut drafts: Vec<AreaDraft> =
            document.filesystems.list.iter().map(|fs| AreaDraft::read(self, fs)).collect();
        let names = self.names(&drafts);
        let mapping = self.mapping(&document.mapping.list, &names);
        let rules = self.rules(&document.approachable.list, &names);
        self.unreached(&drafts, &mapping, &rules);
        let roots = self.roots(&drafts);
        if self.failed {
            return None;
        }

        let mut namespace = Namespace {
            areas: Vec::new(),
            details: Vec::new(),
            offers: Vec::new(),
            mapping: Vec::new(),
            rules: Vec::new(),
            hosts: Hosts::of(self.config),
            ports: Ports::of(self.config),
            anonymous_write: self.config.http.anonymous_write,
            parting: Vec::new(),
        };
        let every_root = roots.clone();
        for (at, (draft, root)) in drafts.iter_mut().zip(roots).enumerate() {
            let driver = match open_driver(&root, &every_root) {
                Ok(driver) => driver,
                Err(why) => {
                    let text = format!(
                        "{}: the root {} cannot be opened: {why}",
                        draft.label,
                        root.display()
                    );
                    self.error(draft.root.line, text);
                    continue;
                }
            };
            let mine = || rules.iter().filter(move |rule| rule.areas.contains(&at));
            let mut vos: Vec<String> = Vec::new();
            for rule in mine() {
                if !vos.contains(&rule.vo_text) {
                    vos.push(rule.vo_text.clone());
                }
            }
            namespace.details.push(AreaDetails {
                space: draft.space.take(),
                expiration_mode: draft.expiration_mode.clone(),
                space_path: mine().find_map(|rule| rule.space_path.clone()),
                vos,
            });
            namespace.offers.push(std::mem::take(&mut draft.offers));
            namespace.areas.push(Arc::new(StorageArea {
                name: Arc::from(draft.name.as_str()),
                root,
                token_description: draft.token_description.clone(),
                storage_class: draft.storage_class,
                retention: draft.retention,
                latency: draft.latency,
                total_online: draft.total_online,
                limited_size: draft.limited_size,
                total_nearline: draft.total_nearline,
                acl_mode: draft.acl_mode,
                default_acl: std::mem::take(&mut draft.default_acl),
                authz: draft.authz.clone(),
                access_points: mapping
                    .iter()
                    .filter(|rule| rule.area == at)
                    .map(|rule| rule.stfn_root.clone())
                    .collect(),
                file_lifetime: draft.file_lifetime,
                anonymous_read: mine().any(|rule| rule.anonymous_read),
                open_to_all: mine().any(ApproachableRule::is_everybody),
                driver,
            }));
        }
        namespace.mapping = mapping;
        // The longest prefix is then the first that fits.
        namespace.mapping.sort_by_key(|rule| std::cmp::Reverse(rule.stfn_root.parts().count()));
        namespace.rules = rules;
        namespace.rules.sort_by(|a, b| a.name.cmp(&b.name));
        Some(namespace)
    }

    /// Place of each filesystem by its name; duplicates of names and aliases are told.
    fn names(&mut self, drafts: &[AreaDraft]) -> HashMap<String, usize> {
        let mut names: HashMap<String, usize> = HashMap::new();
        let mut tokens: HashMap<&str, u64> = HashMap::new();
        for (at, draft) in drafts.iter().enumerate() {
            if draft.name.is_empty() {
                continue;
            }
            if let Some(first) = names.get(&draft.name) {
                let first = drafts.get(*first).map_or(0, |draft| draft.line);
                let text = format!(
                    "{}: the name stands twice; the first is line {first}: rename one",
                    draft.label
                );
                self.error(draft.line, text);
            } else {
                names.insert(draft.name.clone(), at);
            }
            let Some(token) = draft.token_description.as_deref() else { continue };
            match tokens.get(token) {
                Some(first) => {
                    let text = format!(
                        "{}: the space-token-description {token} stands twice; the first filesystem with it is line {first}",
                        draft.label
                    );
                    self.error(draft.token_line, text);
                }
                None => {
                    tokens.insert(token, draft.line);
                }
            }
        }
        names
    }

    /// Areas that no SURL or nobody leads to.
    fn unreached(
        &mut self,
        drafts: &[AreaDraft],
        mapping: &[MappingRule],
        rules: &[ApproachableRule],
    ) {
        if self.failed {
            return;
        }
        for (at, draft) in drafts.iter().enumerate() {
            if !mapping.iter().any(|rule| rule.area == at) {
                self.warn(draft.line, format!("{}: no map-rule leads to it", draft.label));
            }
            if !rules.iter().any(|rule| rule.areas.contains(&at)) {
                self.warn(draft.line, format!("{}: no app-rule opens it to anybody", draft.label));
            }
        }
    }
}

fn read_bounded(file: &Path) -> Result<String, String> {
    let about = std::fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?;
    if about.len() > MAX_FILE {
        return Err(format!("is larger than {MAX_FILE} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))
}
