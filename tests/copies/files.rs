//! One file: what its copy is, and what stood there before.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use crate::common::soap::{self, Answer, escape, text};
use crate::common::{adler32, bytes, wait_until};
use crate::world::*;

impl World {
    /// srmCopy of pairs, `more` being elements beside the array.
    pub async fn copy(&self, pairs: &[(&str, &str)], more: &str) -> Answer {
        self.srm("srmCopy", &(copy_files(pairs, "") + more)).await
    }

    pub async fn copy_status(&self, token: &str) -> Answer {
        self.srm("srmStatusOfCopyRequest", &soap::token(token)).await
    }

    /// Asks until the request has ended.
    pub async fn copied(&self, token: &str) -> Answer {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            let status = self.copy_status(token).await;
            if !matches!(status.code.as_str(), QUEUED | "SRM_REQUEST_INPROGRESS") {
                return status;
            }
            assert!(std::time::Instant::now() < end, "it does not end: {}", status.xml);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn attribute(&self, file: &str, name: &str) -> Option<String> {
        let mut command = Command::new("getfattr");
        command.args(["--only-values", "-n", name]).arg(self.disk(file));
        let done = command.output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    }
}

/// `arrayOfFileRequests` of srmCopy; `option` is the `dirOption` of each.
pub fn copy_files(pairs: &[(&str, &str)], option: &str) -> String {
    let one = |(source, target): &(&str, &str)| {
        let (source, target) = (escape(source), escape(target));
        format!(
            "<requestArray><sourceSURL>{source}</sourceSURL><targetSURL>{target}</targetSURL>\
             {option}</requestArray>"
        )
    };
    let all: String = pairs.iter().map(one).collect();
    format!("<arrayOfFileRequests>{all}</arrayOfFileRequests>")
}

pub const SUM: &str = "user.storm.checksum.adler32";

#[tokio::test]
async fn a_copy_is_a_file_of_its_own() {
    let world = World::new();
    let content = bytes(3_000_000, 1);
    world.publish("source", &content, "").await;
    let (source, target) = (world.surl("source"), world.surl("target"));
    let first = world.copy(&[(&source, &target)], "").await;
    let id = token(&first);
    let answer = world.copied(id).await.expect(SUCCESS);
    assert_eq!(answer.code, SUCCESS);
    assert_eq!(text(&answer.xml, "sourceSURL").unwrap(), source);
    assert_eq!(text(&answer.xml, "targetSURL").unwrap(), target);
    assert_eq!(
        (number(&answer, "fileSize"), number(&answer, "remainingFileLifetime")),
        (3_000_000, -1)
    );
    world.holds("target", &content);
    assert_eq!(world.attribute("target", SUM), Some(adler32(&content)));
    assert_eq!(world.attribute("target", "user.storm.put").unwrap(), format!("{id}.0"));
    std::fs::write(world.disk("source"), "changed").unwrap();
    world.holds("target", &content);

    // Without a checksum at its source, it comes by itself.
    world.write("plain", b"plain");
    let plain = world.surl("plain");
    let answer = world.copy(&[(&plain, &world.surl("new"))], "").await;
    world.copied(token(&answer)).await.expect(SUCCESS);
    assert!(wait_until(Duration::from_secs(10), || world.attribute("new", SUM).is_some()));
    assert_eq!(world.attribute("new", SUM), Some(adler32(b"plain")));
    // Empty, and onto itself.
    world.write("empty", b"");
    let answer = world.copy(&[(&world.surl("empty"), &world.surl("void"))], "").await;
    world.copied(token(&answer)).await.expect(SUCCESS);
    world.holds("void", b"");
    let answer = world.copy(&[(&plain, &plain)], ALWAYS).await;
    world.copied(token(&answer)).await.expect(SUCCESS);
    world.holds("plain", b"plain");
    world.tidy();
}

#[tokio::test]
async fn overwrite_modes() {
    let world = World::new();
    world.publish("source", b"new", "").await;
    world.publish("target", b"old", "").await;
    let (source, target) = (world.surl("source"), world.surl("target"));
    let inode = || std::fs::metadata(world.disk("target")).unwrap().ino();
    let to = async |target: &str, more: &str| {
        let answer = world.copy(&[(&source, target)], more).await;
        world.copied(token(&answer)).await
    };
    for more in ["", "<overwriteOption>NEVER</overwriteOption>"] {
        let answer = to(&target, more).await.expect(DUPLICATION);
        assert_eq!(answer.code, FAILURE);
    }
    world.holds("target", b"old");
    to(&target, DIFFERENT).await.expect(SUCCESS);
    world.holds("target", b"new");
    let first = inode();
    to(&target, DIFFERENT).await.expect(SUCCESS);
    assert_eq!(inode(), first, "the same bytes replaced the file");
    to(&target, ALWAYS).await.expect(SUCCESS);
    assert_ne!(inode(), first);
    world.holds("target", b"new");
    std::fs::create_dir(world.disk("dir")).unwrap();
    for wrong in ["dir", "none/f", "source/f"] {
        to(&world.surl(wrong), ALWAYS).await.expect(INVALID_PATH);
    }
    let volatile = "<desiredTargetSURLLifeTime>600</desiredTargetSURLLifeTime>\
         <targetFileStorageType>VOLATILE</targetFileStorageType>";
    let answer = to(&world.surl("short"), volatile).await.expect(SUCCESS);
    assert!((590..=600).contains(&number(&answer, "remainingFileLifetime")), "{}", answer.xml);
    world.tidy();
}

#[tokio::test]
async fn holes_stay_holes() {
    let world = World::new();
    let file = std::fs::File::create(world.disk("sparse")).unwrap();
    file.set_len(1 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 500 << 20).unwrap();
    drop(file);
    let answer = world.copy(&[(&world.surl("sparse"), &world.surl("copy"))], "").await;
    world.copied(token(&answer)).await.expect(SUCCESS);
    let copy = std::fs::metadata(world.disk("copy")).unwrap();
    assert_eq!(copy.len(), 1 << 30);
    assert!(copy.blocks() * 512 < 1 << 20, "{} blocks", copy.blocks());
    let mut found = [0; 13];
    let file = std::fs::File::open(world.disk("copy")).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut found, 500 << 20).unwrap();
    assert_eq!(&found, b"in the middle");
}

#[tokio::test]
async fn which_copies_are_asked_about() {
    let world = World::new();
    let surl = |name: &str| world.surl(name);
    let (a, b) = (world.write("a", b"a"), world.write("b", b"bb"));
    let pairs = [(a.as_str(), surl("a1")), (&a, surl("a2")), (&b, surl("b1")), (&b, surl("a"))];
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(s, t)| (*s, t.as_str())).collect();
    let answer = world.copy(&pairs, "").await;
    let id = token(&answer);
    let all = world.copied(id).await;
    assert_eq!(
        (all.code.as_str(), codes(&all)),
        (PARTIAL, vec![SUCCESS, SUCCESS, SUCCESS, DUPLICATION])
    );
    let list = |name: &str, surls: &[&str]| {
        let list: String =
            surls.iter().map(|s| format!("<urlArray>{}</urlArray>", escape(s))).collect();
        format!("<{name}>{list}</{name}>")
    };
    let ask = async |sources: &[&str], targets: &[&str]| {
        let mut inner = soap::token(id);
        if !sources.is_empty() {
            inner += &list("arrayOfSourceSURLs", sources);
        }
        if !targets.is_empty() {
            inner += &list("arrayOfTargetSURLs", targets);
        }
        world.srm("srmStatusOfCopyRequest", &inner).await
    };
    let sfn = world.storm.surl_sfn("/test.vo/b1");
    let answer = ask(&[], &[&sfn, &surl("a2"), &surl("strange")]).await;
    assert_eq!(
        (answer.code.as_str(), codes(&answer)),
        (PARTIAL, vec![SUCCESS, SUCCESS, INVALID_PATH])
    );
    assert!(answer.xml.contains(&escape(&sfn)), "{}", answer.xml);
    let answer = ask(&[&b, &surl("strange")], &[]).await;
    assert_eq!(codes(&answer), [SUCCESS, INVALID_PATH]);
    let answer = ask(&[&b, &b, &a], &[&surl("a"), &surl("b1"), &surl("b1")]).await;
    assert_eq!(codes(&answer), [DUPLICATION, SUCCESS, INVALID_PATH]);
    assert_eq!(ask(&[&a, &b], &[&surl("a1")]).await.code, INVALID_REQUEST);
}
