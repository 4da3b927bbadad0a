//! The file system is the catalogue: a site whose database is gone lists, reads and verifies all it
//! had, and goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::time::Duration;

use common::client::Tls;
use common::soap::{self, Answer};
use common::wire;
use common::{TestStorm, adler32, bytes, wait_until};

struct Site {
    storm: TestStorm,
}

impl Site {
    async fn srm(&self, operation: &str, inner: &str) -> Answer {
        let config = wire::config(Some("voms"), Tls::Any);
        Box::pin(soap::once(&config, self.storm.ports.srm, operation, inner)).await.unwrap()
    }

    async fn http(&self, method: &str, path: &str, body: &[u8]) -> wire::Response {
        let config = wire::config(Some("voms"), Tls::Any);
        let https = self.storm.ports.https;
        Box::pin(wire::once(&config, https, method, path, body)).await.unwrap()
    }

    /// A put by SRM, as far as srmPutDone where `done`.
    async fn put(&self, name: &str, content: &[u8], done: bool) -> String {
        let surl = self.storm.surl(&format!("/test.vo/{name}"));
        let answer = self.srm("srmPrepareToPut", &soap::prepare_to_put(&[&surl], None)).await;
        let answer = answer.expect("SRM_SPACE_AVAILABLE");
        let (_, path) = wire::split_url(answer.files[0].turl.as_deref().unwrap());
        assert_eq!(self.http("PUT", &path, content).await.status, 201);
        let token = answer.token.unwrap();
        if done {
            let inner = soap::token(&token) + &soap::surls(&[&surl]);
            self.srm("srmPutDone", &inner).await.expect("SRM_SUCCESS");
        }
        token
    }

    /// All that srmLs tells of the whole tree, but what belongs to the database: space tokens.
    async fn tree(&self) -> Vec<String> {
        let surl = self.storm.surl("/test.vo");
        let inner = soap::surls(&[surl])
            + "<fullDetailedList>true</fullDetailedList><allLevelRecursive>true</allLevelRecursive>";
        let answer = self.srm("srmLs", &inner).await;
        assert_eq!(answer.code, "SRM_SUCCESS", "{}", answer.explanation);
        let field = |one: &str, name| soap::text(one, name).unwrap_or_default();
        let told =
            ["path", "size", "type", "checkSumType", "checkSumValue", "lastModificationTime"];
        let one = |xml: &str| told.map(|name| field(xml, name)).join(" ");
        answer.xml.split("<path>").skip(1).map(|xml| one(&format!("<path>{xml}"))).collect()
    }
}

#[tokio::test]
async fn a_site_without_its_database_has_all_it_had() {
    let mut site = Site { storm: TestStorm::start() };
    std::fs::create_dir_all(site.storm.root("test.vo").join("a/b")).unwrap();
    let contents: Vec<(String, Vec<u8>)> = (0..6)
        .map(|n| (format!("{}f{n}", ["", "a/", "a/b/"][n % 3]), bytes(10_000 * n, n as u64)))
        .collect();
    for (n, (name, content)) in contents.iter().enumerate() {
        match n % 2 {
            0 => drop(site.put(name, content, true).await),
            _ => {
                assert_eq!(
                    site.http("PUT", &format!("/test.vo/{name}"), content).await.status,
                    201
                );
            }
        }
    }
    let live = site.put("waits", b"its request goes with the database", false).await;
    let surl = site.storm.surl("/test.vo/f0");
    let pinned = site.srm("srmPrepareToGet", &soap::prepare_to_get(&[&surl])).await;
    let pin = pinned.token.clone().unwrap();
    pinned.expect("SRM_FILE_PINNED");
    // A live put is shown by its request alone.
    let before: Vec<String> =
        site.tree().await.into_iter().filter(|one| !one.starts_with("/test.vo/waits")).collect();
    assert_eq!(before.len(), 1 + 2 + contents.len(), "{before:#?}");

    site.storm.term();
    for name in ["stormd.db", "stormd.db-wal", "stormd.db-shm"] {
        // The last two are gone where the stop was a clean one.
        let _ = std::fs::remove_file(site.storm.dir().join("var").join(name));
    }
    site.storm.restart();

    assert_eq!(site.tree().await, before);
    for (name, content) in &contents {
        let path = format!("/test.vo/{name}");
        let answer = site.http("GET", &path, b"").await;
        assert_eq!((answer.status, &answer.body), (200, content), "{name}");
        let surl = site.storm.surl(&path);
        let get = site.srm("srmPrepareToGet", &soap::prepare_to_get(&[&surl])).await;
        assert_eq!(get.file_code(), "SRM_FILE_PINNED", "{}", get.xml);
        let (_, path) = wire::split_url(get.files[0].turl.as_deref().unwrap());
        assert_eq!(site.http("GET", &path, b"").await.body, *content);
        let detail =
            site.tree().await.into_iter().find(|one| one.starts_with(&format!("/test.vo/{name} ")));
        assert!(detail.is_some_and(|one| one.contains(&adler32(content))), "{name}");
    }
    // Requests are gone, and said to be.
    for (operation, token) in [("srmStatusOfPutRequest", &live), ("srmStatusOfGetRequest", &pin)] {
        let gone = site.srm(operation, &soap::token(token)).await;
        assert_eq!(gone.code, "SRM_INVALID_REQUEST");
        assert!(gone.explanation.contains("No request found"), "{}", gone.explanation);
    }
    // Nothing is busy: the path of the lost put takes another one, and pinned files go.
    site.put("waits", b"again", true).await;
    assert_eq!(site.http("GET", "/test.vo/waits", b"").await.body, b"again");
    let gone = site.srm("srmRm", &soap::surls(&[&surl])).await;
    assert_eq!(gone.code, "SRM_SUCCESS");
    assert!(wait_until(Duration::from_secs(5), || site.storm.healthy()));
}
