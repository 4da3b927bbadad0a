//! One `<filesystem>`: its properties, protocols and pools, before its root is looked at.

use std::collections::HashMap;

use super::document::{self, Filesystem, Text};
use super::loader::{Loader, label};
use super::pool::{Pool, Strategy};
use super::turl::{Offer, Server};
use super::{AclMode, AreaAuthz, DefaultAclEntry, SpaceDefaults, StorageClass};
use crate::auth::area_authz::AreaAcl;
use crate::config::{Problem, split_host_port};
use crate::model::{AccessLatency, Protocol, RetentionPolicy};

/// What a `<filesystem>` says. Where something could not be read, a problem was told and a harmless
/// value stands here.
#[derive(Debug)]
pub(super) struct AreaDraft {
    pub(super) line: u64,
    pub(super) label: String,
    pub(super) name: String,
    pub(super) root: Text,
    pub(super) token_description: Option<String>,
    pub(super) token_line: u64,
    pub(super) storage_class: StorageClass,
    pub(super) retention: RetentionPolicy,
    pub(super) latency: AccessLatency,
    pub(super) expiration_mode: String,
    pub(super) total_online: u64,
    pub(super) limited_size: bool,
    pub(super) total_nearline: u64,
    pub(super) acl_mode: AclMode,
    pub(super) default_acl: Vec<DefaultAclEntry>,
    pub(super) authz: AreaAuthz,
    pub(super) offers: Vec<Offer>,
    pub(super) space: Option<SpaceDefaults>,
    pub(super) file_lifetime: Option<u64>,
}

impl AreaDraft {
    pub(super) fn read(loader: &mut Loader<'_>, fs: &Filesystem) -> Self {
        let label = label("filesystem", fs.name.as_deref());
        let mut draft = AreaDraft {
            line: fs.line,
            name: fs.name.clone().unwrap_or_default(),
            root: fs.root.clone(),
            token_description: fs.token_description.as_ref().and_then(Text::get).map(str::to_owned),
            token_line: fs.token_description.as_ref().map_or(fs.line, |text| text.line),
            storage_class: match fs.storage_class.as_ref().and_then(Text::get) {
                Some("T0D0") => StorageClass::T0D0,
                Some("T1D0") => StorageClass::T1D0,
                Some("T1D1") => StorageClass::T1D1,
                _ => StorageClass::T0D1,
            },
            retention: match fs.properties.retention.get() {
                Some("custodial") => RetentionPolicy::Custodial,
                Some("output") => RetentionPolicy::Output,
                _ => RetentionPolicy::Replica,
            },
            latency: match fs.properties.latency.get() {
                Some("nearline" | "offline") => AccessLatency::Nearline,
                _ => AccessLatency::Online,
            },
            expiration_mode: fs.properties.expiration.value.clone(),
            total_online: size(loader, &fs.properties.online, "TotalOnlineSize", &label),
            limited_size: is_true(fs.properties.online.limited.as_deref()),
            total_nearline: size(loader, &fs.properties.nearline, "TotalNearlineSize", &label),
            acl_mode: match fs.capabilities.acl_mode.get() {
                Some("JiT") => AclMode::JiT,
                _ => AclMode::AoT,
            },
            default_acl: default_acl(loader, fs, &label),
            authz: authz(loader, fs, &label),
            offers: offers(loader, fs, &label),
            space: None,
            file_lifetime: None,
            label,
        };
        draft.drivers(loader, fs);
        if let Some(defaults) = &fs.defaults {
            draft.file_lifetime = lifetime(defaults.file.lifetime.as_deref());
            draft.space = Some(draft.space_defaults(loader, &defaults.space));
        }
        draft
    }

    fn drivers(&self, loader: &mut Loader<'_>, fs: &Filesystem) {
        let label = &self.label;
        let gpfs_driver = fs.driver.get().is_some_and(|name| name.contains(".gpfs"));
        if fs.fs_type.as_deref() == Some("gpfs") || gpfs_driver {
            let text = format!(
                "{label}: GPFS is not supported here yet: the area is served as any POSIX file system, without filesets and tape"
            );
            loader.warn(fs.line, text);
        }
        if let Some(quota) = &fs.capabilities.quota
            && is_true(quota.enabled.as_deref())
        {
            let text = format!(
                "{label}: <quota enabled=\"true\"> is not available yet: set it to false and TotalOnlineSize to the limit"
            );
            loader.error(quota.line, text);
        }
    }

    fn space_defaults(
        &self,
        loader: &mut Loader<'_>,
        space: &document::SpaceDefaults,
    ) -> SpaceDefaults {
        let bytes = |text: &Option<String>| {
            text.as_deref().and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0)
        };
        let (guaranteed, total) = (bytes(&space.guarsize), bytes(&space.totalsize));
        if space.guarsize.is_some() && space.totalsize.is_some() && guaranteed > total {
            let text = format!(
                "{}: <space>: guarsize {guaranteed} is larger than totalsize {total}",
                self.label
            );
            loader.error(space.line, text);
        }
        SpaceDefaults {
            lifetime: lifetime(space.lifetime.as_deref()),
            kind: space.kind.clone().unwrap_or_default(),
            guaranteed,
            total,
        }
    }
}

/// Seconds; a negative number has no end.
fn lifetime(text: Option<&str>) -> Option<u64> {
    text.and_then(|digits| digits.parse().ok())
}

fn is_true(text: Option<&str>) -> bool {
    matches!(text, Some("true" | "1"))
}

fn size(loader: &mut Loader<'_>, size: &document::Size, element: &str, label: &str) -> u64 {
    let Ok(number) = size.value.parse::<u64>() else { return 0 };
    let unit: u64 = match size.unit.as_deref() {
        Some("Byte") => 1,
        Some("KB") => 1_000,
        Some("MB") => 1_000_000,
        Some("GB") => 1_000_000_000,
        _ => 1_000_000_000_000,
    };
    // The store and the wire count in signed 64 bits.
    number.checked_mul(unit).filter(|bytes| i64::try_from(*bytes).is_ok()).unwrap_or_else(|| {
        let text = format!("{label}: <{element}> is larger than 9223372036854775807 bytes");
        loader.error(size.line, text);
        0
    })
}

fn authz(loader: &mut Loader<'_>, fs: &Filesystem, label: &str) -> AreaAuthz {
    if let Some(db) = fs.authz.db.as_ref() {
        let Some(name) = db.get() else { return AreaAuthz::DenyAll };
        if name.contains('/') || matches!(name, "." | "..") {
            let text = format!(
                "{label}: <authz-db> {name:?}: expected the name of a file beside namespace.xml"
            );
            loader.error(db.line, text);
            return AreaAuthz::DenyAll;
        }
        let path = loader.folder.join(name);
        let closed = |problem: Problem| Problem {
            text: format!("{}; {label} is closed", problem.text),
            ..problem
        };
        loader.append(AreaAcl::problems(&path).into_iter().map(closed).collect());
        return AreaAuthz::Db(path);
    }
    match fs.authz.fixed.as_ref().and_then(Text::get) {
        Some("permit-all") => AreaAuthz::PermitAll,
        _ => AreaAuthz::DenyAll,
    }
}

fn default_acl(loader: &mut Loader<'_>, fs: &Filesystem, label: &str) -> Vec<DefaultAclEntry> {
    let mut list = Vec::new();
    for entry in fs.capabilities.default_acl.iter().flat_map(|acl| &acl.entries) {
        let (Some(group), Some(permissions)) = (entry.group.get(), entry.permissions.get()) else {
            continue;
        };
        let Ok(Some(found)) = nix::unistd::Group::from_name(group) else {
            let text = format!(
                "{label}: <default-acl>: this host knows no group {group}: the entry is passed over"
            );
            loader.warn(entry.group.line, text);
            continue;
        };
        list.push(DefaultAclEntry {
            gid: found.gid.as_raw(),
            read: permissions.contains('R'),
            write: permissions.contains('W'),
        });
    }
    list
}

/// The protocols in the order in which the file first names each, with their pools.
fn offers(loader: &mut Loader<'_>, fs: &Filesystem, label: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    // Protocol and place of each member id.
    let mut ids: HashMap<i64, (Protocol, usize)> = HashMap::new();
    for prot in &fs.capabilities.protocols.list {
        let Some(protocol) = prot.name.as_deref().and_then(|name| name.parse::<Protocol>().ok())
        else {
            continue;
        };
        let Some(server) = server(loader, prot, protocol, label) else { continue };
        let at = match offers.iter().position(|offer| offer.protocol == protocol) {
            Some(at) => at,
            None => {
                offers.push(Offer { protocol, servers: Vec::new(), pool: None });
                offers.len() - 1
            }
        };
        let place = offers[at].servers.len();
        offers[at].servers.push(server);
        let id = prot.id.as_ref().and_then(|id| Some((id.line, id.get()?.parse::<i64>().ok()?)));
        if let Some((line, id)) = id
            && ids.insert(id, (protocol, place)).is_some()
        {
            loader.error(line, format!("{label}: the member id {id} stands twice in <trans-prot>"));
        }
    }
    for pool in &fs.capabilities.pools {
        self::pool(loader, pool, &ids, &mut offers, label);
    }
    offers
}

fn server(
    loader: &mut Loader<'_>,
    prot: &document::Prot,
    protocol: Protocol,
    label: &str,
) -> Option<Server> {
    if let Some(schema) = prot.schema.get() {
        let same = schema == protocol.as_str()
            || (matches!(schema, "root" | "xroot")
                && matches!(protocol, Protocol::Root | Protocol::Xroot));
        if !same {
            let text = format!(
                "{label}: <prot name={protocol}> has the schema {schema}: its TURLs begin with {protocol}://"
            );
            loader.warn(prot.schema.line, text);
        }
    }
    let host = prot.host.as_ref().and_then(Text::get);
    if let Some(host) = host
        && !matches!(split_host_port(host), Some((_, None)))
        && host.parse::<std::net::Ipv6Addr>().is_err()
    {
        let line = prot.host.as_ref().map_or(prot.line, |text| text.line);
        let text = format!(
            "{label}: <prot name={protocol}>: <host>: expected a host name without port, found {host:?}"
        );
        loader.error(line, text);
        return None;
    }
    let port = prot.port.as_ref().and_then(Text::get).and_then(|digits| digits.parse().ok());
    Some(Server { host: host.map(str::to_owned), port })
}

fn pool(
    loader: &mut Loader<'_>,
    pool: &document::Pool,
    ids: &HashMap<i64, (Protocol, usize)>,
    offers: &mut [Offer],
    label: &str,
) {
    let mut members: Vec<(usize, u32)> = Vec::new();
    let mut common: Option<Protocol> = None;
    let mut seen: Vec<i64> = Vec::new();
    for member in &pool.members.list {
        let Some(id) = member.id.as_deref().and_then(|digits| digits.parse::<i64>().ok()) else {
            continue;
        };
        let Some((protocol, place)) = ids.get(&id).copied() else {
            let text = format!("{label}: <pool>: no <prot> has the id {id}");
            loader.error(member.line, text);
            continue;
        };
        if seen.contains(&id) {
            loader.error(member.line, format!("{label}: <pool>: the member {id} stands twice"));
            continue;
        }
        seen.push(id);
        match common {
            Some(first) if first != protocol => {
                let text = format!(
                    "{label}: <pool>: the member {id} speaks {protocol}, those before it {first}: a pool has one protocol"
                );
                loader.error(member.line, text);
                continue;
            }
            _ => common = Some(protocol),
        }
        let weight = member.weight.as_ref().and_then(Text::get);
        members.push((place, weight.and_then(|digits| digits.parse().ok()).unwrap_or(1)));
    }
    let (Some(protocol), Some(strategy)) = (common, pool.strategy.get().and_then(Strategy::parse))
    else {
        return;
    };
    let Some(offer) = offers.iter_mut().find(|offer| offer.protocol == protocol) else { return };
    if offer.pool.is_some() {
        loader.error(pool.line, format!("{label}: a second <pool> of {protocol}: join the two"));
        return;
    }
    offer.pool = Some(Pool::new(strategy, members));
}
