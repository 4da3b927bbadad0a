//! rclone mount: by the plain door, and over TLS with a certificate.

use super::*;

fn mount(world: &World, url: &str, more: &[&str]) -> Mounted {
    let (at, cache) = (world.dir("rclone"), world.dir("rclone-cache").display().to_string());
    let done =
        limited("rclone", &["mount", "--daemon", "--config", "/dev/null", "--cache-dir", &cache])
            .args(["--vfs-cache-mode", "full", "--vfs-write-back", "0s", "--webdav-url", url])
            .args(more)
            .arg(":webdav:")
            .arg(&at)
            .env("HOME", world.dir("home"))
            .output()
            .unwrap();
    let mounted = Mounted { at };
    told(&done, &format!("rclone {url}"));
    mounted
}

#[tokio::test]
async fn by_the_plain_door() {
    let world = World::new();
    let url = format!("http://localhost:{}/open", world.storm.ports.plain);
    live_in(&world, || mount(&world, &url, &[]), "rclone").await;
}

#[tokio::test]
async fn over_tls_with_a_certificate() {
    let world = World::new();
    let file = |name: &str| pki::dir().join(name).display().to_string();
    let (cert, key, ca) = (file("usercert.pem"), file("userkey.pem"), file("ca/cacert.pem"));
    let url = format!("https://localhost:{}/open", world.storm.ports.https);
    let more = ["--client-cert", &cert, "--client-key", &key, "--ca-cert", &ca];
    live_in(&world, || mount(&world, &url, &more), "rclone over TLS").await;
    let mine = world.storm.access().into_iter().filter(|a| a.op() == "PUT");
    assert!(mine.filter(|a| a.dn() == common::USER_DN).count() > 10, "not by the certificate");
}
