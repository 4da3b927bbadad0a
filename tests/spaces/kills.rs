//! `kill -9` while spaces are reserved, written to, changed and released: what was acknowledged holds,
//! and what is used is what is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::common::soap;
use crate::common::trace::Trace;
use crate::common::wire::Conn;
use crate::small::*;
use crate::world::*;

const ROUNDS: u64 = 5;
const CLIENTS: u64 = 8;

/// What clients know of a space that they were granted.
#[derive(Clone, Debug)]
struct Granted {
    bytes: i64,
    surl: String,
    disk: PathBuf,
    /// It was released, and no answer came.
    doubtful: bool,
}

type Known = Mutex<BTreeMap<String, Granted>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_granted_is_lost_and_nothing_drifts() {
    let mut world = small();
    let known = Arc::new(Known::default());
    for round in 0..ROUNDS {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (user, port) = (Arc::clone(&world.user), world.storm.ports.srm);
            let (known, name) = (Arc::clone(&known), format!("r{round}c{client}"));
            let (surl, disk) = (world.surl(&name), world.disk(&name));
            clients.spawn(async move {
                // The kill ends it with an error.
                let _ = work(Conn::tls(&user, port).await?, (&surl, &disk), client, &known).await;
                std::io::Result::Ok(())
            });
        }
        tokio::time::sleep(Duration::from_millis(500 + 230 * round)).await;
        world.storm.kill9();
        while clients.join_next().await.is_some() {}
        world.storm.restart();
        let all = known.lock().unwrap().clone();
        for (token, granted) in all {
            let answer = world.meta_data(&world.user, &token).await;
            if answer.code != SUCCESS && granted.doubtful {
                known.lock().unwrap().remove(&token);
                continue;
            }
            let told = world.told(&token).await;
            assert_eq!((told.code.as_str(), told.total), (SUCCESS, granted.bytes), "{token}");
            let there = std::fs::metadata(&granted.disk).map_or(0, |data| data.len() as i64);
            // What a release that was cut short has taken out is in no space any more.
            let listed = world.listed(&granted.surl).await;
            let inside = if listed.xml.contains(&token) { there } else { 0 };
            assert!(granted.doubtful || inside == there, "{token}: {}", listed.xml);
            assert_eq!(told.total - told.unused, inside, "round {round}: {granted:?}");
        }
        assert_eq!(world.used(&world.area().await).await, published(&world), "round {round}");
    }
    // Everything goes, and all is free again.
    let all = known.lock().unwrap().clone();
    assert!(all.len() > 20, "{} spaces are too few", all.len());
    for (token, granted) in all {
        // It takes puts along, also one whose token nobody got to know.
        let _ = world.rm(&granted.surl).await;
        assert_eq!(world.let_go(&token, true).await.code, SUCCESS, "{token}");
    }
    // Also what was granted, and nobody got to know.
    let areas = world.tokens(&world.user, &described("OPEN_TOKEN")).await;
    let areas = [areas, vec![world.area().await]].concat();
    for token in world.tokens(&world.user, "").await {
        if !areas.contains(&token) {
            assert_eq!(world.let_go(&token, true).await.code, SUCCESS, "{token}");
        }
    }
    let left = SIZE - published(&world) as u64;
    assert!(left < SIZE, "no file was ever published");
    assert_eq!(world.reserve(left + 1, "").await.code, NO_FREE);
    assert_eq!(world.reserve(left, "").await.code, SUCCESS);
    world.tidy();
}

/// Files of a space that is released in steps, one commit each.
const FILES: i64 = 5000;

fn in_space(world: &World, space: &str) -> i64 {
    let count = "SELECT count(*) FROM file_records WHERE space = ?1";
    world.database().query_row(count, [space], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_was_killed_goes_on() {
    let mut world = small();
    let spaces = [world.space(1000, "").await, world.space(1000, "").await];
    world.storm.term();
    let insert =
        "INSERT INTO file_records (area, path, space, storage_type, lifetime, expires, size)
         VALUES ('TESTVO', ?1, ?2, 'DURABLE', -1, NULL, 0)";
    let mut database = world.database();
    let all = database.transaction().unwrap();
    for (n, space) in (0..FILES).zip(spaces.iter().cycle()) {
        all.execute(insert, (format!("f{n}"), space)).unwrap();
    }
    all.commit().unwrap();
    drop(database);
    world.storm.restart();
    let forced = &spaces[0];
    // Killed when some are out, and others are not.
    for commits in 2..10 {
        let kill = Trace::kill(world.storm.pid(), "fdatasync,fsync", commits);
        let inner = element("spaceToken", forced) + &element("forceFileRelease", "true");
        let asked = soap::once(&world.user, world.storm.ports.srm, "srmReleaseSpace", &inner).await;
        assert!(asked.is_err(), "released before it was killed");
        drop(kill);
        world.storm.kill9();
        if in_space(&world, forced) < FILES / 2 {
            break;
        }
        world.storm.restart();
    }
    assert!((1..FILES / 2).contains(&in_space(&world, forced)), "{}", in_space(&world, forced));
    world.storm.restart();
    // Nobody sees it any more, and it goes by itself.
    let told = world.meta_data(&world.user, forced).await;
    assert_eq!(told.code, FAILURE, "{}", told.xml);
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.storm.kill9();
    assert_eq!((in_space(&world, forced), in_space(&world, &spaces[1])), (0, FILES / 2));
    let left = "SELECT count(*) FROM spaces WHERE token = ?1";
    let left: i64 = world.database().query_row(left, [forced], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    // What had no end has reached it.
    let over = "SELECT count(*) FROM file_records WHERE space IS NULL AND expires IS NOT NULL";
    let over: i64 = world.database().query_row(over, [], |row| row.get(0)).unwrap();
    assert_eq!(over, FILES / 2);
    world.storm.restart();
    assert_eq!(world.told(&spaces[1]).await.code, SUCCESS);
}

/// Bytes of published files.
fn published(world: &World) -> i64 {
    let entries = std::fs::read_dir(world.storm.root("test.vo")).unwrap().map(Result::unwrap);
    let shown = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with(".storm."));
    shown.map(|entry| entry.metadata().unwrap().len() as i64).sum()
}

/// Reserves, writes as a mover does, changes, removes and releases, for ever.
async fn work(
    mut conn: Conn,
    (surl, disk): (&str, &Path),
    client: u64,
    known: &Known,
) -> std::io::Result<()> {
    for n in 0_u64.. {
        let bytes = 1000 + 10 * client + n % 7;
        let size = element("desiredSizeOfGuaranteedSpace", bytes);
        let inner = class("REPLICA", "ONLINE") + &size;
        let answer = soap::call(&mut conn, "srmReserveSpace", &inner).await?;
        if answer.code != SUCCESS {
            assert_eq!(answer.code, NO_FREE, "{}", answer.xml);
            return Ok(());
        }
        let space = space_of(&answer);
        let surl = format!("{surl}n{n}");
        let granted = Granted {
            bytes: bytes as i64,
            surl: surl.clone(),
            disk: PathBuf::from(format!("{}n{n}", disk.display())),
            doubtful: false,
        };
        known.lock().unwrap().insert(space.clone(), granted);
        let put = soap::prepare_to_put(&[&surl], Some(100)).replace(">https<", ">file<");
        let put = soap::call(&mut conn, "srmPrepareToPut", &(put + &into(&space))).await?;
        assert_eq!(put.file_code(), READY, "{}", put.xml);
        std::fs::write(behind(turl(&put)), vec![7; 100 + n as usize % 50])?;
        let done = soap::token(token(&put)) + &soap::surls(&[&surl]);
        let done = soap::call(&mut conn, "srmPutDone", &done).await?;
        assert_eq!(done.code, SUCCESS, "{}", done.xml);
        if n % 3 == 0 {
            let removed = soap::call(&mut conn, "srmRm", &soap::surls(&[&surl])).await?;
            assert_eq!(removed.code, SUCCESS, "{}", removed.xml);
        }
        if n % 4 != 1 {
            known.lock().unwrap().get_mut(&space).unwrap().doubtful = true;
            let inner = element("spaceToken", &space) + &element("forceFileRelease", "true");
            let answer = soap::call(&mut conn, "srmReleaseSpace", &inner).await?;
            assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
            known.lock().unwrap().remove(&space);
        }
    }
    Ok(())
}
