//! A drive that is mounted with an app password, as the help tells: davfs2 shows no password before it is asked.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use super::*;

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

fn program(name: &str, arguments: &[&str]) -> (bool, String) {
    let done = Command::new("timeout")
        .args(["-k", "5", "60", name])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_ne!(done.status.code(), Some(127), "{name} is missing: make test installs it");
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn davfs2_lives_in_its_paths() {
    let storm = site();
    let (user, password) = app_password(&storm, &["--path", "/test.vo/mine", "--write"]);
    let url = storm.url("/test.vo/mine/");
    let file = |name: &str, text: &str, mode| {
        let path = storm.dir().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        chown(&path, Some(0), Some(0)).unwrap();
        path.display().to_string()
    };
    let secrets = file("secrets", &format!("{url} {user} {password}\n"), 0o600);
    let ca = std::fs::read_to_string(pki::dir().join("ca/cacert.pem")).unwrap();
    let ca = file("ca.pem", &ca, 0o644);
    let cache = storm.dir().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let (done, why) = program("chown", &["root:davfs2", cache.to_str().unwrap()]);
    assert!(done, "{why}");
    std::fs::set_permissions(&cache, PermissionsExt::from_mode(0o1775)).unwrap();
    std::fs::set_permissions(storm.dir(), PermissionsExt::from_mode(0o711)).unwrap();
    // Its buffer of 16 KB is less than kernels of today ask for.
    let conf = format!(
        "secrets {secrets}\ntrust_ca_cert {ca}\ncache_dir {}\ndelay_upload 0\nbuf_size 64\n",
        cache.display()
    );
    let option = format!("conf={}", file("davfs.conf", &conf, 0o644));
    let at = storm.dir().join("drive");
    std::fs::create_dir(&at).unwrap();
    let mount = ["-t", "davfs", "-o", &option, &url, at.to_str().unwrap()];
    let (done, why) = program("mount", &mount);
    assert!(done, "{why}");
    let mounted = Mounted(at.clone());
    assert_eq!(std::fs::read(at.join("f")).unwrap(), bytes(1000, 1));
    std::fs::create_dir(at.join("new folder")).unwrap();
    std::fs::write(at.join("new folder/ü"), bytes(200_000, 3)).unwrap();
    let (done, why) = program("umount", &[at.to_str().unwrap()]);
    assert!(done, "{why}");
    drop(mounted);
    let there = storm.root("test.vo").join("mine/new folder/ü");
    assert_eq!(std::fs::read(there).unwrap(), bytes(200_000, 3));
    let puts = storm.access().into_iter().filter(|line| line.op() == "PUT");
    let mut by: Vec<String> = puts.map(|line| line.get("proxy").to_owned()).collect();
    by.dedup();
    assert_eq!(by, ["app-password"]);
    // Revoked: nothing is mounted any more.
    assert_eq!(stormd(&storm, &["app-password", "revoke", &user], "").0, 0);
    let (done, _) = program("mount", &mount);
    let _mounted = Mounted(at);
    assert!(!done);
}
