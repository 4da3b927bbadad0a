//! A small storage area, and short ways to say what is asked of its spaces.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::common::client::Tls;
use crate::common::soap::{self, Answer};
use crate::common::storm::{Setup, TestStorm};
use crate::common::{accounts, wire};
use crate::world::*;

pub const DENIED: &str = "SRM_AUTHORIZATION_FAILURE";
pub const EXCEED: &str = "SRM_EXCEED_ALLOCATION";
pub const EXPIRED: &str = "SRM_FILE_LIFETIME_EXPIRED";
pub const LOWER: &str = "SRM_LOWER_SPACE_GRANTED";
pub const NO_FREE: &str = "SRM_NO_FREE_SPACE";
pub const NO_USER: &str = "SRM_NO_USER_SPACE";
pub const OVER: &str = "SRM_SPACE_LIFETIME_EXPIRED";

/// Bytes of the small area.
pub const SIZE: u64 = 1_000_000;

/// The VO's area holds [`SIZE`] bytes and is REPLICA; the area open to all is of another class.
pub fn small() -> World {
    small_with("")
}

pub fn small_with(settings: &str) -> World {
    let size = "<TotalOnlineSize unit=\"GB\" limited-size=\"false\">100</TotalOnlineSize>";
    let less = size.replace("GB", "KB").replace("false", "true").replace("100<", "1000<");
    let setup = Setup {
        settings: settings.to_owned(),
        gridmap: accounts::grid_mapfile(),
        changes: vec![
            ("TESTVO", size, less),
            ("OPEN", "<RetentionPolicy>replica<", "<RetentionPolicy>output<".to_owned()),
        ],
        ..Setup::default()
    };
    World {
        storm: TestStorm::set_up(setup),
        user: wire::config(Some("voms"), Tls::Any),
        user2: wire::config(Some("voms-user2"), Tls::Any),
    }
}

/// Somebody in no VO.
pub fn stranger() -> Arc<ClientConfig> {
    wire::config(Some("user2"), Tls::Any)
}

pub fn element(name: &str, value: impl std::fmt::Display) -> String {
    format!("<{name}>{value}</{name}>")
}

pub fn class(policy: &str, latency: &str) -> String {
    let latency = match latency {
        "" => String::new(),
        latency => element("accessLatency", latency),
    };
    element("retentionPolicyInfo", element("retentionPolicy", policy) + &latency)
}

pub fn total(bytes: u64) -> String {
    element("desiredSizeOfTotalSpace", bytes)
}

pub fn lifetime(seconds: i64) -> String {
    element("desiredLifetimeOfReservedSpace", seconds)
}

pub fn described(text: &str) -> String {
    element("userSpaceTokenDescription", text)
}

/// `targetSpaceToken`.
pub fn into(token: &str) -> String {
    element("targetSpaceToken", token)
}

/// `desiredFileStorageType` and `desiredFileLifeTime`.
pub fn stored(kind: &str, seconds: i64) -> String {
    element("desiredFileLifeTime", seconds) + &element("desiredFileStorageType", kind)
}

pub fn space_of(answer: &Answer) -> String {
    soap::text(&answer.xml, "spaceToken").unwrap_or_else(|| panic!("no space: {}", answer.xml))
}

/// What srmGetSpaceMetaData says of one space.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub code: String,
    pub total: i64,
    pub guaranteed: i64,
    pub unused: i64,
    pub left: i64,
}

impl World {
    pub async fn reserve(&self, bytes: u64, more: &str) -> Answer {
        let size = element("desiredSizeOfGuaranteedSpace", bytes);
        self.srm("srmReserveSpace", &(class("REPLICA", "ONLINE") + &size + more)).await
    }

    /// A space that is granted.
    pub async fn space(&self, bytes: u64, more: &str) -> String {
        let answer = self.reserve(bytes, more).await;
        assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
        space_of(&answer)
    }

    pub async fn meta_data(&self, who: &Arc<ClientConfig>, token: &str) -> Answer {
        let list = element("arrayOfSpaceTokens", element("stringArray", token));
        self.ask(who, "srmGetSpaceMetaData", &list).await
    }

    pub async fn told(&self, token: &str) -> Told {
        let answer = self.meta_data(&self.user, token).await;
        let data = answer.xml.split("<spaceDataArray").nth(1).expect("no data");
        let code = soap::text(data, "statusCode").unwrap();
        Told {
            code,
            total: number(&answer, "totalSize"),
            guaranteed: number(&answer, "guaranteedSize"),
            unused: number(&answer, "unusedSize"),
            left: number(&answer, "lifetimeLeft"),
        }
    }

    /// Bytes used in a space.
    pub async fn used(&self, token: &str) -> i64 {
        let told = self.told(token).await;
        told.total - told.unused
    }

    /// A space uses so many bytes, or does so soon: what goes by itself is counted a moment later.
    pub async fn uses(&self, token: &str, bytes: i64) {
        for _ in 0..100 {
            if self.used(token).await == bytes {
                return;
            }
            seconds(0.05).await;
        }
        assert_eq!(self.used(token).await, bytes);
    }

    pub async fn tokens(&self, who: &Arc<ClientConfig>, more: &str) -> Vec<String> {
        let answer = self.ask(who, "srmGetSpaceTokens", more).await;
        let parts = answer.xml.split("<stringArray").skip(1);
        let text = |part| soap::text(&format!("<stringArray{part}"), "stringArray");
        parts.filter_map(text).collect()
    }

    /// The token of the small area itself.
    pub async fn area(&self) -> String {
        self.tokens(&self.user, &described("TESTVO_TOKEN")).await.remove(0)
    }

    pub async fn let_go(&self, token: &str, force: bool) -> Answer {
        let force = if force { element("forceFileRelease", "true") } else { String::new() };
        self.srm("srmReleaseSpace", &(element("spaceToken", token) + &force)).await
    }

    pub async fn update(&self, token: &str, more: &str) -> Answer {
        self.srm("srmUpdateSpace", &(element("spaceToken", token) + more)).await
    }

    pub async fn change(&self, surls: &[&str], token: &str) -> Answer {
        self.srm("srmChangeSpaceForFiles", &(soap::surls(surls) + &into(token))).await
    }

    /// A full listing of one file.
    pub async fn listed(&self, surl: &str) -> Answer {
        let more = "<storageSystemInfo/><fullDetailedList>true</fullDetailedList>\
                    <numOfLevels>0</numOfLevels>";
        self.srm("srmLs", &(soap::surls(&[surl]) + more)).await
    }

    /// Bytes of all files of the small area, as the disk has them.
    pub fn on_disk(&self) -> u64 {
        fn below(path: &std::path::Path) -> u64 {
            let entries = std::fs::read_dir(path).unwrap().map(Result::unwrap);
            let size = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
                data if data.is_dir() => below(&entry.path()),
                data => data.len(),
            };
            entries.map(size).sum()
        }
        below(&self.storm.root("test.vo"))
    }
}

pub async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}
