//! TURLs: shapes, order of preference, servers.

use super::*;
use crate::model::Protocol::{self, *};

fn located(namespace: &Namespace, path: &str) -> Located {
    let who = person("/C=IT/O=Example/CN=B", &["/physics"]);
    namespace.locate(&who, &stfn(path), Access::Read).unwrap()
}

fn turl(
    namespace: &Namespace,
    path: &str,
    protocols: &[Protocol],
    anonymous_may: bool,
) -> Result<String, TurlError> {
    let located = located(namespace, path);
    let physical = located.path.clone();
    let (located, physical) = (&located, &physical);
    let anonymous_may = &|| anonymous_may;
    let ask = TurlRequest { located, physical, protocols, anonymous_may, local: true };
    namespace.turl(ask).map(|turl| turl.url)
}

#[test]
fn each_protocol_has_its_shape() {
    let site = Site::new();
    let namespace = site.example();
    let root = site.folder.path().canonicalize().unwrap();
    let file = format!("{}/storage/physics/d/f%20%25%23", root.display());
    let path = "/physics/d/f %#";
    for (protocol, expected) in [
        (File, format!("file://{file}")),
        (Gsiftp, format!("gsiftp://mover1.example:2812/{file}")),
        (Gsiftp, format!("gsiftp://mover2.example:2811/{file}")),
        (Xroot, format!("root://xrootd.example:1094/{file}")),
        (Root, format!("root://xrootd.example:1094/{file}")),
        (Https, "https://SE.example:8443/fileTransfer/physics/d/f%20%25%23".to_owned()),
        (Http, "http://SE.example:8085/fileTransfer/physics/d/f%20%25%23".to_owned()),
    ] {
        assert_eq!(turl(&namespace, path, &[protocol], true).unwrap(), expected);
    }
    assert!(file.starts_with('/'), "so that the movers' URLs have two slashes");
}

#[test]
fn the_port_in_use_is_told() {
    let site = Site::new();
    let namespace = site.example().with_ports(Ports { srm: 1, https: 40002, plain: Some(40003) });
    assert_eq!(
        turl(&namespace, "/physics/f", &[Https], false).unwrap(),
        "https://SE.example:40002/fileTransfer/physics/f"
    );
    assert_eq!(
        turl(&namespace, "/physics/f", &[Http], true).unwrap(),
        "http://SE.example:40003/fileTransfer/physics/f"
    );
    let off = site.example().with_ports(Ports { srm: 1, https: 2, plain: None });
    assert!(turl(&off, "/physics/f", &[Http], true).is_err());
}

#[test]
fn the_clients_order_counts_but_http_only_where_anonymous_may() {
    let namespace = Site::new().example();
    let scheme = |protocols: &[Protocol], anonymous| {
        let url = turl(&namespace, "/physics/f", protocols, anonymous).unwrap();
        url.split(':').next().unwrap().to_owned()
    };
    assert_eq!(scheme(&[Http, Https], false), "https");
    assert_eq!(scheme(&[Http, Https], true), "http");
    assert_eq!(scheme(&[Rfio, Https, Gsiftp], false), "https");
    assert_eq!(scheme(&[], false), "file");
    assert_eq!(
        turl(&namespace, "/pub/open/f", &[], false).unwrap(),
        "https://SE.example:8443/fileTransfer/pub/open/f"
    );
    assert_eq!(
        turl(&namespace, "/pub/open/f", &[Rfio, Gsiftp, Http], false).unwrap_err(),
        TurlError::NoCommonProtocol { asked: "rfio, gsiftp, http".into(), offered: "https".into() }
    );
}

#[test]
fn outside_doors_have_no_prefix_and_weights_are_kept() {
    let namespace = Site::new().example();
    let urls: Vec<String> =
        (0..8).map(|_| turl(&namespace, "/physics/tape/f", &[Https], false).unwrap()).collect();
    let first = "https://dav1.example:443/physics/tape/f";
    assert_eq!(urls.iter().filter(|url| *url == first).count(), 6);
    assert!(urls.contains(&"https://dav2.example:443/physics/tape/f".to_owned()));
}

#[test]
fn which_door_is_ours() {
    let site = Site::new();
    for (entry, expected) in [
        (
            "<host>se.EXAMPLE</host><port>8443</port>",
            "https://se.EXAMPLE:8443/fileTransfer/pub/open/f",
        ),
        ("<host>old.example</host>", "https://old.example:8443/fileTransfer/pub/open/f"),
        ("<port>8443</port>", "https://SE.example:8443/fileTransfer/pub/open/f"),
        ("<host>se.example</host><port>9443</port>", "https://se.example:9443/pub/open/f"),
        ("<host>dav.example</host>", "https://dav.example:8443/pub/open/f"),
        ("<host>::1</host><port>9</port>", "https://[::1]:9/pub/open/f"),
    ] {
        let with = EXAMPLE.replace(
            "<prot name=\"http\"><schema>http</schema></prot>\n          <prot name=\"https\"><schema>https</schema></prot>\n        </trans-prot>\n      </capabilities>\n    </filesystem>\n  </filesystems>",
            &format!("<prot name=\"https\"><schema>https</schema>{entry}</prot></trans-prot></capabilities></filesystem></filesystems>"),
        );
        assert_ne!(with, EXAMPLE);
        let namespace = site.load(&with).unwrap().0;
        assert_eq!(turl(&namespace, "/pub/open/f", &[Https], false).unwrap(), expected);
    }
}

#[test]
fn a_dead_pool_gives_way_to_the_next_protocol() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let xml = EXAMPLE
        .replace(
            "<host>mover1.example</host><port>2812</port>",
            &format!("<host>127.0.0.1</host><port>{port}</port>"),
        )
        .replace("<member member-id=\"11\"></member>", "")
        .replace("round-robin", "smart-rr");
    let site = Site::new();
    let (namespace, _) = site.load(&xml).unwrap();
    let namespace = namespace.with_ports(Ports { srm: 1, https: 2, plain: None });
    let mut last = turl(&namespace, "/physics/f", &[Gsiftp], false);
    for _ in 0..500 {
        if last.is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        last = turl(&namespace, "/physics/f", &[Gsiftp], false);
    }
    assert_eq!(last, Err(TurlError::NoMember("gsiftp".into())));
    let next = turl(&namespace, "/physics/f", &[Gsiftp, Https], false).unwrap();
    assert!(next.starts_with("https://"), "{next}");
}
