//! davix and rclone, for real: trees that come and go, and what rclone compares of them.

use std::path::Path;

use super::common::client::{Output, Person};
use super::common::scene::Scene;
use super::common::{bytes, leftovers, pki, snapshot};

/// Files and folders, some with odd names.
fn tree(scene: &Scene) -> std::path::PathBuf {
    let tree = scene.storm.dir().join("tree");
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    for (name, size) in [("a/b/one", 1_200_000), ("a/two words", 3000), ("three#?", 1), ("zero", 0)]
    {
        std::fs::write(tree.join(name), bytes(size, size as u64)).unwrap();
    }
    tree
}

#[test]
fn davix_puts_lists_moves_and_removes() {
    let scene = Scene::new();
    let person = Person::new(&scene.storm, "voms");
    let proxy = pki::proxy("voms").display().to_string();
    let capath = pki::certificates().display().to_string();
    let davix = |name: &str, arguments: &[&str]| {
        let who = ["--cert", &proxy, "--key", &proxy, "--capath", &capath];
        person.run(&format!("davix-{name}"), &[&who[..], arguments].concat())
    };
    let tree = tree(&scene);
    // It does not escape names, and gives up at an empty file of a tree.
    std::fs::remove_file(tree.join("zero")).unwrap();
    std::fs::rename(tree.join("a/two words"), tree.join("a/two")).unwrap();
    std::fs::rename(tree.join("three#?"), tree.join("three")).unwrap();
    let at = |path: &str| scene.storm.url(&format!("/test.vo/{path}"));
    let disk = scene.storm.root("test.vo");
    let [here, back] = [&tree, &scene.storm.dir().join("back")].map(|at| at.display().to_string());
    davix("mkdir", &[&at("new")]).ok();
    // Some of it ends with 255 whatever became of it.
    let put = davix("put", &["-r", "2", &here, &at("new/tree")]);
    assert_eq!(snapshot(&disk.join("new/tree")), snapshot(&tree), "{put}");
    let listed = davix("ls", &["-l", &at("new/tree/")]).ok();
    for (name, size) in [("three", "1"), ("a", "")] {
        let line = listed.out.lines().find(|line| line.trim_end().ends_with(&format!(" {name}")));
        let line = line.unwrap_or_else(|| panic!("{name}: {listed}"));
        let told = line.split_whitespace().any(|word| word == size);
        assert!(told || line.starts_with('d'), "{name}: {listed}");
    }
    davix("get", &[&at("new/tree/a/b/one"), &back]).ok();
    assert!(std::fs::read(&back).unwrap() == bytes(1_200_000, 1_200_000));
    // Over one that is there, by another name, gone.
    davix("put", &[&format!("{here}/a/two"), &at("new/tree/three")]).ok();
    let moved = davix("mv", &[&at("new/tree/three"), &at("new/moved")]);
    assert!(std::fs::read(disk.join("new/moved")).unwrap() == bytes(3000, 3000), "{moved}");
    assert!(!disk.join("new/tree/three").exists());
    davix("rm", &["-r", "2", &at("new")]).ok();
    assert!(!disk.join("new").exists());
    // What it may not do it says.
    davix("put", &[&format!("{here}/a/two"), &scene.storm.url("/none/f")]).refused();
    davix("get", &[&at("none")]).refused();
    assert_eq!(leftovers(&disk), Vec::<String>::new());
}

/// As `stormd help mount` has it set up.
#[test]
fn rclone_compares_times_and_checksums() {
    let mut scene = Scene::new();
    scene.storm.http = "checksums = [\"sha-1\", \"md5\"]\n".to_owned();
    scene.storm.restart();
    let person = Person::new(&scene.storm, "voms");
    let proxy = pki::proxy("voms").display().to_string();
    let authority = pki::dir().join("ca/cacert.pem").display().to_string();
    let url = scene.storm.url("/test.vo/");
    let rclone = |arguments: &[&str]| -> Output {
        let who = ["--client-cert", &proxy, "--client-key", &proxy, "--ca-cert", &authority];
        let remote = ["--config", "/dev/null", "--webdav-url", &url, "--webdav-vendor", "owncloud"];
        person.run("rclone", &[arguments, &who, &remote].concat())
    };
    let tree = tree(&scene);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    let date = |path: &Path| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(old).unwrap();
    };
    date(&tree.join("a/b/one"));
    let here = tree.display().to_string();
    rclone(&["copy", &here, ":webdav:copied"]).ok();
    let disk = scene.storm.root("test.vo").join("copied");
    assert_eq!(snapshot(&disk), snapshot(&tree));
    let modified = |path: &Path| path.metadata().unwrap().modified().unwrap();
    assert_eq!(modified(&disk.join("a/b/one")), old);
    let same = rclone(&["check", &here, ":webdav:copied"]).ok();
    assert!(!same.err.contains("could not be checked"), "{same}");
    let again = rclone(&["copy", "-v", &here, ":webdav:copied"]).ok();
    assert!(!again.err.contains("Copied"), "all is as it was: {again}");
    // As long, of the same time, and another one.
    let mut other = bytes(1_200_000, 1_200_000);
    other[600_000] ^= 1;
    std::fs::write(tree.join("a/b/one"), &other).unwrap();
    date(&tree.join("a/b/one"));
    let differs = rclone(&["check", &here, ":webdav:copied"]).refused();
    assert!(differs.err.contains("1 differences found"), "{differs}");
    rclone(&["copy", "--checksum", &here, ":webdav:copied"]).ok();
    assert_eq!(snapshot(&disk), snapshot(&tree));
    assert_eq!(leftovers(&disk), Vec::<String>::new());
}
