//! Many clients at once, each with random deeds (requests of every kind, spaces, names, files), while
//! the daemon is killed (`kill -9`) at random moments and started again. Every answer is checked
//! against a small model of what may have happened; at the end everything must be accounted for:
//! nothing acknowledged is lost, nothing is left behind, nothing is stuck, and what is used is what is
//! there.
//!
//! `make soak KILLS=100 SEED=7`. The same seed gives each client the same choices; what the daemon
//! is doing when it is killed is up to the machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "soak/asking.rs"]
mod asking;
#[path = "soak/between.rs"]
mod between;
#[path = "soak/carrying.rs"]
mod carrying;
#[path = "soak/content.rs"]
mod content;
#[path = "soak/history.rs"]
mod history;
#[path = "soak/judge.rs"]
mod judge;
#[path = "soak/knowing.rs"]
mod knowing;
#[path = "soak/life.rs"]
mod life;
#[path = "soak/link.rs"]
mod link;
#[path = "soak/looking.rs"]
mod looking;
#[path = "soak/own.rs"]
mod own;
#[path = "soak/pacing.rs"]
mod pacing;
#[path = "soak/reserving.rs"]
mod reserving;
#[path = "soak/rules.rs"]
mod rules;
#[path = "soak/shared.rs"]
mod shared;
#[path = "soak/sharing.rs"]
mod sharing;
#[path = "soak/space_rules.rs"]
mod space_rules;
#[path = "soak/spaces.rs"]
mod spaces;
#[path = "soak/tally.rs"]
mod tally;
#[path = "soak/telling.rs"]
mod telling;
#[path = "soak/uploading.rs"]
mod uploading;
#[path = "soak/world.rs"]
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::client::Tls;
use common::storm::Setup;
use common::{TestStorm, accounts, wire};
use fastrand::Rng;
use history::History;
use link::{Link, Phase};
use own::Own;
use reserving::Reserving;
use shared::Shared;
use tally::Tally;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Clients with a directory of their own; every second one is another person.
const OWNERS: u64 = 8;
/// Clients on the paths that all share.
const SHARERS: u64 = 4;
/// Clients that contend for one small area.
const RESERVERS: u64 = 2;
/// How long the daemon lives between two kills, in milliseconds.
const LIFE: std::ops::Range<u64> = 300..4000;
/// Less than a full answer takes at times, so that clients see requests that wait.
const SETTINGS: &str = "answer_wait = \"20ms\"\nls_wait = \"20ms\"\n";

/// What the clients surely come to, in some answer of these.
const MET: [(&[&str], &str); 11] = [
    (&["MOVE", "COPY"], "201"),
    (&["MOVE", "COPY"], "204"),
    (&["srmPutDone"], "SRM_SUCCESS"),
    (&["srmCopy", "srmStatusOfCopyRequest"], "SRM_SUCCESS"),
    (&["srmBringOnline", "srmStatusOfBringOnlineRequest"], "SRM_SUCCESS"),
    (&["srmChangeSpaceForFiles", "srmStatusOfChangeSpaceForFilesRequest"], "SRM_SUCCESS"),
    (&["srmStatusOfBringOnlineRequest"], "SRM_REQUEST_SUSPENDED"),
    (&["srmResumeRequest"], "SRM_SUCCESS"),
    (&["srmExtendFileLifeTime"], "SRM_SUCCESS"),
    (&["srmReserveSpace"], "SRM_NO_FREE_SPACE"),
    (&["srmReleaseSpace"], "SRM_SUCCESS"),
];

/// Bytes of the VO's area: enough for all clients.
const AREA: u64 = 200_000_000;

/// The VO's area is of limited size; the area open to all too, and small, and of another class.
fn areas() -> Vec<(&'static str, &'static str, String)> {
    let size = "<TotalOnlineSize unit=\"GB\" limited-size=\"false\">100</TotalOnlineSize>";
    let limited = |bytes: u64| {
        let text = size.replace("GB", "Byte").replace("false", "true");
        text.replace(">100<", &format!(">{bytes}<"))
    };
    vec![
        ("TESTVO", size, limited(AREA)),
        ("OPEN", size, limited(reserving::POOL)),
        ("OPEN", "<RetentionPolicy>replica<", "<RetentionPolicy>output<".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_left_or_stuck() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("SOAK_KILLS").unwrap_or(10);
    let seed = number("SOAK_SEED").unwrap_or_else(|| fastrand::u64(1..1_000_000));
    println!("{kills} kills, seed {seed}");
    let started = Instant::now();
    let mut storm = TestStorm::set_up(Setup {
        settings: SETTINGS.to_owned(),
        gridmap: accounts::grid_mapfile(),
        changes: areas(),
        ..Setup::default()
    });
    let tally = Arc::new(Tally::default());
    let (tell, phase) = watch::channel(Phase { starts: 1, up: true, closing: false });
    let people = [wire::config(Some("voms"), Tls::Any), wire::config(Some("voms-user2"), Tls::Any)];
    let mut rng = Rng::with_seed(seed);
    let ports = storm.ports;
    let link = |person: usize| {
        Link::new(Arc::clone(&people[person]), ports, phase.clone(), Arc::clone(&tally))
    };
    let mut clients = JoinSet::new();
    for n in 0..OWNERS {
        let person = usize::from(n % 2 == 1);
        let own = Own::new(link(person), rng.fork(), storm.surl("/test.vo/"), n + 1);
        clients.spawn(async move { drop(own.run().await) });
    }
    std::fs::create_dir(storm.root("test.vo").join(shared::HOME)).unwrap();
    let (history, board) = (Arc::new(History::default()), Arc::default());
    for n in 0..SHARERS {
        let person = usize::from(n % 2 == 1);
        let sharer = Shared {
            link: link(person),
            rng: rng.fork(),
            base: storm.surl(&format!("/test.vo/{}/", shared::HOME)),
            number: OWNERS + n + 1,
            history: Arc::clone(&history),
            own: None,
            ready: None,
            board: Arc::clone(&board),
            person,
            written: 0,
            copying: None,
        };
        clients.spawn(sharer.run());
    }
    let ledger = reserving::Ledger::default();
    for n in 0..RESERVERS {
        let reserving = Reserving {
            link: link(usize::from(n % 2 == 1)),
            rng: rng.fork(),
            name: format!("pool {n}"),
            ledger: Arc::clone(&ledger),
            tokens: Vec::new(),
            asked: None,
            next: 0,
        };
        clients.spawn(reserving.run());
    }
    for starts in 2..kills + 2 {
        let life = Duration::from_millis(rng.u64(LIFE));
        tokio::time::sleep(life).await;
        storm.kill9();
        tell.send_modify(|phase| phase.up = false);
        let (at, answers) = (started.elapsed().as_secs_f64(), tally.answers());
        println!("kill {} after {at:.1} s, {answers} answers", starts - 1);
        // The tasks of this runtime go on while the daemon starts.
        tokio::task::block_in_place(|| storm.restart());
        tell.send_modify(|phase| {
            phase.up = true;
            phase.starts = u32::try_from(starts).unwrap();
        });
    }
    tokio::time::sleep(Duration::from_millis(LIFE.end)).await;
    tell.send_modify(|phase| phase.closing = true);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    shared::last_look(&mut link(0), &history).await;
    judge::judge(&mut storm, &people[0], &tally).await;
    let count = |kind| tally.count(kind);
    print!("{}", tally.told());
    println!("{} answers, {:.1} s", tally.answers(), started.elapsed().as_secs_f64());
    println!(
        "violations={} lost={} orphans={} stuck={} drift={} seed={seed}",
        count("violations"),
        count("lost"),
        count("orphans"),
        count("stuck"),
        count("drift")
    );
    assert_eq!(tally.all(), 0, "see above; again with: make soak KILLS={kills} SEED={seed}");
    for (operations, code) in MET {
        let met = operations.iter().any(|operation| tally.met(operation, code));
        assert!(met || kills < 5, "{operations:?} never came to {code}: too little was done");
    }
    assert!(tally.answers() > 100, "the clients did nothing");
}
