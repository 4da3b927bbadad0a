//! davfs2: by the plain door, and over TLS with a certificate.

use std::os::unix::fs::{PermissionsExt, chown};

use super::*;

/// Mounts `url`. `more` stands in its configuration.
fn mount(world: &World, url: &str, more: &str) -> Mounted {
    let (at, cache) = (world.dir("davfs"), world.dir("davfs-cache"));
    // It runs as an account of its own and wants to come here.
    shell(
        "chown root:davfs2 \"$1\" && chmod 1775 \"$1\" && chmod o+x \"$2\"",
        &[&cache, world.storm.dir()],
    );
    // Its buffer of 16 KB is less than kernels of today ask for when they list a directory (EINVAL).
    let text =
        format!("ask_auth 0\ncache_dir {}\ndelay_upload 0\nbuf_size 64\n{more}", cache.display());
    let conf = world.storm.dir().join("davfs.conf");
    std::fs::write(&conf, text).unwrap();
    let option = format!("conf={}", conf.display());
    let done = limited("mount", &["-t", "davfs", "-o", &option, url]).arg(&at).output().unwrap();
    let mounted = Mounted { at };
    told(&done, &format!("davfs2 {url}"));
    mounted
}

#[tokio::test]
async fn by_the_plain_door() {
    let world = World::new();
    let url = format!("http://localhost:{}/open", world.storm.ports.plain);
    live_in(&world, || mount(&world, &url, ""), "davfs2").await;
    let ops: Vec<String> = world.storm.access().into_iter().map(|a| a.op().to_owned()).collect();
    for op in ["LOCK", "PUT", "UNLOCK", "MOVE", "DELETE", "MKCOL", "PROPFIND", "GET", "HEAD"] {
        assert!(ops.iter().any(|one| one == op), "davfs2 has not sent {op}");
    }
}

#[tokio::test]
async fn over_tls_with_a_certificate() {
    let world = World::new();
    let (pki, dir) = (pki::dir(), world.storm.dir());
    let (p12, secrets, ca) = (dir.join("user.p12"), dir.join("secrets"), dir.join("ca.pem"));
    shell(
        "openssl pkcs12 -export -in \"$1/usercert.pem\" -inkey \"$1/userkey.pem\" -out \"$2\" -passout pass:x\n\
         cp \"$1/ca/cacert.pem\" \"$3\"",
        &[pki, &p12, &ca],
    );
    std::fs::write(&secrets, format!("{} x\n", p12.display())).unwrap();
    for (file, mode) in [(&p12, 0o600), (&secrets, 0o600), (&ca, 0o644)] {
        chown(file, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
    }
    let url = format!("https://localhost:{}/open", world.storm.ports.https);
    let more = format!(
        "clientcert {}\nsecrets {}\ntrust_ca_cert {}\n",
        p12.display(),
        secrets.display(),
        ca.display()
    );
    live_in(&world, || mount(&world, &url, &more), "davfs2 over TLS").await;
    let mine = world.storm.access().into_iter().filter(|a| a.op() == "PUT");
    assert!(mine.filter(|a| a.dn() == common::USER_DN).count() > 10, "not by the certificate");
}

/// With the buffer that davfs2 has by itself a kernel that asks for more in one go gets EINVAL, before
/// anything is asked of us; files are there by their names all the same.
#[tokio::test]
async fn with_its_own_buffer() {
    let world = World::new();
    let url = format!("http://localhost:{}/open", world.storm.ports.plain);
    let mounted = mount(&world, &url, "buf_size 16\n");
    let local = world.dir("local");
    shell("cp -r \"$1\" \"$2/tree\"", &[&local, &mounted.at]);
    mounted.unmount();
    world.same("tree", "copied in").await;
    let mounted = mount(&world, &url, "buf_size 16\n");
    let listed = limited("ls", &[]).arg(&mounted.at).output().unwrap();
    let why = String::from_utf8_lossy(&listed.stderr).into_owned();
    println!("ls: {} {why}", listed.status);
    assert!(listed.status.success() || why.contains("Invalid argument"), "another fault: {why}");
    shell("cd \"$1\" && find . -type f -exec cmp {} \"$2/tree/{}\" \\;", &[&local, &mounted.at]);
    mounted.unmount();
}
