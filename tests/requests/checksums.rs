//! Checksums of files that came behind stormd's back, or by a mover.

use std::process::Command;
use std::time::Duration;

use crate::common::client::Person;
use crate::common::soap::{self, text};
use crate::common::wire::Conn;
use crate::common::{adler32, bytes, wait_until};
use crate::world::*;

const SUM: &str = "user.storm.checksum.adler32";
const STAMP: &str = "user.storm.checksum.stamp";
const PATIENT: &str = "answer_wait = \"20s\"";

impl World {
    /// What stands in an attribute of a file.
    fn attribute(&self, file: &str, name: &str) -> Option<String> {
        let mut command = Command::new("getfattr");
        command.args(["--only-values", "-n", name]).arg(self.disk(file));
        let done = command.output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    }

    /// The checksum by srmLs of that many levels.
    async fn listed(&self, name: &str, levels: u32) -> Option<String> {
        let full = "<fullDetailedList>true</fullDetailedList>";
        let inner =
            soap::surls(&[self.surl(name)]) + &format!("{full}<numOfLevels>{levels}</numOfLevels>");
        text(&self.srm("srmLs", &inner).await.expect(SUCCESS).xml, "checkSumValue")
    }

    /// The checksum by HEAD or GET with Want-Digest.
    async fn digest(&self, method: &str, name: &str) -> Option<String> {
        let mut conn = Conn::tls(&self.user, self.storm.ports.https).await.unwrap();
        let wish = [("want-digest", "ADLER32")];
        let answer = conn.request(method, &format!("/test.vo/{name}"), &wish, b"").await.unwrap();
        assert_eq!(answer.status, 200);
        Some(answer.header("digest")?.strip_prefix("adler32=").unwrap().to_owned())
    }

    /// Bytes that the daemon has read by system calls.
    pub fn bytes_read(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.storm.pid())).unwrap();
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn computed_for_who_asks_and_kept() {
    let world = World::with(PATIENT);
    let content = bytes(3_000_000, 1);
    for name in ["ls", "head", "get", "arc"] {
        world.write(name, &content);
        // An access time that a read would change.
        let mut touch = Command::new("touch");
        touch.args(["-a", "-d", "2001-01-01"]).arg(world.disk(name));
        assert!(touch.status().unwrap().success());
        // A list computes nothing.
        assert_eq!(world.listed("", 1).await, None);
        assert_eq!(world.attribute(name, SUM), None);
        let told = match name {
            "ls" => world.listed(name, 0).await,
            "arc" => world.listed(name, 1).await,
            "head" => world.digest("HEAD", name).await,
            _ => world.digest("GET", name).await,
        };
        let sum = adler32(&content);
        assert_eq!(told, Some(sum.clone()), "{name}");
        assert_eq!(world.attribute(name, SUM), Some(sum));
        assert!(world.attribute(name, STAMP).unwrap().starts_with("3000000:"));
        if name != "get" {
            let times = std::fs::metadata(world.disk(name)).unwrap();
            let year = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
            assert!(times.accessed().unwrap() < year, "{name}: the access time moved");
        }
        std::fs::remove_file(world.disk(name)).unwrap();
    }
}

#[tokio::test]
async fn what_was_changed_is_summed_again() {
    let world = World::with(PATIENT);
    world.publish("f", b"first", "").await;
    let first = world.listed("f", 0).await;
    assert_eq!(first, Some(adler32(b"first")));
    // In place, and of the same size.
    std::thread::sleep(Duration::from_millis(20));
    world.write("f", b"other");
    assert_eq!(world.listed("", 1).await, None, "the old one is no longer told");
    assert_eq!(world.digest("HEAD", "f").await, Some(adler32(b"other")));
    assert_eq!(world.attribute("f", SUM), Some(adler32(b"other")));

    // While somebody writes there is none.
    let open = std::fs::OpenOptions::new().append(true).open(world.disk("f")).unwrap();
    std::io::Write::write_all(&mut &open, b" and more").unwrap();
    assert_eq!(world.digest("HEAD", "f").await, None);
    drop(open);
    assert_eq!(world.digest("HEAD", "f").await, Some(adler32(b"other and more")));
}

#[tokio::test]
async fn an_answer_does_not_wait_and_many_share_the_work() {
    let world = World::with("answer_wait = \"10ms\"");
    let size = 1 << 30;
    std::fs::File::create(world.disk("large")).unwrap().set_len(size).unwrap();
    let before = world.bytes_read();
    let asked = (0..16).map(|_| world.digest("HEAD", "large"));
    let told = futures_util::future::join_all(asked).await;
    assert!(told.iter().all(Option::is_none), "answered with it: {told:?}");
    assert!(wait_until(Duration::from_secs(60), || world.attribute("large", SUM).is_some()));
    let read = world.bytes_read() - before;
    assert!((size..size + size / 2).contains(&read), "{read} bytes were read");
    let sum = world.attribute("large", SUM);
    assert_eq!(world.digest("HEAD", "large").await, sum);
    assert_eq!(world.listed("large", 0).await, sum);
}

#[tokio::test]
async fn after_a_put_by_a_mover_it_comes_by_itself() {
    let world = World::new();
    let surl = world.surl("moved");
    let answer = world.put_by("file", &surl, "").await.expect(READY);
    let content = bytes(100_000, 4);
    std::fs::write(behind(turl(&answer)), &content).unwrap();
    world.done(token(&answer), &[&surl]).await.expect(SUCCESS);
    assert!(wait_until(Duration::from_secs(10), || world.attribute("moved", SUM).is_some()));
    assert_eq!(world.attribute("moved", SUM), Some(adler32(&content)));
}

#[tokio::test]
async fn gfal_asks_for_it() {
    let world = World::with(PATIENT);
    let content = bytes(500_000, 9);
    world.write("f", &content);
    let person = Person::new(&world.storm, "voms");
    let sum = person.run("gfal-sum", &[&world.surl("f"), "ADLER32"]).ok();
    assert!(sum.out.trim_end().ends_with(&adler32(&content)), "{sum}");
    world.write("g", &content);
    let copy = world.storm.dir().join("home/copy");
    let to = format!("file://{}", copy.display());
    person.run("gfal-copy", &["-K", "ADLER32", &world.surl("g"), &to]).ok();
    assert_eq!(std::fs::read(copy).unwrap(), content);
    assert_eq!(world.attribute("g", SUM), Some(adler32(&content)));
}
