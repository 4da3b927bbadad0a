//! What gfal2 does with the parts of SRM beyond plain copies: space tokens, bring-online, evict, copies
//! from SURL to SURL, permissions, checksums. What gfal2 itself can't do stands in [`CAN_NOT`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::path::Path;
use std::process::Command;

use common::access::Access;
use common::client::{Person, Tls};
use common::soap::{self, Answer};
use common::{TestStorm, adler32, bytes, wire};

/// Commands that fail whatever the server does, and gfal2's own words: gfal2 2.21.3, gfal2-util 1.8.0.
const CAN_NOT: &[(&str, &[&str], i32, &str)] = &[
    // Tokens are for https and davs only.
    ("gfal-token", &[], 93, "Protocol not supported"),
    // These two are for file catalogues.
    ("gfal-legacy-register", &["lfc://localhost/f"], 93, "Protocol not supported"),
    ("gfal-legacy-unregister", &["lfc://localhost/f"], 93, "Protocol not supported"),
];

struct World {
    storm: TestStorm,
}

impl World {
    fn new() -> Self {
        Self { storm: TestStorm::start() }
    }

    fn person(&self) -> Person<'_> {
        Person::new(&self.storm, "voms")
    }

    fn surl(&self, name: &str) -> String {
        self.storm.surl(&format!("/test.vo/{name}"))
    }

    /// A file in the area, with so many bytes.
    fn file(&self, name: &str, size: usize) -> Vec<u8> {
        let content = bytes(size, size as u64 + 11);
        std::fs::write(self.storm.root("test.vo").join(name), &content).unwrap();
        content
    }

    /// A file at the client's: its URL.
    fn local(&self, name: &str, content: &[u8]) -> String {
        let path = self.storm.dir().join("home").join(name);
        std::fs::write(&path, content).unwrap();
        format!("file://{}", path.display())
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.storm.root("test.vo").join(name)).unwrap()
    }

    /// An operation by the same person, for what gfal2 does not tell.
    async fn srm(&self, operation: &str, inner: &str) -> Answer {
        let config = wire::config(Some("voms"), Tls::Any);
        Box::pin(soap::once(&config, self.storm.ports.srm, operation, inner)).await.unwrap()
    }

    /// The person's newest request token.
    async fn newest_token(&self) -> String {
        let answer = self.srm("srmGetRequestTokens", "").await.expect("SRM_SUCCESS");
        let mut all: Vec<(String, String)> = answer
            .xml
            .split("<tokenArray>")
            .skip(1)
            .map(|one| {
                let text = |name| soap::text(one, name).unwrap();
                (text("createdAtTime"), text("requestToken"))
            })
            .collect();
        all.sort();
        all.pop().expect("a request").1
    }

    fn operations(&self, name: &str) -> Vec<Access> {
        self.storm.access_of(name, |line| line.op() == name)
    }
}

#[tokio::test]
async fn copies_with_space_tokens() {
    let world = World::new();
    let person = world.person();
    let content = bytes(300_000, 5);
    let local = world.local("in", &content);
    person.run("gfal-copy", &["-S", "TESTVO_TOKEN", &local, &world.surl("by-token")]).ok();
    assert_eq!(world.read("by-token"), content);
    assert_eq!(world.operations("srmGetSpaceTokens").len(), 1);
    let back = world.storm.dir().join("home/back");
    let to = format!("file://{}", back.display());
    person.run("gfal-copy", &["-s", "TESTVO_TOKEN", &world.surl("by-token"), &to]).ok();
    assert_eq!(std::fs::read(&back).unwrap(), content);

    let unknown =
        person.run("gfal-copy", &["-S", "NO_SUCH_TOKEN", &local, &world.surl("none")]).refused();
    assert!(!world.storm.root("test.vo").join("none").exists(), "{unknown}");
}

#[tokio::test]
async fn bring_online_and_evict() {
    let world = World::new();
    let person = world.person();
    world.file("f", 1000);
    let surl = world.surl("f");
    let online = person
        .run("gfal-bringonline", &["--pin-lifetime", "1000", "--polling-timeout", "20", &surl])
        .ok();
    assert!(online.out.contains("READY"), "{online}");
    let token = world.newest_token().await;
    let status = async || {
        let answer = world.srm("srmStatusOfBringOnlineRequest", &soap::token(&token)).await;
        (answer.code.clone(), answer.file_code().to_owned(), answer)
    };
    let (_, file, answer) = status().await;
    assert_eq!(file, "SRM_SUCCESS", "{}", answer.xml);
    let pin: i32 = soap::text(&answer.xml, "remainingPinTime").unwrap().parse().unwrap();
    assert!((900..=1000).contains(&pin), "{pin}");
    // It is pinned: it keeps its name.
    let moved = person.run("gfal-rename", &[&surl, &world.surl("g")]).refused();
    assert_eq!(moved.code, 16, "{moved}");
    person.run("gfal-evict", &[&surl, &token]).ok();
    assert_eq!(status().await.1, "SRM_RELEASED");
    person.run("gfal-rename", &[&surl, &world.surl("g")]).ok();

    // Several at once, one of which is not there.
    let list = world.storm.dir().join("home/list");
    std::fs::write(&list, format!("{}\n{}\n", world.surl("g"), world.surl("missing"))).unwrap();
    let list = list.display().to_string();
    let some = person.run("gfal-bringonline", &["--polling-timeout", "20", "--from-file", &list]);
    assert!(some.out.contains("READY"), "{some}");
    assert!(some.to_string().contains("missing"), "{some}");

    // With --evict a copy leaves no pin behind.
    let to = format!("file://{}", world.storm.dir().join("home/out").display());
    person.run("gfal-copy", &["--evict", &world.surl("g"), &to]).ok();
}

#[tokio::test]
async fn copies_from_surl_to_surl() {
    let world = World::new();
    let person = world.person();
    let content = world.file("source", 2_000_000);
    let (from, to) = (world.surl("source"), world.surl("copy"));
    let streamed = ["--copy-mode", "streamed", "-K", "ADLER32"];
    let copy = |more: &[&str], to: &str| {
        let all: Vec<&str> =
            streamed.iter().chain(more).copied().chain([from.as_str(), to]).collect();
        person.run("gfal-copy", &all)
    };
    copy(&[], &to).ok();
    assert_eq!(world.read("copy"), content);
    assert_eq!(copy(&[], &to).refused().code, 17);
    copy(&["-f"], &to).ok();
    copy(&["-S", "TESTVO_TOKEN"], &world.surl("in-space")).ok();
    copy(&["-p"], &world.surl("new/parent/copy")).ok();
    assert_eq!(world.read("new/parent/copy"), content);
    // Nothing stays pinned or busy.
    person.run("gfal-rename", &[&from, &world.surl("moved")]).ok();
}

#[tokio::test]
async fn checksums_permissions_and_what_is_told() {
    let world = World::new();
    let person = world.person();
    let content = world.file("f", 12_345);
    let surl = world.surl("f");
    // Nobody computed it yet: a file of some outside mover.
    let sum = person.run("gfal-sum", &[&surl, "ADLER32"]).ok();
    assert!(sum.out.trim_end().ends_with(&adler32(&content)), "{sum}");
    // gfal-sum knows of SRM what the server keeps; other types it asks of the https TURL.
    let md5 = Command::new("md5sum").arg(world.storm.root("test.vo").join("f")).output().unwrap();
    let md5 = String::from_utf8(md5.stdout).unwrap();
    let sum = person.run("gfal-sum", &[&surl, "MD5"]).ok();
    assert_eq!(sum.out.split_whitespace().last(), md5.split_whitespace().next(), "{sum}");
    person.run("gfal-chmod", &["640", &surl]).ok();
    let stat = person.run("gfal-stat", &[&surl]).ok();
    assert!(stat.out.contains("0640") && stat.out.contains("Size: 12345"), "{stat}");
    let told = person.run("gfal-xattr", &[&surl]);
    assert!(told.out.contains("user.status = ONLINE"), "{told}");
    assert!(told.out.contains("srm.type = stormd"), "{told}");
    assert!(told.out.contains("spacetoken = ["), "{told}");
    // gfal-cat asks for gsiftp and rfio alone, unless it is told otherwise.
    let https = ["-D", "SRM PLUGIN:TURL_PROTOCOLS=https"];
    let words = "some words, in letters that a terminal takes\n";
    std::fs::write(world.storm.root("test.vo").join("words"), words).unwrap();
    let cat = person.run("gfal-cat", &[https[0], https[1], &world.surl("words")]).ok();
    assert_eq!(cat.out, words);
    assert_eq!(person.run("gfal-cat", &[&world.surl("words")]).refused().code, 95);
    // Nothing here goes to tape: it is never ONLINE_AND_NEARLINE, which is what gfal2 waits for.
    let archived = person.run("gfal-archivepoll", &["--polling-timeout", "1", &surl]);
    assert!(archived.out.contains("QUEUED") && !archived.out.contains("READY"), "{archived}");
}

#[test]
fn what_gfal2_itself_can_not_do() {
    let world = World::new();
    let person = world.person();
    world.file("f", 10);
    let surl = world.surl("f");
    for (program, arguments, code, words) in CAN_NOT {
        let all: Vec<&str> = arguments.iter().copied().chain([surl.as_str()]).collect();
        let refused = person.run(program, &all).refused();
        println!("gfal2 can't: {refused}");
        assert_eq!(refused.code, *code, "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    assert!(Path::new("/usr/bin/gfal-bringonline").exists());
}

#[tokio::test]
async fn lists_that_are_not_ready_at_once() {
    // gfal2 asks for a thousand entries of a large directory at once, and takes no fewer.
    let settings = "ls_wait = \"0s\"\n[limits]\nls_entries = 1000\n";
    let world = World { storm: TestStorm::with(settings, Vec::new()) };
    let root = world.storm.root("test.vo").join("many");
    std::fs::create_dir(&root).unwrap();
    let names: Vec<String> = (0..1200).map(|n| format!("name-{n:04}")).collect();
    names.iter().for_each(|name| std::fs::write(root.join(name), "x").unwrap());
    let polled = || {
        let lines = world.storm.access();
        lines.iter().filter(|line| line.op() == "srmStatusOfLsRequest").count()
    };
    for options in [&[][..], &["-l"]] {
        let before = polled();
        let many = world.surl("many");
        let listed = world.person().run("gfal-ls", &[options, &[many.as_str()]].concat()).ok();
        let told = listed.out.lines().filter_map(|line| line.split_whitespace().last());
        assert!(told.eq(&names), "{listed}");
        assert!(polled() > before);
    }
    let before = polled();
    let listed = world.person().run("arcls", &[world.surl("many")]).ok();
    assert_eq!(listed.out.lines().count(), 1200, "{listed}");
    assert!(polled() > before);
}
