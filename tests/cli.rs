//! The command line: what `stormd check` tells, and how the process ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::path::Path;

use common::pki;
use common::site::Site;

#[test]
fn version_help_and_wrong_arguments() {
    let site = Site::new("");
    let (code, out, _) = site.run(&["--version"]);
    assert_eq!((code, out.trim()), (0, concat!("stormd ", env!("CARGO_PKG_VERSION"))));
    let (code, out, _) = site.run(&["--help"]);
    assert_eq!(code, 0);
    for word in ["check", "serve", "--config", "storm.toml"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    for arguments in [&["--nonsense"][..], &["nonsense"], &["check", "extra"], &["--config"]] {
        let (code, out, error) = site.run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(error.contains("Usage") || error.contains("--config"), "{error}");
    }
}

#[test]
fn check_is_content_with_the_shipped_site() {
    let site = Site::new("");
    let (code, out, error) = site.run(&["check"]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.lines().any(|line| line == "storm.toml: ok"), "{out}");
    assert!(out.contains("warning: no tls.certificate is named"), "{out}");
    assert!(!site.path("var/demo").exists(), "check makes no certificates");
    assert!(!site.path("var/stormd.db").exists(), "check opens no database");
    // The file that ships says the same as none.
    std::fs::write(site.path("storm.toml"), include_str!("../storm.toml")).unwrap();
    assert_eq!(site.run(&["check", "--config", "storm.toml"]).0, 0);
}

/// Every problem of every file at once, each once, with file and line.
#[test]
fn check_tells_everything_at_once() {
    let site = Site::new(
        "[limits]\ndrain = \"soon\"\n[lifetimes]\npin_defaultt = \"1h\"\n[site]\nhost = \"a b\"\n\
         [tls]\ncertificate = \"hostcert.pem\"\nkey = \"hostkey.pem\"\n[daemon]\nuser = \"nobody.here\"\n",
    );
    std::fs::write(site.path("path-authz.db"), "# rights\n@ALL@ /x FRED permit\nbroken\n").unwrap();
    let namespace = std::fs::read_to_string(site.path("namespace.xml")).unwrap();
    let namespace = namespace
        .replace("<storage-class>T0D1<", "<storage-class>T9D9<")
        .replace("<fixed>permit-all</fixed>", "<authz-db>demo.db</authz-db>");
    std::fs::write(site.path("namespace.xml"), &namespace).unwrap();
    std::fs::write(site.path("demo.db"), "ace.1=EVERYONE:RW:ALLOW\nace.2=x\n").unwrap();

    let (code, out, error) = site.run(&["check", "--config", "storm.toml"]);
    assert_eq!((code, error.as_str()), (2, ""), "{out}");
    let toml = std::fs::read_to_string(site.path("storm.toml")).unwrap();
    for (file, text, at, words) in [
        ("storm.toml", &toml, "drain =", "limits.drain"),
        ("storm.toml", &toml, "pin_defaultt", "pin_default"),
        ("storm.toml", &toml, "host =", "site.host"),
        ("namespace.xml", &namespace, "T9D9", "T9D9"),
    ] {
        told(&out, &format!("{file}:{}: error: ", line_of(text, at)), words);
    }
    told(&out, "path-authz.db:2: error: ", "");
    told(&out, "path-authz.db:3: error: ", "");
    told(&out, "demo.db:2: error: ", "is closed");
    told(&out, "storm.toml: error: ", "there is no account \"nobody.here\"");
    let at = line_of(&toml, "certificate =");
    told(&out, &format!("storm.toml:{at}: error: "), "hostcert.pem");
    assert!(!out.contains("demo certificate is used"), "{out}");
    assert!(!out.contains(": ok"), "{out}");
}

#[test]
fn check_reads_no_further_than_it_can() {
    let site = Site::new("[site\n");
    let (code, out, _) = site.run(&["check"]);
    assert_eq!(code, 2);
    told(&out, "storm.toml:8: error: ", "not valid TOML");
    assert!(!out.contains("namespace"), "{out}");
    let (code, out, _) = site.run(&["check", "-c", "missing.toml"]);
    assert_eq!(code, 2);
    told(&out, "missing.toml: error: ", "cannot be read");
}

#[test]
fn an_area_whose_authz_db_is_missing_is_told_once() {
    let site = Site::new("");
    let namespace = std::fs::read_to_string(site.path("namespace.xml")).unwrap();
    let namespace = namespace.replace("<fixed>permit-all</fixed>", "<authz-db>demo.db</authz-db>");
    std::fs::write(site.path("namespace.xml"), namespace).unwrap();
    let (code, out, _) = site.run(&["check"]);
    assert_eq!(code, 2);
    assert_eq!(out.matches("demo.db").count(), 1, "{out}");
    told(&out, "demo.db: error: ", "name=DEMO> is closed");
}

/// A configuration that is wrong: 2, with the same words as `check`, and nothing is left open.
#[test]
fn a_wrong_configuration_starts_nothing() {
    let site = Site::new("[limits]\ndrain = \"soon\"\n");
    let (code, out, error) = site.run(&["--config", "storm.toml"]);
    assert_eq!((code, out.as_str()), (2, ""));
    told(&error, "storm.toml:9: error: ", "limits.drain");

    let tls = "[tls]\ncertificate = \"hostcert.pem\"\nkey = \"hostkey.pem\"\n";
    site.configure(tls);
    std::fs::write(site.path("path-authz.db"), "broken\n").unwrap();
    let (code, _, error) = site.run(&["serve"]);
    assert_eq!(code, 2, "{error}");
    told(&error, "storm.toml:9: error: ", "hostcert.pem");
    assert!(!site.path("var/demo").exists(), "no demo certificate takes its place");
    // A key of another certificate, and broken rights.
    std::fs::copy(pki::dir().join("hostcert.pem"), site.path("hostcert.pem")).unwrap();
    std::fs::copy(pki::dir().join("userkey.pem"), site.path("hostkey.pem")).unwrap();
    let (code, _, error) = site.run(&[]);
    assert_eq!(code, 2);
    told(&error, "storm.toml: error: ", "cannot be used");
    told(&error, "path-authz.db:1: error: ", "");
    std::fs::remove_file(site.path("path-authz.db")).unwrap();

    site.configure("[daemon]\nuser = \"nobody.here\"\n");
    let (code, _, error) = site.run(&[]);
    assert_eq!(code, 2);
    told(&error, "storm.toml: error: ", "there is no account");
}

/// What is wrong with the world, not with the configuration: 1.
#[test]
fn what_is_in_the_way_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let site = Site::new("");
    let toml = std::fs::read_to_string(site.path("storm.toml")).unwrap();
    let busy = toml
        .replace("[admin]\nlisten = \"127.0.0.1:0\"", &format!("[admin]\nlisten = \"{address}\""));
    std::fs::write(site.path("storm.toml"), busy).unwrap();
    let (code, _, error) = site.run(&[]);
    assert_eq!(code, 1, "{error}");
    told(&error, "stormd: cannot listen on ", &address.to_string());

    // Nobody, not even root, makes a directory below a file.
    std::fs::write(site.path("file"), "").unwrap();
    site.configure("[paths]\nstate = \"file/var\"\n");
    let (code, _, error) = site.run(&[]);
    assert_eq!(code, 1, "{error}");
    told(&error, "stormd: paths.state: ", "file/var");
}

#[test]
fn a_second_daemon_on_one_state_directory_is_refused() {
    let mut site = Site::new("");
    site.start();
    let (code, _, error) = site.run(&[]);
    assert_eq!(code, 1, "{error}");
    told(&error, "stormd: paths.state: ", "another stormd runs on it");
    assert!(site.path("var/addresses.json").exists(), "the first one's addresses stay");
    assert_eq!(site.health().0, 200);
    site.end();
    assert!(!site.path("var/addresses.json").exists());
}

/// One line with this beginning (of its file's name) and these words.
#[track_caller]
fn told(text: &str, begins: &str, words: &str) {
    let fits = |line: &&str| {
        let name = line.split(": ").next().unwrap_or_default();
        let file = Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let short = format!("{file}{}", &line[name.len()..]);
        short.starts_with(begins) && line.contains(words)
    };
    assert_eq!(text.lines().filter(fits).count(), 1, "{begins:?} … {words:?} in:\n{text}");
}

fn line_of(text: &str, words: &str) -> usize {
    text.lines().position(|line| line.contains(words)).unwrap() + 1
}
