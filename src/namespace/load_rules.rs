//! `<mapping-rules>` and `<approachable-rules>`: what they refer to, and what stands twice.

use std::collections::HashMap;

use super::document::{self, Text};
use super::loader::{Loader, label};
use super::{ApproachableRule, MappingRule};
use crate::auth::dn_pattern::{DnPattern, VoPattern};
use crate::model::{RelPath, Stfn};

impl Loader<'_> {
    pub(super) fn mapping(
        &mut self,
        rules: &[document::MapRule],
        areas: &HashMap<String, usize>,
    ) -> Vec<MappingRule> {
        let mut list: Vec<MappingRule> = Vec::new();
        let mut names: HashMap<&str, u64> = HashMap::new();
        let mut roots: HashMap<Stfn, (u64, usize)> = HashMap::new();
        for rule in rules {
            let label = label("map-rule", rule.name.as_deref());
            self.once(&mut names, rule.name.as_deref(), rule.line, &label);
            let area = self.reference(&rule.mapped_fs, "mapped-fs", areas, &label);
            let Some(text) = rule.stfn_root.get() else { continue };
            let line = rule.stfn_root.line;
            let stfn_root = match Stfn::parse_strict(text) {
                Ok(stfn) => stfn,
                Err(error) => {
                    self.error(line, format!("{label}: <stfn-root> {text:?}: {error}"));
                    continue;
                }
            };
            let Some(area) = area else { continue };
            match roots.get(&stfn_root) {
                Some((first, other)) if *other == area => {
                    let text =
                        format!("{label}: says the same as line {first}: one of them will do");
                    self.warn(line, text);
                    continue;
                }
                Some((first, _)) => {
                    let text = format!(
                        "{label}: the stfn-root {stfn_root} stands in line {first} too, for another filesystem: a path can lead to one only"
                    );
                    self.error(line, text);
                }
                None => {
                    roots.insert(stfn_root.clone(), (line, area));
                    list.push(MappingRule { line, stfn_root, area });
                }
            }
        }
        list
    }

    pub(super) fn rules(
        &mut self,
        rules: &[document::AppRule],
        areas: &HashMap<String, usize>,
    ) -> Vec<ApproachableRule> {
        let mut list = Vec::new();
        let mut names: HashMap<&str, u64> = HashMap::new();
        for rule in rules {
            let label = label("app-rule", rule.name.as_deref());
            self.once(&mut names, rule.name.as_deref(), rule.line, &label);
            let dn = rule.subjects.dn.get().and_then(|text| {
                let parsed = DnPattern::parse(text);
                self.kept(parsed, rule.subjects.dn.line, &label, "dn")
            });
            let vo_name = rule.subjects.vo_name.as_ref();
            let vo_text = vo_name.and_then(Text::get).unwrap_or("*");
            let vo = self.kept(
                VoPattern::parse(vo_text),
                vo_name.map_or(rule.line, |text| text.line),
                &label,
                "vo-name",
            );
            let places = self.approachable(&rule.approachable_fs, areas, &label);
            let space_path = rule.space_rel_path.as_ref().and_then(|text| {
                let path = text.value.trim_matches('/');
                let parsed = RelPath::parse(path);
                self.kept(parsed, text.line, &label, "space-rel-path").filter(|p| !p.is_root())
            });
            let (Some(dn), Some(vo)) = (dn, vo) else { continue };
            list.push(ApproachableRule {
                line: rule.line,
                name: rule.name.clone().unwrap_or_default(),
                vo_text: if vo.is_anybody() { "*".to_owned() } else { vo_text.to_owned() },
                dn,
                vo,
                areas: places,
                anonymous_read: rule
                    .anonymous_http_read
                    .as_ref()
                    .is_some_and(|text| text.value == "true"),
                space_path,
            });
        }
        list
    }

    /// A comma list of filesystems; the one with a trailing `*` comes first, as the rule's default.
    fn approachable(
        &mut self,
        list: &Text,
        areas: &HashMap<String, usize>,
        label: &str,
    ) -> Vec<usize> {
        let mut places = Vec::new();
        let Some(text) = list.get() else { return places };
        for name in text.split(',').map(str::trim) {
            let (name, default) = match name.strip_suffix('*') {
                Some(name) => (name, true),
                None => (name, false),
            };
            let one = Text { line: list.line, value: name.to_owned() };
            if name.is_empty() {
                let text = format!(
                    "{label}: <approachable-fs>: expected names of filesystems with commas between, found {text:?}"
                );
                self.error(list.line, text);
                continue;
            }
            let Some(at) = self.reference(&one, "approachable-fs", areas, label) else { continue };
            if places.contains(&at) {
                continue;
            }
            if default {
                places.insert(0, at);
            } else {
                places.push(at);
            }
        }
        places
    }

    fn reference(
        &mut self,
        name: &Text,
        element: &str,
        areas: &HashMap<String, usize>,
        label: &str,
    ) -> Option<usize> {
        let text = name.get()?;
        let found = areas.get(text).copied();
        if found.is_none() {
            let near = crate::config::nearest(text, areas.keys().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!(": did you mean {near}?"));
            self.error(
                name.line,
                format!(
                    "{label}: <{element}> names the filesystem {text}, which is not declared{hint}"
                ),
            );
        }
        found
    }

    fn once<'n>(
        &mut self,
        names: &mut HashMap<&'n str, u64>,
        name: Option<&'n str>,
        line: u64,
        label: &str,
    ) {
        let Some(name) = name else { return };
        if let Some(first) = names.get(name) {
            let text =
                format!("{label}: the name stands twice; the first is line {first}: rename one");
            self.error(line, text);
        } else {
            names.insert(name, line);
        }
    }

    fn kept<T, E: std::fmt::Display>(
        &mut self,
        parsed: Result<T, E>,
        line: u64,
        label: &str,
        element: &str,
    ) -> Option<T> {
        parsed.map_err(|error| self.error(line, format!("{label}: <{element}>: {error}"))).ok()
    }
}
