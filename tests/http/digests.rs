//! Checksums: kept in one pass, computed when asked for, verified on the way in; values by coreutils.

use std::path::Path;
use std::process::Command;

use super::common::scene::Scene;
use super::common::{adler32, bytes, leftovers};
use super::header;

/// The digits that a tool prints.
fn tool(program: &str, path: &Path) -> String {
    let done = Command::new(program).arg(path).output().unwrap();
    assert!(done.status.success(), "{program}");
    String::from_utf8(done.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

fn base64(hex: &str) -> String {
    use base64::Engine as _;
    let pairs = (0..hex.len()).step_by(2);
    let bytes: Vec<u8> =
        pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn attribute(path: &Path, name: &str) -> Option<String> {
    let mut value = [0_u8; 256];
    let name = format!("user.storm.checksum.{name}");
    let size = rustix::fs::getxattr(path, name.as_str(), &mut value).ok()?;
    Some(String::from_utf8_lossy(&value[..size]).into_owned())
}

#[tokio::test]
async fn asked_for_and_kept() {
    let mut scene = Scene::new();
    scene.storm.http = "checksums = [\"md5\", \"sha-256\", \"crc32c\"]\n".to_owned();
    scene.storm.restart();
    let data = bytes(200_000, 7);
    let disk = scene.storm.root("test.vo").join("f");
    assert_eq!(scene.https("PUT", "/test.vo/f", &[], &data).await.status, 201);
    let [md5, sha1, sha256, sha512] =
        ["md5sum", "sha1sum", "sha256sum", "sha512sum"].map(|program| tool(program, &disk));
    assert_eq!(attribute(&disk, "adler32"), Some(adler32(&data)));
    assert_eq!(attribute(&disk, "md5").as_ref(), Some(&md5));
    assert_eq!(attribute(&disk, "sha-256").as_ref(), Some(&sha256));
    assert_eq!(attribute(&disk, "crc32c").unwrap().len(), 8);
    assert_eq!(attribute(&disk, "sha-1"), None);
    let told = [
        ("adler32", format!("adler32={}", adler32(&data))),
        ("MD5", format!("md5={}", base64(&md5))),
        ("sha", format!("sha={}", base64(&sha1))),
        ("sha-256;q=0.1, sha-512;q=0.2", format!("sha-512={}", base64(&sha512))),
    ];
    for method in ["HEAD", "GET"] {
        for (wish, value) in &told {
            let answer = scene.https(method, "/test.vo/f", &[("want-digest", wish)], b"").await;
            assert_eq!(header(&answer, "digest"), value, "{method} {wish}");
        }
        let wish = [("want-repr-digest", "sha-256=1, adler=2"), ("want-digest", "md5")];
        let answer = scene.https(method, "/test.vo/f", &wish, b"").await;
        let adler = format!("adler=:{}:", base64(&adler32(&data)));
        assert_eq!(header(&answer, "repr-digest"), adler);
        assert_eq!(header(&answer, "digest"), told[1].1);
    }
    // What was asked for is kept; what another hand changed is not believed.
    assert_eq!(attribute(&disk, "sha-1").as_ref(), Some(&sha1));
    std::fs::write(&disk, b"changed").unwrap();
    let answer = scene.https("HEAD", "/test.vo/f", &[("want-digest", "sha")], b"").await;
    let sha1 = tool("sha1sum", &disk);
    assert_eq!(header(&answer, "digest"), format!("sha={}", base64(&sha1)));
    assert_eq!(attribute(&disk, "sha-1"), Some(sha1));
    assert_eq!(attribute(&disk, "md5"), None);
    // As properties, of each member of a directory too, in three dialects.
    assert_eq!(scene.https("PUT", "/test.vo/f", &[], &data).await.status, 204);
    let asked = "<propfind xmlns=\"DAV:\"><prop><Checksum xmlns=\"http://storm.italiangrid.org/2014/webdav\"/>\
                 <checksums xmlns=\"http://owncloud.org/ns\"/>\
                 <Checksums xmlns=\"http://www.dcache.org/2013/webdav\"/></prop></propfind>";
    for (path, depth) in [("/test.vo/f", "0"), ("/test.vo", "1")] {
        let depth = [("depth", depth)];
        let told_all = scene.https("PROPFIND", path, &depth, asked.as_bytes()).await.text();
        let (adler, md5_64) = (adler32(&data), base64(&md5));
        for element in [
            format!(">{adler}</ns1:Checksum>"),
            format!("<oc:checksum>ADLER32:{adler} CRC32C:"),
            format!(" MD5:{md5} SHA256:{sha256}</oc:checksum>"),
            format!(">adler32={adler},crc32c="),
            format!(",md5={md5_64},sha-256="),
        ] {
            assert!(told_all.contains(&element), "{path}: {element}: {told_all}");
        }
    }
    // Through a TURL, and with a time of the client's choice: the stamp stays true.
    let old = [("x-oc-mtime", "784111777")];
    let put = scene.https("PUT", "/test.vo/g", &old, &data).await;
    assert_eq!((put.status, header(&put, "x-oc-mtime")), (201, "accepted"));
    let answer = scene.https("HEAD", "/test.vo/g", &[("want-digest", "md5")], b"").await;
    assert_eq!(header(&answer, "last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(header(&answer, "digest"), told[1].1);
    assert_eq!(attribute(&scene.storm.root("test.vo").join("g"), "sha-1"), None);
    let (surl, token, _, turl) = scene.put("t", None).await;
    assert_eq!(scene.https("PUT", &turl, &[], &data).await.status, 201);
    let done = super::common::soap::token(&token) + &super::common::soap::surls(&[&surl]);
    assert_eq!(scene.srm("srmPutDone", &done).await.code, "SRM_SUCCESS");
    assert_eq!(attribute(&scene.storm.root("test.vo").join("t"), "md5"), Some(md5));
}

#[tokio::test]
async fn verified() {
    let scene = Scene::new();
    let disk = scene.storm.root("test.vo").join("f");
    std::fs::write(&disk, b"The quick brown fox").unwrap();
    let [md5, sha1, sha256] = ["md5sum", "sha1sum", "sha256sum"].map(|p| tool(p, &disk));
    let adler = adler32(b"The quick brown fox");
    std::fs::write(&disk, b"old").unwrap();
    let [md5_64, sha_64, sha256_64] = [&md5, &sha1, &sha256].map(|hex| base64(hex));
    let nothing = "0".repeat(40);
    for (name, good, bad) in [
        ("digest", format!("adler32={adler}"), "adler32=00000001".to_owned()),
        ("digest", format!("sha={sha_64},md5={md5_64}"), format!("sha={}", base64(&nothing))),
        ("repr-digest", format!("sha-256=:{sha256_64}:"), format!("sha=:{}:", base64(&nothing))),
        ("content-digest", format!("md5=:{md5_64}:"), "md5=:x:".to_owned()),
        ("content-md5", md5_64.clone(), base64(&nothing[..32])),
        ("oc-checksum", format!("SHA1:{sha1}"), format!("SHA1:{nothing}")),
        ("oc-checksum", format!("ADLER32:{adler}"), "ADLER32:00000001".to_owned()),
    ] {
        let path = "/test.vo/f";
        let refused = scene.https("PUT", path, &[(name, &bad)], b"The quick brown fox").await;
        assert_eq!(refused.status, 400, "{name}: {bad}: {}", refused.text());
        assert_eq!(std::fs::read(&disk).unwrap(), b"old", "{name}: {bad}");
        let put = scene.https("PUT", path, &[(name, &good)], b"The quick brown fox").await;
        assert_eq!(put.status, 204, "{name}: {good}: {}", put.text());
        assert_eq!(std::fs::read(&disk).unwrap(), b"The quick brown fox");
        std::fs::write(&disk, b"old").unwrap();
    }
    // Of a part only what speaks of the body is verified; what speaks of the file is refused.
    let range = ("content-range", "bytes 0-2/*");
    for (name, value, status) in [
        ("digest", "adler32=00000001", 400),
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", 400),
        ("content-md5", "IvAczxx6stFXXyDPjJ1lxw==", 400),
    ] {
        let answer = scene.https("PUT", "/test.vo/f", &[range, (name, value)], b"new").await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    assert_eq!(std::fs::read(&disk).unwrap(), b"old");
    let right = format!("adler=:{}:", base64(&adler32(b"new")));
    let right = ("content-digest", right.as_str());
    let answer = scene.https("PUT", "/test.vo/f", &[range, right], b"new").await;
    assert_eq!((answer.status, std::fs::read(&disk).unwrap()), (204, b"new".to_vec()));
    assert_eq!(leftovers(&scene.storm.root("test.vo")), Vec::<String>::new());
}
