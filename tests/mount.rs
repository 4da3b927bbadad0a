//! Drives on desktops, for real: davfs2, rclone, gvfs and cadaver take a tree there and back, edit in place,
//! append, rename over and delete, with names that people give; df shows the area. What stands in the storage
//! area afterwards is what the same deeds make of a local folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

#[path = "mount/cadaver.rs"]
mod cadaver;
mod common;
#[path = "mount/davfs.rs"]
mod davfs;
#[path = "mount/gvfs.rs"]
mod gvfs;
#[path = "mount/rclone.rs"]
mod rclone;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::storm::Setup;
use common::usage::{held, used};
use common::{TestStorm, bytes, leftovers, pki, snapshot};

/// Bytes of the area: what df has to show.
const SIZE: u64 = 200_000_000;

/// Names as people give them.
const NAMES: [&str; 9] = [
    "two words",
    "Übersicht für Müller",
    "100% sicher",
    "a%20b",
    "C# und #hash",
    "was?",
    "a+b&c=d;e",
    "it's \"this\"",
    "\u{65e5}\u{672c}.txt",
];

/// Files that come and go between a local folder and a storage area that anybody may write to.
struct World {
    storm: TestStorm,
}

impl World {
    fn new() -> Self {
        let size = "<TotalOnlineSize unit=\"GB\" limited-size=\"false\">100</TotalOnlineSize>";
        let less = size.replace("GB", "MB").replace("false", "true").replace("100<", "200<");
        let setup = Setup { changes: vec![("OPEN", size, less)], ..Setup::default() };
        let mut storm = TestStorm::set_up(setup);
        storm.http = "anonymous_write = true".to_owned();
        storm.restart();
        let world = Self { storm };
        world.make_tree();
        world
    }

    /// Three levels, odd names, an empty file, one of some megabytes.
    fn make_tree(&self) {
        let tree = self.dir("local");
        for dir in ["empty", "d/e/f", "goes/below"] {
            std::fs::create_dir_all(tree.join(dir)).unwrap();
        }
        let plain =
            ["edit", "append", "shorter", "one", "two", "gone", "d/e/f/deep", "goes/below/too"];
        for (n, name) in plain.into_iter().chain(NAMES).enumerate() {
            std::fs::write(tree.join(name), bytes(1000 + 77 * n, n as u64)).unwrap();
        }
        std::fs::write(tree.join("d/zero"), "").unwrap();
        std::fs::write(tree.join("d/large"), bytes(5_000_000, 99)).unwrap();
        let odd = tree.join("d").join(NAMES[1]);
        std::fs::create_dir(&odd).unwrap();
        std::fs::write(odd.join(NAMES[3]), "in a folder with a name").unwrap();
    }

    /// A folder beside the areas, made where it is not there.
    fn dir(&self, name: &str) -> PathBuf {
        let path = self.storm.dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn area(&self) -> PathBuf {
        self.storm.root("open")
    }

    /// What the area holds is what lies in `local`, and is what is told; nothing of ours lies about, and
    /// no lock.
    async fn same(&self, below: &str, what: &str) {
        let (local, there) = (snapshot(&self.dir("local")), snapshot(&self.area().join(below)));
        assert_eq!(there, local, "{what}");
        assert_eq!(leftovers(&self.area()), Vec::<String>::new(), "{what}");
        assert_eq!(used(&self.storm, "OPEN").await, held(&self.area()), "{what}");
        let body = b"<propfind xmlns='DAV:'><prop><lockdiscovery/></prop></propfind>";
        let mut conn = common::wire::Conn::tcp(self.storm.ports.plain).await.unwrap();
        let depth = [("depth", "infinity")];
        let told = conn.request("PROPFIND", "/open/", &depth, body).await.unwrap();
        assert_eq!(told.status, 207, "{what}");
        assert!(!told.text().contains("activelock"), "{what}: a lock is left: {}", told.text());
        assert!(self.storm.healthy(), "{what}");
    }
}

/// A shell script with a limit in time: a mount that hangs is killed. `$1`… are the arguments.
#[track_caller]
fn shell(script: &str, arguments: &[&Path]) -> String {
    let done = limited("bash", &["-euc", script, "bash"]).args(arguments).output().unwrap();
    told(&done, script)
}

/// A program with a limit in time, and nobody at the keyboard.
fn limited(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "60", program]).args(arguments);
    command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command
}

#[track_caller]
fn told(done: &Output, what: &str) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert_ne!(done.status.code(), Some(127), "a program is missing: make test installs it: {err}");
    assert!(done.status.success(), "{what}: {}\n{out}{err}", done.status);
    out
}

/// What an editor does to files in a folder.
const EDITS: &str = r#"
cd "$1"
printf XYZ | dd of=edit bs=1 seek=500 conv=notrunc status=none
echo more >> append
truncate -s 100 shorter
"#;

/// What a file manager does.
const MOVES: &str = r#"
cd "$1"
mv one two
mv 'two words' 'three more words'
mv d/e 'd/moved # away'
echo new > 'd/moved # away/neu & ganz'
cp d/large 'd/large (copy)'
rm gone
rm -r goes
rmdir empty
mkdir 'new folder'
mv 'was?' 'new folder/so!'
"#;

/// Unmounted when dropped, also by a test that fails.
struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Writes out what is not written yet.
    #[track_caller]
    fn unmount(self) {
        shell("umount \"$1\"", &[&self.at]);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What is unmounted already is told on stderr.
        let _ = limited("umount", &["-l"]).arg(&self.at).stderr(Stdio::null()).status();
    }
}

/// Size and free bytes as df tells them.
fn df(at: &Path) -> (u64, u64) {
    let told = shell("df -k --output=size,avail \"$1\" | tail -1", &[at]);
    let mut numbers = told.split_whitespace().map(|n| n.parse::<u64>().unwrap() * 1024);
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The same deeds on the mount, and on the local folder.
async fn live_in(world: &World, mount: impl Fn() -> Mounted, what: &str) {
    let (local, out) = (world.dir("local"), world.dir("out"));
    let mounted = mount();
    let (size, free) = df(&mounted.at);
    assert!(
        size.abs_diff(SIZE) < 100_000 && free.abs_diff(SIZE) < 100_000,
        "{what}: {size} {free}"
    );
    shell("cp -r \"$1\" \"$2/tree\" && diff -r \"$1\" \"$2/tree\"", &[&local, &mounted.at]);
    mounted.unmount();
    world.same("tree", &format!("{what}: copied in")).await;
    // Anew, so that it is read from us.
    let mounted = mount();
    shell("diff -r \"$1\" \"$2/tree\" && cp -r \"$2/tree\" \"$3\"", &[&local, &mounted.at, &out]);
    shell("diff -r \"$1\" \"$2/tree\"", &[&local, &out]);
    let (size, free) = df(&mounted.at);
    let taken = held(&world.area());
    assert!(taken > 5_000_000, "{what}: {taken}");
    assert!(size.abs_diff(SIZE) < 100_000, "{what}: {size}");
    assert!(free.abs_diff(SIZE - taken) < 100_000, "{what}: {free} free, {taken} taken");
    for deeds in [EDITS, MOVES] {
        shell(deeds, &[&mounted.at.join("tree")]);
        shell(deeds, &[&local]);
    }
    shell("diff -r \"$1\" \"$2/tree\"", &[&local, &mounted.at]);
    mounted.unmount();
    world.same("tree", &format!("{what}: lived in")).await;
    let mounted = mount();
    shell("rm -r \"$1/tree\"", &[&mounted.at]);
    mounted.unmount();
    assert!(!world.area().join("tree").exists(), "{what}: removed");
    assert_eq!(used(&world.storm, "OPEN").await, held(&world.area()), "{what}: removed");
}
