//! Who may come where: SURL hosts, mapping rules, approachable rules.

use std::sync::Arc;

use super::hosts::Ports;
use super::turl::{self, Site};
use super::{
    Access, ApproachableRule, AreaDetails, LocateError, Located, Namespace, StorageArea, TurlError,
    TurlRequest,
};
use crate::auth::trace::Trace;
use crate::model::{FileKey, Identity, Person, Protocol, RelPath, Stfn, Surl, Turl};

impl Namespace {
    /// The same with the ports that are really in use (storm.toml may say 0). To be called before
    /// the first TURL is made.
    pub fn with_ports(mut self, ports: Ports) -> Self {
        self.ports = ports;
        for offer in self.offers.iter().flatten() {
            offer.warm_up(Site { hosts: &self.hosts, ports });
        }
        self
    }

    /// Takes over the areas that `old` had and this has not, where `under_way` says that something
    /// still goes on: nobody sees them any more, but what goes on finds its end.
    pub fn keep_parting(&mut self, old: &Self, under_way: impl Fn(&str) -> bool) {
        let gone = old.areas.iter().chain(&old.parting);
        let parting = gone.filter(|area| self.area(&area.name).is_none() && under_way(&area.name));
        self.parting = parting.cloned().collect();
    }

    /// Areas that are no longer in the file, for what still goes on there.
    pub fn parting(&self) -> &[Arc<StorageArea>] {
        &self.parting
    }

    /// Every area, in the file's order.
    pub fn areas(&self) -> &[Arc<StorageArea>] {
        &self.areas
    }

    /// The area of that name, for what is under way; also one that takes nothing new.
    pub fn area(&self, name: &str) -> Option<&Arc<StorageArea>> {
        self.areas.iter().chain(&self.parting).find(|area| &*area.name == name)
    }

    /// The area whose `space-token-description` this is.
    pub fn area_of_token(&self, description: &str) -> Option<&Arc<StorageArea>> {
        self.areas.iter().find(|area| area.token_description.as_deref() == Some(description))
    }

    /// What namespace.xml says of an area beyond [`StorageArea`].
    pub fn details(&self, area: &str) -> Option<&AreaDetails> {
        let at = self.areas.iter().position(|a| &*a.name == area)?;
        self.details.get(at)
    }

    /// Is host (and port) of the SURL ours? Else [`LocateError::NotLocal`].
    pub fn check_local(&self, surl: &Surl) -> Result<(), LocateError> {
        if self.hosts.owns_surl(surl, self.ports.srm) {
            Ok(())
        } else {
            Err(LocateError::NotLocal(surl.to_string()))
        }
    }

    /// Is this our HTTP doors' address? A port that is left out is ours.
    pub fn owns_http(&self, host: &str, port: Option<u16>) -> bool {
        let ours = [Some(self.ports.https), self.ports.plain];
        self.hosts.owns(host) && (port.is_none() || ours.contains(&port))
    }

    /// The port of our https door.
    pub fn https_port(&self) -> u16 {
        self.ports.https
    }

    /// Where a path lies, for this caller: of the mapping rules that enclose it and lead to an area
    /// which the caller may approach the one with the longest `stfn-root`.
    pub fn locate(
        &self,
        who: &Identity,
        stfn: &Stfn,
        access: Access,
    ) -> Result<Located, LocateError> {
        self.locate_told(who, stfn, access, &mut Trace::off())
    }

    /// As [`Namespace::locate`], step by step.
    pub fn locate_told(
        &self,
        who: &Identity,
        stfn: &Stfn,
        access: Access,
        told: &mut Trace,
    ) -> Result<Located, LocateError> {
        let mut enclosed = false;
        for rule in &self.mapping {
            let Some(path) = stfn.below(&rule.stfn_root) else { continue };
            let Some(area) = self.areas.get(rule.area) else { continue };
            enclosed = true;
            told.tell("mapping rule", || {
                format!("line {}: {} leads to the area {}", rule.line, rule.stfn_root, area.name)
            });
            if self.approaches(who, rule.area, access, told) {
                return Ok(Located { area: Arc::clone(area), path, stfn: stfn.clone() });
            }
        }
        if !enclosed {
            return Err(LocateError::NotManaged(stfn.clone()));
        }
        let who = match who {
            Identity::Person(person) => person.dn.clone(),
            Identity::Anonymous => "an anonymous client".to_owned(),
            Identity::Refused(_) => "a client whose credential does not hold".to_owned(),
        };
        Err(LocateError::NotApproachable { stfn: stfn.clone(), who })
    }

    /// The area of something that the core itself remembers; nobody's rights are asked.
    pub fn by_key(&self, key: &FileKey) -> Option<Arc<StorageArea>> {
        self.area(&key.area).cloned()
    }

    /// Whether the caller may approach an area at all.
    pub fn may_approach(&self, who: &Identity, area: &StorageArea, access: Access) -> bool {
        let at = self.areas.iter().position(|a| a.name == area.name);
        at.is_some_and(|at| self.approaches(who, at, access, &mut Trace::off()))
    }

    /// Names directly below `stfn` that are on the way to an area the caller may read, sorted (so
    /// that `/` and `/a` of a rule `/a/b` can be listed).
    pub fn waypoints(&self, who: &Identity, stfn: &Stfn) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for rule in &self.mapping {
            let Some(rest) = rule.stfn_root.below(stfn) else { continue };
            let Some(name) = rest.as_str().split('/').next().filter(|name| !name.is_empty()) else {
                continue;
            };
            if self.approaches(who, rule.area, Access::Read, &mut Trace::off()) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// True for a path that leads to an area, whoever may read that.
    pub fn is_way(&self, stfn: &Stfn) -> bool {
        self.mapping.iter().any(|rule| rule.stfn_root.below(stfn).is_some_and(|way| !way.is_root()))
    }

    /// The area that is meant when a caller names none (srmReserveSpace): the first of the first
    /// rule that matches, in the order of the rules' names.
    pub fn default_area(&self, who: &Identity) -> Option<&Arc<StorageArea>> {
        let person = who.person()?;
        let rule = self.rules.iter().find(|rule| rule.matches(person))?;
        self.areas.get(*rule.areas.first()?)
    }

    /// A SURL of a file, by the area's first access point; `None` for an area without one.
    pub fn surl(&self, area: &StorageArea, path: &RelPath) -> Option<String> {
        let stfn = area.access_points.first()?.descend(path);
        let host = &self.hosts.site;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        Some(format!("srm://{host}:{}{}", self.ports.srm, turl::encode_stfn(&stfn)))
    }

    /// The protocols of all areas, each once.
    pub fn protocols(&self) -> Vec<Protocol> {
        let offered = |protocol| self.offers.iter().flatten().any(|o| o.protocol == protocol);
        Protocol::ALL.into_iter().filter(|protocol| offered(*protocol)).collect()
    }

    /// A TURL for a prepared file: the first protocol of the client's list that the area offers to
    /// this client and that a live server speaks.
    pub fn turl(&self, ask: TurlRequest<'_>) -> Result<Turl, TurlError> {
        let (offers, site) = self.offered(&ask);
        turl::make(offers, site, &ask)
    }

    /// The same TURL where it is http(s), and no server of a pool has to be found for it; else `None`.
    pub fn simple_turl(&self, ask: TurlRequest<'_>) -> Option<Turl> {
        let (offers, site) = self.offered(&ask);
        turl::make_simple(offers, site, &ask)
    }

    fn offered(&self, ask: &TurlRequest<'_>) -> (&[turl::Offer], Site<'_>) {
        let at = self.areas.iter().position(|area| area.name == ask.located.area.name);
        let offers = at.and_then(|at| self.offers.get(at)).map_or(&[][..], Vec::as_slice);
        (offers, Site { hosts: &self.hosts, ports: self.ports })
    }

    fn approaches(&self, who: &Identity, at: usize, access: Access, told: &mut Trace) -> bool {
        let check = "approachable rules";
        match who {
            Identity::Refused(_) => false,
            Identity::Person(person) => {
                let mut rules = self.rules.iter().filter(|rule| rule.areas.contains(&at));
                let found = rules.find(|rule| rule.matches(person));
                told.tell(check, || match found {
                    Some(rule) => format!("line {}: {} opens the area", rule.line, rule.name),
                    None => "no rule opens the area to this DN and VO".to_owned(),
                });
                found.is_some()
            }
            Identity::Anonymous => {
                let open = self.areas.get(at).is_some_and(|area| match access {
                    Access::Read => area.anonymous_read,
                    Access::Write => self.anonymous_write && area.open_to_all,
                });
                told.tell(check, || {
                    let verdict = if open { "open" } else { "closed" };
                    format!("the area is {verdict} to anonymous clients for this")
                });
                open
            }
        }
    }
}

impl ApproachableRule {
    /// True for every DN and every VO.
    pub(super) fn is_everybody(&self) -> bool {
        self.dn.is_anybody() && self.vo.is_anybody()
    }

    fn matches(&self, person: &Person) -> bool {
        self.dn.matches(&person.dn) && self.vo.matches(person.vos())
    }
}
