//! The operations that answer at once (srmPing, srmGetTransferProtocols, srmLs, srmMkdir, srmRmdir,
//! srmRm, srmMv), who may do them, the data path beside live puts and pins, and the shapes of TURLs:
//! the real daemon over SOAP, https and http.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "operations/authorisation.rs"]
mod authorisation;
#[path = "operations/data.rs"]
mod data;
#[path = "operations/ls.rs"]
mod ls;
#[path = "operations/ls_pages.rs"]
mod ls_pages;
#[path = "operations/ls_tokens.rs"]
mod ls_tokens;
#[path = "operations/mv.rs"]
mod mv;
#[path = "operations/tree.rs"]
mod tree;
#[path = "operations/turls.rs"]
mod turls;

use common::scene::Scene;
use common::soap::{self, Answer};
use common::wire::{self, Conn, Response};

/// One entry of an srmLs answer, in the order of the document: a directory before what it holds.
struct Detail {
    path: String,
    code: String,
    xml: String,
}

impl Detail {
    fn text(&self, name: &str) -> Option<String> {
        soap::text(&self.xml, name)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }
}

fn details(answer: &Answer) -> Vec<Detail> {
    let parts = answer.xml.split("<pathDetailArray").skip(1);
    parts
        .map(|xml| Detail {
            path: soap::text(xml, "path").unwrap_or_default(),
            code: soap::text(xml, "statusCode").unwrap_or_default(),
            xml: xml.to_owned(),
        })
        .collect()
}

/// `name:code` of each entry but the first, with names below `directory`.
fn children(answer: &Answer, directory: &str) -> Vec<String> {
    let below = format!("{}/", directory.trim_end_matches('/'));
    let entries = details(answer).into_iter().skip(1);
    entries
        .map(|entry| {
            let name = entry.path.strip_prefix(&below).unwrap_or(&entry.path).to_owned();
            match entry.code.as_str() {
                "SRM_SUCCESS" => name,
                code => format!("{name}:{code}"),
            }
        })
        .collect()
}

/// srmLs of one path with more options.
async fn list(scene: &Scene, path: &str, options: &str) -> Answer {
    let surls = soap::surls(&[scene.storm.surl(path)]);
    scene.srm("srmLs", &format!("{surls}{options}")).await
}

/// srmMkdir.
async fn mkdir(scene: &Scene, path: &str) -> Answer {
    scene.srm("srmMkdir", &surl(scene, path)).await
}

/// srmRmdir.
async fn rmdir(scene: &Scene, path: &str, recursive: bool) -> Answer {
    let recursive = format!("<recursive>{recursive}</recursive>");
    scene.srm("srmRmdir", &format!("{}{recursive}", surl(scene, path))).await
}

/// srmRm.
async fn rm(scene: &Scene, paths: &[&str]) -> Answer {
    let surls: Vec<String> = paths.iter().map(|path| scene.storm.surl(path)).collect();
    scene.srm("srmRm", &soap::surls(&surls)).await
}

/// srmMv.
async fn mv(scene: &Scene, from: &str, to: &str) -> Answer {
    let (from, to) = (scene.storm.surl(from), scene.storm.surl(to));
    let (from, to) = (soap::escape(&from), soap::escape(&to));
    scene.srm("srmMv", &format!("<fromSURL>{from}</fromSURL><toSURL>{to}</toSURL>")).await
}

fn surl(scene: &Scene, path: &str) -> String {
    format!("<SURL>{}</SURL>", soap::escape(&scene.storm.surl(path)))
}

/// Pins a file: the token, and the TURL's path.
async fn pin(scene: &Scene, path: &str) -> (String, String) {
    let inner = soap::prepare_to_get(&[scene.storm.surl(path)]);
    let answer = scene.srm("srmPrepareToGet", &inner).await.expect("SRM_FILE_PINNED");
    let (_, turl) = wire::split_url(answer.files[0].turl.as_deref().unwrap());
    (answer.token.unwrap(), turl)
}

/// The file's code in srmStatusOfGetRequest.
async fn get_status(scene: &Scene, token: &str) -> String {
    scene.srm("srmStatusOfGetRequest", &soap::token(token)).await.file_code().to_owned()
}

/// The file's code in srmStatusOfPutRequest.
async fn put_status(scene: &Scene, token: &str) -> String {
    scene.srm("srmStatusOfPutRequest", &soap::token(token)).await.file_code().to_owned()
}

/// srmPutDone of one path.
async fn put_done(scene: &Scene, token: &str, path: &str) -> Answer {
    let surls = soap::surls(&[scene.storm.surl(path)]);
    scene.srm("srmPutDone", &format!("{}{surls}", soap::token(token))).await
}

/// A request at the anonymous door.
async fn plain(scene: &Scene, method: &str, target: &str, body: &[u8]) -> Response {
    let mut conn = Conn::tcp(scene.storm.ports.plain).await.unwrap();
    conn.request(method, target, &[("depth", "1")], body).await.unwrap()
}

fn attribute(path: &std::path::Path, name: &str) -> Option<String> {
    let mut value = [0_u8; 256];
    let size = rustix::fs::getxattr(path, name, &mut value).ok()?;
    Some(String::from_utf8_lossy(&value[..size]).into_owned())
}

fn set_attribute(path: &std::path::Path, name: &str, value: &str) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(path, name, value.as_bytes(), flags).unwrap();
}

#[tokio::test]
async fn discovery() {
    let scene = Scene::new();
    let ping = scene.srm("srmPing", "").await;
    assert_eq!(soap::text(&ping.xml, "versionInfo").as_deref(), Some("v2.2"), "{}", ping.xml);
    for known in ["backend_type", "stormd", "backend_version", "&lt;BE:", "backend_os_distribution"]
    {
        assert!(ping.xml.contains(known), "{known}: {}", ping.xml);
    }
    // StoRM's secret commands are not known.
    let inner = "<authorizationID>key=take-over</authorizationID>";
    let again = scene.srm("srmPing", inner).await;
    assert_eq!(again.xml, ping.xml);
    let protocols = scene.srm("srmGetTransferProtocols", "").await;
    assert_eq!(protocols.code, "SRM_SUCCESS", "{}", protocols.xml);
    for name in ["https", "http", "file"] {
        let element = format!("<transferProtocol>{name}</transferProtocol>");
        assert!(protocols.xml.contains(&element), "{name}: {}", protocols.xml);
    }
    assert!(!protocols.xml.contains("gsiftp"), "{}", protocols.xml);
    // Nobody, and nobody in particular.
    let port = scene.storm.ports.srm;
    let nobody = wire::config(None, common::client::Tls::Any);
    let refused = soap::once(&nobody, port, "srmGetTransferProtocols", "").await.unwrap();
    assert_eq!(refused.code, "SRM_AUTHENTICATION_FAILURE", "{}", refused.xml);
    let refused = soap::once(&nobody, port, "srmPing", "").await.unwrap();
    assert_eq!(refused.code, "FAULT", "{}", refused.xml);
}
