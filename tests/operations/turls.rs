//! The shapes of TURLs, and the choice among the servers of a pool.

use std::collections::BTreeMap;

use super::common::scene::Scene;
use super::common::soap;

const PROTOCOLS: &str = r#"
          <prot name="gsiftp"><id>0</id><schema>gsiftp</schema><host>ftp1.example</host><port>2811</port></prot>
          <prot name="gsiftp"><id>1</id><schema>gsiftp</schema><host>ftp2.example</host><port>2812</port></prot>
          <prot name="root"><schema>root</schema><host>xrd.example</host><port>1094</port></prot>
          <prot name="rfio"><schema>rfio</schema><host>rfio.example</host></prot>
          <prot name="file"><schema>file</schema></prot>
          HTTPS
          <prot name="http"><schema>http</schema></prot>"#;

/// A daemon whose area `open` offers all of it; `extra` stands behind `trans-prot`.
fn scene(https: &str, extra: &str) -> Scene {
    let mut scene = Scene::with("", Vec::new(), |storm| {
        std::fs::write(storm.root("open").join("a b"), "x").unwrap();
    });
    let path = scene.storm.dir().join("namespace.xml");
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find("<filesystem name=\"OPEN\"").unwrap();
    let from = text[start..].find("<trans-prot>").unwrap() + start + "<trans-prot>".len();
    let to = text[from..].find("</trans-prot>").unwrap() + from;
    let protocols = PROTOCOLS.replace("HTTPS", https);
    let rest = text[to..].replacen("</trans-prot>", &format!("</trans-prot>{extra}"), 1);
    std::fs::write(&path, format!("{}{protocols}{rest}", &text[..from])).unwrap();
    scene.storm.restart();
    scene
}

fn ask(operation: &str, surl: &str, protocols: &[&str]) -> String {
    let (list, element) = match operation {
        "srmPrepareToGet" => ("sourceSURL", "requestArray"),
        _ => ("targetSURL", "requestArray"),
    };
    let names: String =
        protocols.iter().map(|p| format!("<stringArray>{p}</stringArray>")).collect();
    let surl = soap::escape(surl);
    let files = format!("<{element}><{list}>{surl}</{list}></{element}>");
    let parameters = match protocols {
        [] => String::new(),
        _ => format!(
            "<transferParameters><arrayOfTransferProtocols>{names}</arrayOfTransferProtocols>\
             </transferParameters>"
        ),
    };
    format!("<arrayOfFileRequests>{files}</arrayOfFileRequests>{parameters}")
}

async fn get(scene: &Scene, path: &str, protocols: &[&str]) -> String {
    let inner = ask("srmPrepareToGet", &scene.storm.surl(path), protocols);
    let answer = scene.srm("srmPrepareToGet", &inner).await.expect("SRM_FILE_PINNED");
    answer.files[0].turl.clone().unwrap()
}

#[tokio::test]
async fn shapes() {
    let scene = scene("<prot name=\"https\"><schema>https</schema></prot>", "");
    let (https, plain) = (scene.storm.ports.https, scene.storm.ports.plain);
    let root = scene.storm.root("open").canonicalize().unwrap();
    let root = root.display();
    for (protocol, turl) in [
        ("file", format!("file://{root}/a%20b")),
        ("gsiftp", format!("gsiftp://ftp1.example:2811/{root}/a%20b")),
        ("rfio", format!("rfio://rfio.example:5001/{root}/a%20b")),
        ("root", format!("root://xrd.example:1094/{root}/a%20b")),
        ("xroot", format!("root://xrd.example:1094/{root}/a%20b")),
        ("https", format!("https://localhost:{https}/fileTransfer/open/a%20b")),
        ("http", format!("http://localhost:{plain}/fileTransfer/open/a%20b")),
    ] {
        assert_eq!(get(&scene, "/open/a b", &[protocol]).await, turl);
    }
    // The client's order; what nobody knows is passed over. Without a list: the area's order.
    assert!(get(&scene, "/open/file", &["warp", "root", "https"]).await.starts_with("root://"));
    assert!(get(&scene, "/open/file", &[]).await.starts_with("gsiftp://"));
    let inner = ask("srmPrepareToGet", &scene.storm.surl("/open/file"), &["warp"]);
    let answer = scene.srm("srmPrepareToGet", &inner).await;
    assert_eq!(answer.code, "SRM_NOT_SUPPORTED", "{}", answer.xml);
    let inner = ask("srmPrepareToGet", &scene.storm.surl("/test.vo/dir/file"), &["rfio", "http"]);
    let answer = scene.srm("srmPrepareToGet", &inner).await;
    assert_eq!(answer.code, "SRM_NOT_SUPPORTED", "{}", answer.xml);
    // An anonymous client reads here, and writes nowhere: so http is for gets alone.
    let inner = ask("srmPrepareToPut", &scene.storm.surl("/open/new"), &["http", "https"]);
    let put = scene.srm("srmPrepareToPut", &inner).await.expect("SRM_SPACE_AVAILABLE");
    assert!(put.files[0].turl.as_ref().unwrap().starts_with("https://"), "{}", put.xml);
    // Outside movers write to the hidden file.
    let inner = ask("srmPrepareToPut", &scene.storm.surl("/open/new2"), &["gsiftp"]);
    let put = scene.srm("srmPrepareToPut", &inner).await.expect("SRM_SPACE_AVAILABLE");
    let wanted = format!("gsiftp://ftp1.example:2811/{root}/.storm.{}.0", put.token.unwrap());
    assert_eq!(put.files[0].turl.as_deref(), Some(wanted.as_str()));
}

#[tokio::test]
async fn pools() {
    let pool = |strategy: &str| {
        format!(
            "<pool><balance-strategy>{strategy}</balance-strategy><members>\
             <member member-id=\"0\"><weight>3</weight></member>\
             <member member-id=\"1\"><weight>1</weight></member></members></pool>"
        )
    };
    let outside = "<prot name=\"https\"><schema>https</schema><host>dav.example</host>\
                   <port>8443</port></prot>";
    let mut scene = scene(outside, &pool("round-robin"));
    let path = scene.storm.dir().join("namespace.xml");
    let text = std::fs::read_to_string(&path).unwrap();
    for strategy in ["round-robin", "weight", "random", "smart-rr"] {
        if strategy != "round-robin" {
            std::fs::write(&path, text.replace("round-robin", strategy)).unwrap();
            scene.storm.restart();
        }
        let mut picked: BTreeMap<String, usize> = BTreeMap::new();
        if strategy == "smart-rr" {
            // Nobody answers there, and that is found out soon.
            let inner =
                ask("srmPrepareToGet", &scene.storm.surl("/open/file"), &["gsiftp", "file"]);
            let mut last = String::new();
            for _ in 0..100 {
                let answer = scene.srm("srmPrepareToGet", &inner).await.expect("SRM_FILE_PINNED");
                last = answer.files[0].turl.clone().unwrap();
                if last.starts_with("file://") {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            assert!(last.starts_with("file://"), "{last}");
            continue;
        }
        for _ in 0..12 {
            let turl = get(&scene, "/open/file", &["gsiftp"]).await;
            *picked.entry(turl[9..13].to_owned()).or_default() += 1;
        }
        let count = |name: &str| picked.get(name).copied().unwrap_or_default();
        match strategy {
            "round-robin" => assert_eq!((count("ftp1"), count("ftp2")), (6, 6)),
            "weight" => assert_eq!((count("ftp1"), count("ftp2")), (9, 3)),
            _ => assert_eq!(count("ftp1") + count("ftp2"), 12),
        }
    }
    // An outside door knows nothing of our prefix.
    let turl = get(&scene, "/open/a b", &["https"]).await;
    assert_eq!(turl, "https://dav.example:8443/open/a%20b");
}
