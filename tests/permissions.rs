//! srmSetPermission, srmGetPermission and srmCheckPermission: the ACL on disk, what local accounts may do
//! then, and what is lent to them meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use common::accounts::{one, service, two};
use common::client::{Person, Tls};
use common::grid::Grid;
use common::soap::{self, Answer, escape};
use common::storm::{Area, Setup};
use common::{USER_DN, USER2_DN, wire};

const SUCCESS: &str = "SRM_SUCCESS";
const DENIED: &str = "SRM_AUTHORIZATION_FAILURE";
const INVALID_PATH: &str = "SRM_INVALID_PATH";
const INVALID_REQUEST: &str = "SRM_INVALID_REQUEST";
const NOT_SUPPORTED: &str = "SRM_NOT_SUPPORTED";

fn owner(mode: &str) -> String {
    format!("<ownerPermission>{mode}</ownerPermission>")
}

fn other(mode: &str) -> String {
    format!("<otherPermission>{mode}</otherPermission>")
}

fn user(id: &str, mode: &str) -> String {
    format!(
        "<arrayOfUserPermissions><userPermissionArray><userID>{}</userID><mode>{mode}</mode>\
         </userPermissionArray></arrayOfUserPermissions>",
        escape(id)
    )
}

fn group(id: &str, mode: &str) -> String {
    format!(
        "<arrayOfGroupPermissions><groupPermissionArray><groupID>{}</groupID><mode>{mode}</mode>\
         </groupPermissionArray></arrayOfGroupPermissions>",
        escape(id)
    )
}

impl Grid {
    async fn set(&self, path: &str, how: &str, what: &str) -> Answer {
        let surl = escape(&self.storm.surl(path));
        let inner = format!("<SURL>{surl}</SURL><permissionType>{how}</permissionType>{what}");
        self.ask(&self.user, "srmSetPermission", &inner).await
    }

    /// The same, and it must succeed.
    async fn set_well(&self, path: &str, how: &str, what: &str) {
        self.set(path, how, what).await.expect(SUCCESS);
    }

    async fn about(&self, operation: &str, paths: &[&str]) -> Answer {
        let surls: Vec<String> = paths.iter().map(|path| self.storm.surl(path)).collect();
        self.ask(&self.user, operation, &soap::surls(&surls)).await
    }

    /// What srmGetPermission says: owner, users, groups, other.
    async fn told(
        &self,
        path: &str,
    ) -> (String, Vec<(String, String)>, Vec<(String, String)>, String) {
        let xml = self.about("srmGetPermission", &[path]).await.expect(SUCCESS).xml;
        let text = |name| soap::text(&xml, name).unwrap_or_else(|| panic!("no {name}: {xml}"));
        let list = |item: &str, id| {
            let item = format!("<{item}>");
            let parts = xml.split(&item).skip(1);
            let part = |part| (soap::text(part, id).unwrap(), soap::text(part, "mode").unwrap());
            parts.map(part).collect()
        };
        (
            format!("{} {}", text("owner"), text("ownerPermission")),
            list("userPermissionArray", "userID"),
            list("groupPermissionArray", "groupID"),
            text("otherPermission"),
        )
    }

    async fn checked(&self, path: &str) -> String {
        let answer = self.about("srmCheckPermission", &[path]).await.expect(SUCCESS);
        soap::text(&answer.xml, "permission").unwrap_or_else(|| panic!("{}", answer.xml))
    }

    fn mapped_groups(&mut self, text: &str) {
        std::fs::write(self.storm.dir().join("etc/groupmapfile"), text).unwrap();
        self.storm.restart();
    }
}

fn pair(name: &str, mode: &str) -> (String, String) {
    (name.to_owned(), mode.to_owned())
}

#[tokio::test]
async fn accounts_and_groups_by_every_name() {
    let mut grid = Grid::new();
    grid.mapped_groups(&format!("\"/test.vo/*\" {}\n", two().name));
    grid.plant("/jit/f", "text");
    grid.setfacl(&["-m", "o::x"], "/jit");
    let (path, plain) = (grid.disk("/jit/f"), "user::rw-\ngroup::rw-\nother::---");
    assert_eq!(grid.acl("/jit/f"), plain);
    // Users: account, number, DN of somebody else, his own DN.
    let me = (one().name.clone(), one().uid.to_string());
    for (id, account) in
        [(me.0.as_str(), one()), (&me.1, one()), (USER2_DN, two()), (USER_DN, one())]
    {
        assert!(account.read(&path).is_none(), "{id}");
        grid.set_well("/jit/f", "ADD", &user(id, "R")).await;
        let uid = account.uid;
        let wanted = format!("user::rw-\nuser:{uid}:r--\ngroup::rw-\nmask::rw-\nother::---");
        assert_eq!(grid.acl("/jit/f"), wanted);
        assert_eq!(account.read(&path).unwrap(), b"text");
        assert!(!account.write(&path, "x"), "{id}");
        grid.set_well("/jit/f", "REMOVE", &user(id, "NONE")).await;
        assert_eq!(grid.acl("/jit/f"), plain, "{id}");
    }
    // Groups: name, number, FQAN.
    let gid = two().gid.to_string();
    for id in [two().name.as_str(), gid.as_str(), "/test.vo/Role=prod"] {
        grid.set_well("/jit/f", "CHANGE", &group(id, "RW")).await;
        assert!(grid.acl("/jit/f").contains(&format!("\ngroup:{gid}:rw-\n")), "{id}");
        assert!(two().write(&path, "text"), "{id}");
        // ADD keeps what is there, CHANGE does not, and neither touches others.
        grid.set_well("/jit/f", "ADD", &user(&me.0, "R")).await;
        grid.set_well("/jit/f", "ADD", &group(id, "R")).await;
        assert!(grid.acl("/jit/f").contains(&format!("\ngroup:{gid}:rw-\n")), "{id}");
        grid.set_well("/jit/f", "CHANGE", &(group(id, "R") + &other("R"))).await;
        let uid = &me.1;
        let wanted = format!(
            "user::rw-\nuser:{uid}:r--\ngroup::rw-\ngroup:{gid}:r--\nmask::rw-\nother::r--"
        );
        assert_eq!(grid.acl("/jit/f"), wanted);
        let both = user(&me.0, "NONE") + &group(id, "NONE") + &other("NONE");
        grid.set_well("/jit/f", "REMOVE", &both).await;
        assert_eq!(grid.acl("/jit/f"), plain);
    }
    // The owning group has an entry without a name; stormd keeps its own rights.
    let own = &service().name;
    grid.set_well("/jit/f", "CHANGE", &(group(own, "R") + &user(own, "RWX"))).await;
    assert_eq!(grid.acl("/jit/f"), "user::rwx\ngroup::r--\nother::---");
    assert!(grid.storm.healthy());
}

#[tokio::test]
async fn what_is_told_can_be_said_again() {
    let grid = Grid::new();
    grid.mkdir("/jit/d");
    let (a, b) = (&one().name, &two().name);
    grid.set_well("/jit/d", "CHANGE", &(user(a, "RX") + &group(b, "RWX") + &other("X"))).await;
    let set = grid.acl("/jit/d");
    let told = grid.told("/jit/d").await;
    let own = &service().name;
    assert_eq!(
        told,
        (
            format!("{own} RWX"),
            vec![pair(a, "RX")],
            vec![pair(own, "RWX"), pair(b, "RWX")],
            "X".to_owned()
        )
    );
    grid.mkdir("/jit/e");
    for (id, mode) in told.1 {
        grid.set_well("/jit/e", "CHANGE", &user(&id, &mode)).await;
    }
    for (id, mode) in told.2 {
        grid.set_well("/jit/e", "CHANGE", &group(&id, &mode)).await;
    }
    grid.set_well("/jit/e", "CHANGE", &other(&told.3)).await;
    assert_eq!(grid.acl("/jit/e"), set);
    // What a mask takes away is not told.
    grid.setfacl(&["-m", "m::r-x"], "/jit/d");
    assert_eq!(grid.told("/jit/d").await.2[1], pair(b, "RX"));
}

#[tokio::test]
async fn gfal_chmod() {
    let grid = Grid::new();
    grid.plant("/jit/f", "text");
    grid.mkdir("/jit/d");
    let person = Person::new(&grid.storm, "voms");
    person.run("gfal-chmod", &["0644", &grid.storm.surl("/jit/f")]).ok();
    assert_eq!(grid.acl("/jit/f"), "user::rw-\ngroup::rw-\nother::r--");
    person.run("gfal-chmod", &["0755", &grid.storm.surl("/jit/d")]).ok();
    assert_eq!(grid.acl("/jit/d"), "user::rwx\ngroup::rwx\nother::r-x");
    let listed = person.run("gfal-ls", &["-l", &grid.storm.surl("/jit/f")]).ok();
    assert!(listed.out.starts_with("-rw-rw-r--"), "{listed}");
    person.run("gfal-chmod", &["0444", &grid.storm.surl("/jit/f")]).refused();
    assert_eq!(grid.acl("/jit/f"), "user::rw-\ngroup::rw-\nother::r--");
}

#[tokio::test]
async fn what_is_lent_meanwhile() {
    let mut grid = Grid::new();
    grid.plant("/jit/f", "text");
    let (name, uid) = (&one().name, one().uid);
    let entry = |mode: &str| format!("\nuser:{uid}:{mode}\n");
    let plain = grid.acl("/jit/f");
    // What is lent is not told, and given for good it stays, though it is the same.
    let get = grid.get(&grid.user, "/jit/f", "file").await;
    assert!(grid.acl("/jit/f").contains(&entry("r--")));
    assert_eq!(grid.told("/jit/f").await.1, []);
    grid.set_well("/jit/f", "ADD", &user(name, "R")).await;
    assert_eq!(grid.told("/jit/f").await.1, [pair(name, "R")]);
    grid.release(&grid.user, &get).await.expect(SUCCESS);
    assert!(grid.acl("/jit/f").contains(&entry("r--")), "{}", grid.acl("/jit/f"));
    grid.set_well("/jit/f", "REMOVE", &user(name, "R")).await;
    assert_eq!(grid.acl("/jit/f"), plain);

    // Given more, and over a kill.
    let get = grid.get(&grid.user, "/jit/f", "file").await;
    grid.set_well("/jit/f", "CHANGE", &user(name, "W")).await;
    assert!(grid.acl("/jit/f").contains(&entry("rw-")) && one().read(get.path()).is_some());
    grid.storm.restart();
    grid.release(&grid.user, &get).await.expect(SUCCESS);
    assert!(grid.acl("/jit/f").contains(&entry("-w-")), "{}", grid.acl("/jit/f"));

    // Taken away: the TURL lives on, and then nothing is left.
    let get = grid.get(&grid.user, "/jit/f", "file").await;
    assert!(grid.acl("/jit/f").contains(&entry("rw-")));
    grid.set_well("/jit/f", "REMOVE", &user(name, "NONE")).await;
    assert!(grid.acl("/jit/f").contains(&entry("r--")) && one().read(get.path()).is_some());
    grid.set_well("/jit/f", "CHANGE", &(user(&two().name, "R") + &other("NONE"))).await;
    assert!(grid.acl("/jit/f").contains(&entry("r--")), "{}", grid.acl("/jit/f"));
    grid.release(&grid.user, &get).await.expect(SUCCESS);
    let wanted = format!("user::rw-\nuser:{}:r--\ngroup::rw-\nmask::rw-\nother::---", two().uid);
    assert_eq!(grid.acl("/jit/f"), wanted);
    // The way there, too.
    let get = grid.get(&grid.user, "/jit/f", "file").await;
    grid.set_well("/jit", "ADD", &user(name, "X")).await;
    grid.release(&grid.user, &get).await.expect(SUCCESS);
    assert!(grid.acl("/jit").contains(&entry("--x")), "{}", grid.acl("/jit"));
}

#[tokio::test]
async fn refusals() {
    let mut grid = Grid::new();
    grid.plant("/jit/f", "text");
    let plain = grid.acl("/jit/f");
    for (how, what, code, why) in [
        ("CHANGE", String::new(), INVALID_REQUEST, "no permission is named"),
        ("SWAP", other("R"), INVALID_REQUEST, "permissionType"),
        ("ADD", user("nobody-of-here", "R"), INVALID_REQUEST, "no account of this host"),
        ("ADD", user("root", "R"), INVALID_REQUEST, "root"),
        ("ADD", user("0", "R"), INVALID_REQUEST, "root"),
        ("ADD", user("/test.vo", "R"), INVALID_REQUEST, "FQAN"),
        ("ADD", user("/C=IT/CN=Nobody", "R"), INVALID_REQUEST, "name the account itself"),
        ("ADD", user(USER2_DN, "RRR"), INVALID_REQUEST, "mode"),
        ("ADD", group("nobody-of-here", "R"), INVALID_REQUEST, "no group of this host"),
        ("ADD", group("/strange.vo", "R"), INVALID_REQUEST, "name the group itself"),
        ("ADD", group(USER_DN, "R"), INVALID_REQUEST, "no FQAN"),
        ("CHANGE", owner("R"), NOT_SUPPORTED, "belongs to the account of stormd"),
        ("REMOVE", owner("RW"), NOT_SUPPORTED, "belongs to the account of stormd"),
    ] {
        let answer = grid.set("/jit/f", how, &what).await.expect(code);
        assert!(answer.explanation.contains(why), "{}", answer.xml);
        assert_eq!(grid.acl("/jit/f"), plain, "{why}");
    }
    grid.set("/jit/none", "ADD", &other("R")).await.expect(INVALID_PATH);
    grid.set("/nowhere/f", "ADD", &other("R")).await.expect(INVALID_PATH);
    // Where a mask would take it away, it is said, and nothing is done.
    grid.setfacl(&["-m", &format!("u:{}:rw-,m::r--", two().uid)], "/jit/f");
    let masked = grid.acl("/jit/f");
    let answer = grid.set("/jit/f", "ADD", &user(&one().name, "RW")).await.expect("SRM_FAILURE");
    assert!(answer.explanation.contains("mask"), "{}", answer.xml);
    assert_eq!(grid.acl("/jit/f"), masked);
    grid.set_well("/jit/f", "ADD", &user(&one().name, "R")).await;

    // Who may not replace and remove it.
    let rules = "@ALL@ / RLFDMNW permit\n@ALL@ /jit/f D deny\n@ALL@ /aot W deny\n";
    std::fs::write(grid.storm.dir().join("path-authz.db"), rules).unwrap();
    grid.plant("/aot/f", "text");
    grid.plant("/jit/g", "text");
    grid.storm.restart();
    for path in ["/jit/f", "/aot/f"] {
        grid.set(path, "ADD", &other("R")).await.expect(DENIED);
    }
    grid.set_well("/jit/g", "ADD", &other("R")).await;
    let nobody = wire::config(None, Tls::Any);
    for operation in ["srmSetPermission", "srmGetPermission", "srmCheckPermission"] {
        let answer = grid.ask(&nobody, operation, &soap::surls(&["x"])).await;
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
    }
}

#[tokio::test]
async fn what_the_caller_may() {
    let mut grid = Grid::new();
    grid.mkdir("/jit/d");
    for path in ["/jit/d/f", "/jit/seen", "/jit/read", "/jit/closed"] {
        grid.plant(path, "text");
    }
    assert_eq!(grid.checked("/jit/d").await, "RWX");
    assert_eq!(grid.checked("/jit/d/f").await, "RW");
    // The ACL is for who comes by himself: through stormd nothing changes.
    grid.set_well("/jit/d/f", "CHANGE", &user(&one().name, "NONE")).await;
    assert_eq!(grid.checked("/jit/d/f").await, "RW");

    let rules = "@ALL@ / RLFDMNW permit\n@ALL@ /jit/d WN deny\n@ALL@ /jit/seen RD deny\n\
                 @ALL@ /jit/read LDW deny\n@ALL@ /jit/closed RL deny\n";
    std::fs::write(grid.storm.dir().join("path-authz.db"), rules).unwrap();
    grid.storm.restart();
    assert_eq!(grid.checked("/jit/d").await, "RX");
    assert_eq!(grid.checked("/jit/seen").await, "NONE");
    assert_eq!(grid.checked("/jit/read").await, "R");
    for operation in ["srmCheckPermission", "srmGetPermission"] {
        grid.about(operation, &["/jit/closed"]).await.expect(DENIED);
        grid.about(operation, &["/jit/none"]).await.expect(INVALID_PATH);
        assert_eq!(grid.about(operation, &["/jit/none"]).await.code, "SRM_FAILURE");
        let some = grid.about(operation, &["/jit/none", "/jit/d"]).await;
        assert_eq!(some.code, "SRM_PARTIAL_SUCCESS", "{}", some.xml);
        let codes: Vec<&str> = some.files.iter().map(|file| file.code.as_str()).collect();
        assert_eq!(codes, [INVALID_PATH, SUCCESS]);
        let none = grid.ask(&grid.user, operation, "<arrayOfSURLs></arrayOfSURLs>").await;
        assert_eq!(none.code, INVALID_REQUEST, "{}", none.xml);
    }
}

#[tokio::test]
async fn without_acls_there_are_only_mode_bits() {
    let disk = common::disk::Disk::without_acls();
    let root = Some(disk.mount.clone());
    let stormd = service();
    std::os::unix::fs::chown(&disk.mount, Some(stormd.uid), Some(stormd.gid)).unwrap();
    let area = Area { name: "BARE", stfn: "bare", vo: None, anonymous: false, root };
    let grid = Grid::with(Setup { areas: vec![area], ..Setup::default() }, "");
    std::fs::write(disk.mount.join("f"), "text").unwrap();
    std::os::unix::fs::chown(disk.mount.join("f"), Some(stormd.uid), Some(stormd.gid)).unwrap();
    let answer = grid.set("/bare/f", "ADD", &other("R")).await.expect(NOT_SUPPORTED);
    assert!(answer.explanation.contains("no ACLs"), "{}", answer.xml);
    assert_eq!(grid.told("/bare/f").await.3, "R");
}
