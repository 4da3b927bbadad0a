//! How requests end: abort, rm, time.

use std::time::{Duration, Instant};

use crate::common::wire::Conn;
use crate::common::{bytes, soap, wire};
use crate::world::*;

fn pin(seconds: i64) -> String {
    format!("<desiredPinLifeTime>{seconds}</desiredPinLifeTime>")
}

#[tokio::test]
async fn aborts() {
    let world = World::new();
    let (a, b) = (world.surl("a"), world.surl("b"));
    let put = world.put(&[&a, &b], "").await;
    let id = token(&put);
    World::stored(&world.http("PUT", turl(&put), b"a").await);
    world.done(id, &[&a]).await.expect(SUCCESS);
    // What is done stays; the request is aborted all the same, for good, and twice is fine.
    for _ in 0..2 {
        let aborted = world.abort(id).await;
        assert_eq!(aborted.code, SUCCESS, "{}", aborted.xml);
        let status = world.put_status(id).await;
        assert_eq!((status.code.as_str(), codes(&status)), (ABORTED, vec![SUCCESS, ABORTED]));
    }
    let done = world.done(id, &[&b]).await.expect(ABORTED);
    assert_eq!(done.code, ABORTED);
    let files = world.abort_files(id, &[&a, &b, &world.surl("strange")]).await;
    assert_eq!(
        (files.code.as_str(), codes(&files)),
        (PARTIAL, vec![FAILURE, SUCCESS, INVALID_PATH])
    );
    world.holds("a", b"a");

    // All done: nothing to abort.
    let put = world.put(&[&b], "").await;
    world.done(token(&put), &[&b]).await.expect(SUCCESS);
    assert_eq!(world.abort(token(&put)).await.code, FAILURE);
    assert_eq!(world.put_status(token(&put)).await.expect(SUCCESS).code, SUCCESS);

    // File by file, which leaves the status of the request alone.
    let (c, d) = (world.surl("c"), world.surl("d"));
    let put = world.put_by("file", &c, "").await.expect(READY);
    assert!(behind(turl(&put)).exists());
    for _ in 0..2 {
        world.abort_files(token(&put), &[&c]).await.expect(SUCCESS);
        assert_eq!(world.put_status(token(&put)).await.expect(ABORTED).code, SUCCESS);
    }
    assert_eq!(world.abort(token(&put)).await.code, SUCCESS);
    assert_eq!(world.put_status(token(&put)).await.code, SUCCESS, "an ended request changed");
    let put = world.put(&[&c, &d], "").await;
    let aborted = world.abort_files(token(&put), &[&d, &c]).await;
    assert_eq!((aborted.code.as_str(), codes(&aborted)), (SUCCESS, vec![SUCCESS, SUCCESS]));

    // Gets.
    let get = world.get(&[&a], "").await.expect(PINNED);
    assert_eq!(world.abort(token(&get)).await.code, SUCCESS);
    assert_eq!(world.get_status(token(&get)).await.expect(ABORTED).code, ABORTED);
    world.release(token(&get), &[&a]).await.expect(ABORTED);
    assert_eq!(world.http("GET", turl(&get), b"").await.status, 403);
    world.holds("a", b"a");
    let get = world.get(&[&a], "").await.expect(PINNED);
    world.release(token(&get), &[]).await.expect(SUCCESS);
    assert_eq!(world.abort(token(&get)).await.code, SUCCESS);
    world.get_status(token(&get)).await.expect(RELEASED);
    world.tidy();
}

#[tokio::test]
async fn removed_meanwhile() {
    let world = World::new();
    let surl = world.surl("f");
    let put = world.put(&[&surl], "").await.expect(READY);
    World::stored(&world.http("PUT", turl(&put), b"x").await);
    world.rm(&surl).await.expect(SUCCESS);
    let status = world.put_status(token(&put)).await.expect(ABORTED);
    assert!(status.file_explanation().contains("File has been removed"), "{}", status.xml);
    world.done(token(&put), &[&surl]).await.expect(ABORTED);
    assert_eq!(world.http("PUT", turl(&put), b"y").await.status, 403);
    world.rm(&surl).await.expect(INVALID_PATH);
    world.publish("f", b"x", "").await;
    let get = world.get(&[&surl], "").await.expect(PINNED);
    world.rm(&surl).await.expect(SUCCESS);
    world.get_status(token(&get)).await.expect(ABORTED);
    world.tidy();
}

#[tokio::test]
async fn lifetimes_are_told() {
    let world = World::new();
    let surl = world.write("f", b"x");
    for (asked, told) in [
        (String::new(), 259_200),
        (pin(0), 259_200),
        (pin(-1), 1_814_400),
        (pin(99_999_999), 1_814_400),
        (pin(100), 100),
    ] {
        let get = world.get(&[&surl], &asked).await.expect(PINNED);
        let left = number(&get, "remainingPinTime");
        assert!((told - 5..=told).contains(&left), "{asked}: {left}");
        let put = world.put(&[&world.surl("new")], &asked).await.expect(READY);
        let left = number(&put, "remainingPinLifetime");
        assert!((told - 5..=told).contains(&left), "{asked}: {left}");
        assert_eq!(number(&put, "remainingFileLifetime"), -1);
        world.abort(token(&put)).await;
    }
    let time = |seconds| format!("<desiredTotalRequestTime>{seconds}</desiredTotalRequestTime>");
    let get = world.get(&[&surl], &time(600)).await.expect(PINNED);
    assert!((590..=600).contains(&number(&get, "remainingTotalRequestTime")), "{}", get.xml);
    // Each file is tried once.
    let get = world.get(&[&surl], &time(0)).await.expect(PINNED);
    assert!(!get.xml.contains("<remainingTotalRequestTime"), "{}", get.xml);
    // The time of a request that was ready in time may pass.
    let get = world.get(&[&surl], &time(1)).await.expect(PINNED);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.get_status(token(&get)).await.expect(PINNED).code, SUCCESS);
}

#[tokio::test]
async fn time_ends_them() {
    let world = World::new();
    let (old, new, slow) = (world.write("old", b"x"), world.surl("new"), world.surl("slow"));
    let content = bytes(50_000, 9);
    let get = world.get(&[&old, &old], &pin(1)).await;
    let put = world.put_by("file", &new, &pin(1)).await.expect(READY);
    let kept = world.put(&[&slow], &pin(1)).await.expect(READY);
    let lost = world.put(&[&world.surl("lost")], &pin(1)).await.expect(READY);
    let started = Instant::now();
    let mut conn = world.half_upload(turl(&kept), &content).await;
    let mut cut = world.half_upload(turl(&lost), &content).await;
    while codes(&world.get_status(token(&get)).await) != [RELEASED, RELEASED] {
        assert!(started.elapsed() < Duration::from_millis(2500), "the pins did not end in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.get_status(token(&get)).await.code, SUCCESS);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let expired = "SRM_FILE_LIFETIME_EXPIRED";
    world.put_status(token(&put)).await.expect(expired);
    world.done(token(&put), &[&new]).await.expect(expired);
    assert!(!behind(turl(&put)).exists());
    // Those that are running are not cut.
    world.put_status(token(&kept)).await.expect(READY);
    conn.send(&content[content.len() / 2..]).await.unwrap();
    World::stored(&conn.response("PUT").await.unwrap());
    cut.send(&content[content.len() / 2..]).await.unwrap();
    World::stored(&cut.response("PUT").await.unwrap());
    world.done(token(&kept), &[&slow]).await.expect(SUCCESS);
    world.holds("slow", &content);
    // Without a srmPutDone it ends a little later.
    let end = Instant::now() + Duration::from_secs(15);
    while world.put_status(token(&lost)).await.file_code() != expired {
        assert!(Instant::now() < end, "an upload that ended keeps its put for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.http("PUT", turl(&lost), b"x").await.status, 403);
    world.tidy();
    // The names are free.
    world.put(&[&new], "").await.expect(READY);
    world.put(&[&old], ALWAYS).await.expect(READY);
}

#[tokio::test]
async fn the_first_answer_without_a_wait() {
    let world = World::with("answer_wait = \"0s\"");
    let surl = world.write("f", b"x");
    for _ in 0..5 {
        let get = world.get(&[&surl, &world.surl("none")], "").await;
        assert_eq!((get.code.as_str(), codes(&get)), (QUEUED, vec![QUEUED, QUEUED]));
        assert!(get.files[0].turl.is_none(), "{}", get.xml);
        let id = token(&get);
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let status = world.get_status(id).await;
            if status.code == PARTIAL {
                assert_eq!(codes(&status), [PINNED, INVALID_PATH]);
                break;
            }
            assert!([QUEUED, "SRM_REQUEST_INPROGRESS"].contains(&status.code.as_str()));
            assert!(Instant::now() < end, "{}", status.xml);
        }
    }
    let put = world.put(&[&world.surl("new")], "").await;
    assert_eq!((put.code.as_str(), codes(&put)), (QUEUED, vec![QUEUED]));
}

/// Clients that send a request and hang up, at every moment of its work: whatever came of it, no
/// file stays busy and nothing is half done.
#[tokio::test]
async fn clients_that_hang_up() {
    const FILES: usize = 60;
    let world = World::new();
    for round in 0..6_u64 {
        let surls: Vec<String> = (0..FILES).map(|n| world.surl(&format!("r{round}f{n}"))).collect();
        let list: Vec<&str> = surls.iter().map(String::as_str).collect();
        let inner = soap::prepare_to_put(&list, None).replace(">https<", ">file<");
        let put = world.srm("srmPrepareToPut", &inner).await;
        assert_eq!(put.code, SUCCESS, "{}", put.xml);
        for file in &put.files {
            std::fs::write(behind(file.turl.as_ref().unwrap()), "bytes").unwrap();
        }
        let id = token(&put);
        let mut conn = Conn::tls(&world.user, world.storm.ports.srm).await.unwrap();
        let body = soap::envelope("srmPutDone", &(soap::token(id) + &soap::surls(&list)));
        let headers = [("content-type", "text/xml; charset=utf-8"), ("soapaction", "\"\"")];
        let head = wire::head("POST", "/srm/managerv2", &headers, Some(body.len()));
        conn.send(format!("{head}{body}").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2 + 4 * round)).await;
        drop(conn);
        // Its work, or what is left of it, comes to an end.
        let there = |surl: &&str| world.disk(name_of(surl)).exists();
        let published = || list.iter().filter(|surl| there(surl)).count();
        let (mut before, mut left) = (usize::MAX, 100);
        let status = loop {
            let status = world.put_status(id).await;
            let mut told = status.files.iter().zip(&list);
            // What is published is told of a moment later.
            let agrees = told.all(|(file, surl)| file.code != READY || !there(surl));
            left -= 1;
            if left == 0 || (agrees && published() == before) {
                break status;
            }
            before = published();
            tokio::time::sleep(Duration::from_millis(150)).await;
        };
        for (file, surl) in status.files.iter().zip(&list) {
            let there = world.disk(name_of(surl)).exists();
            match file.code.as_str() {
                SUCCESS => assert!(there, "{surl}: done, and not there"),
                READY => assert!(!there, "{surl}: published, and told as not done"),
                other => panic!("{surl}: {other}: {}", status.xml),
            }
        }
        // None is stuck: what is not done can be done, and then be put again.
        world.done(id, &list).await;
        let again = world.put(&list, ALWAYS).await;
        assert_eq!(codes(&again), [READY; FILES]);
        assert_eq!(world.abort(token(&again)).await.code, SUCCESS);
    }
    world.tidy();
}

fn name_of(surl: &str) -> &str {
    surl.rsplit('/').next().unwrap_or_default()
}
