//! A stop of any kind in every state: every request goes on, and a token stays valid.

use std::time::{Duration, Instant};

use crate::common::{bytes, wait_until};
use crate::world::*;

async fn in_each_state(kill: bool) {
    let mut world = World::new();
    let file = world.write("pinned", b"pinned");
    let gone = world.write("released", b"x");
    let names = ["empty", "data", "done", "local", "aborted", "over"];
    let surls: Vec<String> = names.iter().map(|name| world.surl(name)).collect();
    let [empty, data, done, local, aborted, over] = &surls[..] else { unreachable!() };
    world.write("over", b"old");
    let get = world.get(&[&file], "").await.expect(PINNED);
    let released = world.get(&[&gone], "").await.expect(PINNED);
    world.release(token(&released), &[]).await.expect(SUCCESS);
    let put_empty = world.put(&[empty], "").await.expect(READY);
    let put_data = world.put(&[data], "").await.expect(READY);
    World::stored(&world.http("PUT", turl(&put_data), b"data").await);
    let put_done = world.put(&[done], "").await.expect(READY);
    World::stored(&world.http("PUT", turl(&put_done), b"done").await);
    world.done(token(&put_done), &[done]).await.expect(SUCCESS);
    let put_local = world.put_by("file", local, "").await.expect(READY);
    std::fs::write(behind(turl(&put_local)), b"local").unwrap();
    let put_aborted = world.put(&[aborted], "").await.expect(READY);
    assert_eq!(world.abort(token(&put_aborted)).await.code, SUCCESS);
    let put_over = world.put(&[over], ALWAYS).await.expect(READY);
    World::stored(&world.http("PUT", turl(&put_over), b"new").await);
    // Somebody uploads over it while it stops.
    let content = bytes(100_000, 4);
    let cut = world.half_upload(turl(&put_over), &content).await;
    let whole = world.half_upload(&world.storm.url("/test.vo/pinned"), &content).await;
    if kill {
        world.storm.kill9();
        drop((cut, whole));
    } else {
        drop((cut, whole));
        let (status, _) = world.storm.term();
        assert!(status.success(), "{status}");
    }
    world.storm.restart();

    world.get_status(token(&get)).await.expect(PINNED);
    let read = world.http("GET", turl(&get), b"").await;
    assert_eq!((read.status, read.body), (200, b"pinned".to_vec()));
    world.get_status(token(&released)).await.expect(RELEASED);
    world.put_status(token(&put_done)).await.expect(SUCCESS);
    world.done(token(&put_done), &[done]).await.expect(DUPLICATION);
    let status = world.put_status(token(&put_aborted)).await.expect(ABORTED);
    assert_eq!(status.code, ABORTED);
    assert_eq!(world.abort(token(&put_aborted)).await.code, SUCCESS);
    // What was live is live: busy, open to its TURL, and can be done.
    world.put(&[empty], "").await.expect(DUPLICATION);
    world.put(&[&file], ALWAYS).await.expect(BUSY);
    World::stored(&world.http("PUT", turl(&put_empty), b"late").await);
    world.holds("over", b"old");
    for (put, surl) in
        [(&put_empty, empty), (&put_data, data), (&put_local, local), (&put_over, over)]
    {
        world.put_status(token(put)).await.expect(READY);
        world.done(token(put), &[surl]).await.expect(SUCCESS);
    }
    for (name, content) in
        [("empty", "late"), ("data", "data"), ("done", "done"), ("local", "local"), ("over", "new")]
    {
        world.holds(name, content.as_bytes());
    }
    world.release(token(&get), &[]).await.expect(SUCCESS);
    assert!(wait_until(Duration::from_secs(2), || {
        crate::common::leftovers(&world.storm.root("test.vo")).is_empty()
    }));
    world.tidy();
}

#[tokio::test]
async fn killed_in_each_state() {
    in_each_state(true).await;
}

#[tokio::test]
async fn stopped_in_each_state() {
    in_each_state(false).await;
}

/// What a crash can leave in the database and on disk, made by hand.
#[tokio::test]
async fn what_a_crash_can_leave() {
    let mut world = World::with("[lifetimes]\nrequest_kept = \"3s\"");
    let names = ["queued", "late", "renamed", "unfrozen"];
    let surls: Vec<String> = names.iter().map(|name| world.surl(name)).collect();
    let [queued, late, renamed, unfrozen] = &surls[..] else { unreachable!() };
    let time = "<desiredTotalRequestTime>600</desiredTotalRequestTime>";
    let put_queued = world.put_by("file", queued, "").await.expect(READY);
    let put_late = world.put(&[late, &world.surl("late2")], time).await;
    let there = world.write("there", b"x");
    let get_late = world.get(&[&there], time).await.expect(PINNED);
    let put_renamed = world.put(&[renamed], "").await.expect(READY);
    World::stored(&world.http("PUT", turl(&put_renamed), b"renamed").await);
    world.done(token(&put_renamed), &[renamed]).await.expect(SUCCESS);
    let put_unfrozen = world.put(&[unfrozen], "").await.expect(READY);
    world.done(token(&put_unfrozen), &[unfrozen]).await.expect(SUCCESS);
    let ended = world.put(&[&world.surl("ended")], "").await.expect(READY);
    assert_eq!(world.abort(token(&ended)).await.code, SUCCESS);
    let started = Instant::now();
    world.storm.term();
    let hidden = world.disk(".storm.up.0c3e3ac4-1fd0-4a7c-8a3c-6f0b6ac2a7f1");
    std::fs::write(&hidden, "an overwriting PUT that was cut").unwrap();
    {
        let database = world.database();
        let run = |sql: &str, token: &str| {
            assert!(database.execute(sql, [token]).unwrap() > 0, "{sql}");
        };
        let files = "WHERE request = (SELECT id FROM requests WHERE token = ?1)";
        let back = format!(
            "UPDATE files SET state = 'QUEUED', area = NULL, path = NULL, turl = NULL,
             turl_protocol = NULL, explanation = '', expires = NULL {files}"
        );
        run(&back, token(&put_queued));
        for answer in [&put_late, &get_late] {
            run(&back, token(answer));
            run("UPDATE requests SET deadline = 1000 WHERE token = ?1", token(answer));
        }
        // Renamed, and not written down.
        run(
            "UPDATE requests SET ended = NULL, end_code = NULL WHERE token = ?1",
            token(&put_renamed),
        );
        run(
            &format!("UPDATE files SET state = 'SPACE_AVAILABLE', live = 1 {files}"),
            token(&put_renamed),
        );
        // All ended, and not frozen.
        run(
            "UPDATE requests SET ended = NULL, end_code = NULL WHERE token = ?1",
            token(&put_unfrozen),
        );
        let owner: String =
            database.query_row("SELECT owner FROM requests LIMIT 1", [], |row| row.get(0)).unwrap();
        let intent = "INSERT INTO intents (owner, kind, hidden_area, hidden_path, target_area,
             target_path) VALUES (?1, 'PUBLISH', 'TESTVO', ?2, 'TESTVO', 'there')";
        let name = hidden.file_name().unwrap().to_str().unwrap();
        database.execute(intent, [owner.as_str(), name]).unwrap();
    }
    world.storm.restart();
    // Queued files are taken up; the file that the first worker had made is no hindrance.
    assert!(wait_until(Duration::from_secs(5), || behind(turl(&put_queued)).exists()));
    let end = Instant::now() + Duration::from_secs(5);
    while world.put_status(token(&put_queued)).await.file_code() != READY {
        assert!(Instant::now() < end, "a queued file was not taken up");
    }
    world.done(token(&put_queued), &[queued]).await.expect(SUCCESS);
    // Too late.
    for (answer, put) in [(&put_late, true), (&get_late, false)] {
        let id = token(answer);
        let status = if put { world.put_status(id).await } else { world.get_status(id).await };
        let status = status.expect(FAILURE);
        assert_eq!(status.code, "SRM_REQUEST_TIMED_OUT", "{}", status.xml);
    }
    world.put(&[late], "").await.expect(READY);
    world.put_status(token(&put_renamed)).await.expect(SUCCESS);
    world.done(token(&put_renamed), &[renamed]).await.expect(DUPLICATION);
    world.holds("renamed", b"renamed");
    world.put_status(token(&put_unfrozen)).await.expect(SUCCESS);
    assert!(!hidden.exists());
    world.holds("there", b"x");
    world.put_status(token(&ended)).await.expect(ABORTED);
    // Requests that ended are forgotten in time, and only those.
    let live = world.put(&[&world.surl("live")], "").await.expect(READY);
    tokio::time::sleep(Duration::from_secs(4).saturating_sub(started.elapsed())).await;
    world.storm.term();
    {
        let database = world.database();
        let open = "SELECT count(*) FROM requests WHERE token = ?1 AND ended IS NULL";
        for answer in [&put_renamed, &put_unfrozen, &put_late, &get_late] {
            let left: i64 = database.query_row(open, [token(answer)], |row| row.get(0)).unwrap();
            assert_eq!(left, 0, "{} was never frozen", token(answer));
        }
        let intents: i64 =
            database.query_row("SELECT count(*) FROM intents", [], |row| row.get(0)).unwrap();
        assert_eq!(intents, 0);
    }
    world.storm.restart();
    let end = Instant::now() + Duration::from_secs(5);
    while world.put_status(token(&ended)).await.code != INVALID_REQUEST {
        assert!(Instant::now() < end, "an old request is still known");
    }
    world.put_status(token(&live)).await.expect(READY);
}
