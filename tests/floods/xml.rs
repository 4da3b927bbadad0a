//! XML that is made to cost much: entities, depth, attributes, namespaces, names; at every reader.

use std::time::{Duration, Instant};

use crate::common::scene::Scene;
use crate::common::soap;
use crate::common::wire::Conn;
use crate::harmless;

/// What one may take: a debug build, and others are at work.
const TIME: Duration = Duration::from_secs(5);

/// Documents that are no honest request; each as large as `size` lets it be.
fn bombs(root: &str, namespace: &str, size: usize) -> Vec<(&'static str, String)> {
    let open = format!("<r:{root} xmlns:r=\"{namespace}\"");
    let close = format!("</r:{root}>");
    let repeat = |text: &str| text.repeat(size / text.len());
    let each = |one: &dyn Fn(usize) -> String| -> String {
        let mut out = String::new();
        for n in 0.. {
            let next = one(n);
            if out.len() + next.len() > size {
                break;
            }
            out += &next;
        }
        out
    };
    let mut laughs = "<!DOCTYPE l [<!ENTITY l0 \"ha\">".to_owned();
    for n in 1..30 {
        laughs += &format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10));
    }
    let half = size / 2;
    let prefixes = each(&|n| format!(" xmlns:p{n}=\"u{n}\""));
    let (prefixes, _) = prefixes.split_at(prefixes[..half.min(prefixes.len())].rfind(' ').unwrap());
    let users = repeat("<p0:a/>").chars().take(half / 7 * 7).collect::<String>();
    vec![
        ("entities in entities", format!("{laughs}]>{open}>&l29;{close}")),
        (
            "an entity from a file",
            format!("<!DOCTYPE l [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{open}>&x;{close}"),
        ),
        ("depth", format!("{open}>{}", repeat("<a>"))),
        ("attributes", format!("{open}{}>{close}", each(&|n| format!(" a{n}=\"b\"")))),
        ("the same attribute", format!("{open}{}>{close}", repeat(" a=\"b\""))),
        ("namespaces", format!("{open}{prefixes}>{users}{close}")),
        ("namespaces inside each other", each(&|n| format!("<p{n}:a xmlns:p{n}=\"u\">"))),
        ("a name", format!("{open}><{}/>{close}", repeat("n"))),
        ("an end of another name", format!("{open}><{}></x>", repeat("n"))),
        ("a prefix of no meaning", format!("{open}><{}:a/>{close}", repeat("p"))),
        ("references", format!("{open}>{}{close}", repeat("&#65;"))),
        ("comments", format!("{open}>{}{close}", repeat("<!---->"))),
        ("instructions", format!("{open}>{}{close}", repeat("<?a?>"))),
        ("a comment without end", format!("{open}><!--{}", repeat("-x"))),
        ("brackets", repeat("<")),
        ("CDATA", format!("{open}>{}{close}", repeat("<![CDATA[x]]>"))),
    ]
}

#[tokio::test]
async fn at_the_webdav_door() {
    let scene = Scene::new();
    for (method, root) in
        [("PROPFIND", "propfind"), ("PROPPATCH", "propertyupdate"), ("LOCK", "lockinfo")]
    {
        let all = async {
            for (what, bomb) in bombs(root, "DAV:", 60_000) {
                let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
                let begun = Instant::now();
                let headers = [("depth", "0")];
                let path = "/test.vo/dir/file";
                let answer = conn.request(method, path, &headers, bomb.as_bytes()).await.unwrap();
                assert!(begun.elapsed() < TIME, "{method} with {what}: {:?}", begun.elapsed());
                let text = answer.text();
                assert_eq!(answer.status, 400, "{method} with {what}: {text:.300}");
                assert!(text.len() < 16_384 && !text.contains("root:"), "{method} with {what}");
            }
        };
        harmless(&scene, method, 30 << 20, all).await;
    }
    scene.unchanged();
}

#[tokio::test]
async fn at_the_soap_door() {
    const SIZE: usize = 4 << 20;
    let scene = Scene::new();
    let all = async {
        for (what, bomb) in bombs("srmLs", "http://srm.lbl.gov/StorageResourceManager", SIZE) {
            let body = in_envelope(&bomb);
            let mut conn = Conn::tls(&scene.voms, scene.storm.ports.srm).await.unwrap();
            let begun = Instant::now();
            let headers = [("content-type", "text/xml")];
            let answer = conn.request("POST", "/srm/managerv2", &headers, body.as_bytes()).await;
            assert!(begun.elapsed() < 2 * TIME, "{what}: {:?}", begun.elapsed());
            let told = soap::read(&answer.unwrap());
            let refused = matches!(told.code.as_str(), "FAULT" | "SRM_INVALID_REQUEST");
            assert!(refused, "{what}: {:.300}", told.xml);
            assert!(told.xml.len() < 65_536 && !told.xml.contains("root:"), "{what}");
        }
    };
    harmless(&scene, "SOAP", 100 << 20, all).await;
    scene.unchanged();
}

/// An envelope that holds it; a document type stands in front.
fn in_envelope(bomb: &str) -> String {
    match bomb.split_once("]>").filter(|_| bomb.starts_with("<!DOCTYPE")) {
        Some((kind, _)) => {
            let inner = soap::surls(&["&l29;&x;"]).replace("&amp;", "&");
            let envelope = soap::envelope("srmLs", &inner);
            format!("{kind}]>{}", &envelope[envelope.find("<SOAP-ENV").unwrap()..])
        }
        None => soap::envelope("srmLs", "").replace("<srmLsRequest></srmLsRequest>", bomb),
    }
}
