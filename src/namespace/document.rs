//! namespace.xml as yaserde fills it from the clean copy that [`super::reader`] makes. Every value is
//! still a text with its line: meaning comes in [`super::load`].

#![allow(missing_docs)]

use yaserde::YaDeserialize;

/// An element that holds a text.
#[derive(Debug, Default, Clone, PartialEq, YaDeserialize)]
pub(super) struct Text {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(text = true, default = "empty")]
    pub(super) value: String,
}

impl Text {
    /// The value; `None` when it is empty: then the pass before has told why.
    pub(super) fn get(&self) -> Option<&str> {
        (!self.value.is_empty()).then_some(self.value.as_str())
    }
}

#[derive(Debug, Default, YaDeserialize)]
#[yaserde(rename = "namespace")]
pub(super) struct Document {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true)]
    pub(super) version: Option<String>,
    pub(super) filesystems: Filesystems,
    #[yaserde(rename = "mapping-rules")]
    pub(super) mapping: MappingRules,
    #[yaserde(rename = "approachable-rules")]
    pub(super) approachable: ApproachableRules,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Filesystems {
    #[yaserde(rename = "filesystem")]
    pub(super) list: Vec<Filesystem>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Filesystem {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true)]
    pub(super) name: Option<String>,
    #[yaserde(attribute = true)]
    pub(super) fs_type: Option<String>,
    #[yaserde(rename = "space-token-description")]
    pub(super) token_description: Option<Text>,
    #[yaserde(rename = "storage-class")]
    pub(super) storage_class: Option<Text>,
    pub(super) root: Text,
    #[yaserde(rename = "filesystem-driver")]
    pub(super) driver: Text,
    #[yaserde(rename = "storage-area-authz")]
    pub(super) authz: Authz,
    pub(super) properties: Properties,
    pub(super) capabilities: Capabilities,
    #[yaserde(rename = "defaults-values")]
    pub(super) defaults: Option<Defaults>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Authz {
    pub(super) fixed: Option<Text>,
    #[yaserde(rename = "authz-db")]
    pub(super) db: Option<Text>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Properties {
    #[yaserde(rename = "RetentionPolicy")]
    pub(super) retention: Text,
    #[yaserde(rename = "AccessLatency")]
    pub(super) latency: Text,
    #[yaserde(rename = "ExpirationMode")]
    pub(super) expiration: Text,
    #[yaserde(rename = "TotalOnlineSize")]
    pub(super) online: Size,
    #[yaserde(rename = "TotalNearlineSize")]
    pub(super) nearline: Size,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Size {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true)]
    pub(super) unit: Option<String>,
    #[yaserde(attribute = true, rename = "limited-size")]
    pub(super) limited: Option<String>,
    #[yaserde(text = true, default = "empty")]
    pub(super) value: String,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Capabilities {
    #[yaserde(rename = "aclMode")]
    pub(super) acl_mode: Text,
    #[yaserde(rename = "default-acl")]
    pub(super) default_acl: Option<DefaultAcl>,
    pub(super) quota: Option<Quota>,
    #[yaserde(rename = "trans-prot")]
    pub(super) protocols: TransProt,
    #[yaserde(rename = "pool")]
    pub(super) pools: Vec<Pool>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct DefaultAcl {
    #[yaserde(rename = "acl-entry")]
    pub(super) entries: Vec<AclEntry>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct AclEntry {
    #[yaserde(rename = "groupName")]
    pub(super) group: Text,
    pub(super) permissions: Text,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Quota {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true)]
    pub(super) enabled: Option<String>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct TransProt {
    #[yaserde(rename = "prot")]
    pub(super) list: Vec<Prot>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Prot {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true)]
    pub(super) name: Option<String>,
    pub(super) id: Option<Text>,
    pub(super) schema: Text,
    pub(super) host: Option<Text>,
    pub(super) port: Option<Text>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Pool {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(rename = "balance-strategy")]
    pub(super) strategy: Text,
    pub(super) members: Members,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Members {
    #[yaserde(rename = "member")]
    pub(super) list: Vec<Member>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Member {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true, rename = "member-id")]
    pub(super) id: Option<String>,
    pub(super) weight: Option<Text>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Defaults {
    pub(super) space: SpaceDefaults,
    pub(super) file: FileDefaults,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct SpaceDefaults {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true)]
    pub(super) lifetime: Option<String>,
    #[yaserde(attribute = true, rename = "type")]
    pub(super) kind: Option<String>,
    #[yaserde(attribute = true)]
    pub(super) guarsize: Option<String>,
    #[yaserde(attribute = true)]
    pub(super) totalsize: Option<String>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct FileDefaults {
    #[yaserde(attribute = true)]
    pub(super) lifetime: Option<String>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct MappingRules {
    #[yaserde(rename = "map-rule")]
    pub(super) list: Vec<MapRule>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct MapRule {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true)]
    pub(super) name: Option<String>,
    #[yaserde(rename = "stfn-root")]
    pub(super) stfn_root: Text,
    #[yaserde(rename = "mapped-fs")]
    pub(super) mapped_fs: Text,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct ApproachableRules {
    #[yaserde(rename = "app-rule")]
    pub(super) list: Vec<AppRule>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct AppRule {
    #[yaserde(attribute = true)]
    pub(super) line: u64,
    #[yaserde(attribute = true)]
    pub(super) name: Option<String>,
    pub(super) subjects: Subjects,
    #[yaserde(rename = "approachable-fs")]
    pub(super) approachable_fs: Text,
    #[yaserde(rename = "space-rel-path")]
    pub(super) space_rel_path: Option<Text>,
    #[yaserde(rename = "anonymous-http-read")]
    pub(super) anonymous_http_read: Option<Text>,
}

#[derive(Debug, Default, YaDeserialize)]
pub(super) struct Subjects {
    pub(super) dn: Text,
    #[yaserde(rename = "vo-name")]
    pub(super) vo_name: Option<Text>,
}

/// The text of an element without one: yaserde would refuse it.
fn empty() -> String {
    String::new()
}
