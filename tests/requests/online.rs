//! srmBringOnline and its status, on disk: online at once, pinned for a while.

use std::time::{Duration, Instant};

use crate::common::soap;
use crate::world::*;

fn bring<S: AsRef<str>>(surls: &[S], more: &str) -> String {
    // The list of protocols is ignored, also where nobody knows one of them.
    soap::prepare_to_get(surls).replace(">https<", ">nonsense<") + more
}

impl World {
    pub async fn bring(&self, surls: &[&str], more: &str) -> soap::Answer {
        self.srm("srmBringOnline", &bring(surls, more)).await
    }

    pub async fn bring_status(&self, token: &str) -> soap::Answer {
        self.srm("srmStatusOfBringOnlineRequest", &soap::token(token)).await
    }
}

fn deferred(seconds: i64) -> String {
    format!("<deferredStartTime>{seconds}</deferredStartTime>")
}

fn life(seconds: i64) -> String {
    format!("<desiredLifeTime>{seconds}</desiredLifeTime>")
}

#[tokio::test]
async fn brought_released_and_aborted() {
    let world = World::new();
    let (a, none) = (world.write("a", b"aaa"), world.surl("none"));
    std::fs::create_dir(world.disk("d")).unwrap();
    let directory = world.surl("d");
    let brought = world.bring(&[&a, &none, &directory], &life(100)).await;
    assert_eq!(
        (brought.code.as_str(), codes(&brought)),
        (PARTIAL, vec![SUCCESS, INVALID_PATH, INVALID_PATH])
    );
    assert_eq!(number(&brought, "fileSize"), 3);
    assert!((95..=100).contains(&number(&brought, "remainingPinTime")), "{}", brought.xml);
    assert!(!brought.xml.contains("<transferURL"), "{}", brought.xml);
    let id = token(&brought);
    let status = world.bring_status(id).await;
    assert_eq!(
        (status.code.as_str(), codes(&status)),
        (PARTIAL, vec![SUCCESS, INVALID_PATH, INVALID_PATH])
    );
    // It opens no TURL.
    let turl = world.storm.url("/fileTransfer/test.vo/a");
    assert_eq!(world.http("GET", &turl, b"").await.status, 403);
    // And keeps the file as the pin of a get does.
    world.put(&[&a], ALWAYS).await.expect(BUSY);
    let to = world.surl("b");
    let mv = format!("<fromSURL>{a}</fromSURL><toSURL>{to}</toSURL>");
    assert_eq!(world.srm("srmMv", &mv).await.code, BUSY);
    world.release(id, &[&a]).await.expect(SUCCESS);
    assert_eq!(world.bring_status(id).await.expect(RELEASED).code, PARTIAL);
    world.release(id, &[&a]).await.expect(SUCCESS);
    // Without a token, and file by file.
    let brought = world.bring(&[&a], "").await.expect(SUCCESS);
    world.srm("srmReleaseFiles", &soap::surls(&[&a])).await.expect(SUCCESS);
    world.bring_status(token(&brought)).await.expect(RELEASED);
    let brought = world.bring(&[&a, &a], "").await.expect(SUCCESS);
    world.abort_files(token(&brought), &[&a]).await.expect(SUCCESS);
    let status = world.bring_status(token(&brought)).await;
    assert_eq!((status.code.as_str(), codes(&status)), (SUCCESS, vec![ABORTED; 2]));
    let brought = world.bring(&[&a], "").await.expect(SUCCESS);
    assert_eq!(world.abort(token(&brought)).await.code, SUCCESS);
    assert_eq!(world.bring_status(token(&brought)).await.expect(ABORTED).code, ABORTED);
    let brought = world.bring(&[&a], "").await.expect(SUCCESS);
    world.rm(&a).await.expect(SUCCESS);
    world.bring_status(token(&brought)).await.expect(ABORTED);
    let put = world.put(&[&a], "").await.expect(READY);
    world.bring(&[&a], "").await.expect(BUSY);
    world.abort(token(&put)).await;
    // The token is of one kind.
    assert_eq!(world.get_status(token(&brought)).await.code, INVALID_REQUEST);
    let foreign = soap::token(token(&brought));
    let foreign = world.ask(&world.user2, "srmStatusOfBringOnlineRequest", &foreign).await;
    assert_eq!(foreign.code, "SRM_AUTHORIZATION_FAILURE");
    let nobody = crate::common::wire::config(None, crate::common::client::Tls::Any);
    for (operation, inner) in [
        ("srmBringOnline", bring(&[&a], "")),
        ("srmStatusOfBringOnlineRequest", soap::token(token(&brought))),
    ] {
        let answer = world.ask(&nobody, operation, &inner).await;
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{operation}");
    }
    let space = "<targetSpaceToken>no-such-token</targetSpaceToken>";
    assert_eq!(world.bring(&[&a], space).await.code, INVALID_REQUEST);
    assert_eq!(world.bring(&[&world.surl("none")], "").await.expect(INVALID_PATH).code, FAILURE);
    let closed = world.storm.surl("/closed/f");
    world.bring(&[&closed], "").await.expect("SRM_AUTHORIZATION_FAILURE");
}

#[tokio::test]
async fn a_start_that_is_put_off() {
    let mut world = World::with("[workers]\nbring_online = { threads = 1, queue = 8 }");
    let file = world.write("f", b"f");
    for (more, code) in [
        (deferred(-1), INVALID_REQUEST),
        (deferred(99_999_999), INVALID_REQUEST),
        (deferred(60) + "<desiredTotalRequestTime>60</desiredTotalRequestTime>", INVALID_REQUEST),
        ("<desiredTotalRequestTime>-1</desiredTotalRequestTime>".to_owned(), INVALID_REQUEST),
    ] {
        let refused = world.bring(&[&file], &more).await;
        assert_eq!(refused.code, code, "{more}: {}", refused.xml);
    }
    let started = Instant::now();
    let soon = world.bring(&[&file, &file], &deferred(4)).await;
    assert!(started.elapsed() < Duration::from_millis(900), "it is of no use to wait");
    assert_eq!((soon.code.as_str(), codes(&soon)), (QUEUED, vec![QUEUED; 2]));
    assert!((3..=4).contains(&number(&soon, "remainingDeferredStartTime")), "{}", soon.xml);
    let never = world.bring(&[&file], &deferred(1000)).await.expect(QUEUED);
    let aborted = world.bring(&[&file], &deferred(1000)).await.expect(QUEUED);
    assert_eq!(world.abort(token(&aborted)).await.code, SUCCESS);
    world.bring_status(token(&aborted)).await.expect(ABORTED);
    let released = world.bring(&[&file], &deferred(1000)).await.expect(QUEUED);
    world.release(token(&released), &[]).await.expect(ABORTED);
    let late = "<desiredTotalRequestTime>1</desiredTotalRequestTime>";
    let suspended = world.bring(&[&file], &(deferred(1000) + &late.replace('1', "1001"))).await;
    let id = soap::token(token(&suspended));
    assert_eq!(world.srm("srmSuspendRequest", &id).await.code, SUCCESS);
    assert_eq!(world.srm("srmResumeRequest", &id).await.code, SUCCESS);
    world.bring_status(token(&suspended)).await.expect(QUEUED);
    // Others are not held up.
    world.bring(&[&file], "").await.expect(SUCCESS);
    world.storm.kill9();
    world.storm.restart();
    for waiting in [&soon, &never] {
        world.bring_status(token(waiting)).await.expect(QUEUED);
    }
    let end = Instant::now() + Duration::from_secs(10);
    while world.bring_status(token(&soon)).await.code != SUCCESS {
        assert!(Instant::now() < end, "it does not begin");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(started.elapsed() >= Duration::from_millis(3900), "it began too soon");
    assert_eq!(number(&world.bring_status(token(&soon)).await, "remainingDeferredStartTime"), 0);
    world.bring_status(token(&never)).await.expect(QUEUED);
    assert_eq!(world.abort(token(&never)).await.code, SUCCESS);
}

#[tokio::test]
async fn what_is_suspended_does_not_wait_for_ever() {
    let mut world = World::with(
        "[lifetimes]\npin_default = \"2s\"\npin_maximum = \"3s\"\nrequest_kept = \"1h\"",
    );
    let file = world.write("f", b"f");
    let waiting = world.bring(&[&file], &deferred(1)).await.expect(QUEUED);
    let goes_on = world.bring(&[&file], &deferred(1)).await.expect(QUEUED);
    let started = Instant::now();
    for request in [&waiting, &goes_on] {
        let id = soap::token(token(request));
        assert_eq!(world.srm("srmSuspendRequest", &id).await.code, SUCCESS);
    }
    let id = soap::token(token(&goes_on));
    assert_eq!(world.srm("srmResumeRequest", &id).await.code, SUCCESS);
    world.storm.kill9();
    world.storm.restart();
    let ended = loop {
        let status = world.bring_status(token(&waiting)).await;
        if status.code != "SRM_REQUEST_SUSPENDED" {
            break status;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{}", status.xml);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(started.elapsed() >= Duration::from_secs(3), "it ended too soon");
    let codes = (ended.code.as_str(), ended.file_code());
    assert_eq!(codes, ("SRM_REQUEST_TIMED_OUT", FAILURE), "{}", ended.xml);
    assert!(ended.file_explanation().contains("suspended for longer"), "{}", ended.xml);
    let status = world.bring_status(token(&goes_on)).await;
    assert!([SUCCESS, RELEASED].contains(&status.file_code()), "{}", status.xml);
}

#[tokio::test]
async fn pins_end_and_outlive_a_kill() {
    let mut world = World::new();
    let file = world.write("f", b"f");
    let long = world.bring(&[&file], &life(-1)).await.expect(SUCCESS);
    let short = world.bring(&[&file], &life(2)).await.expect(SUCCESS);
    let started = Instant::now();
    world.storm.kill9();
    world.storm.restart();
    world.bring_status(token(&long)).await.expect(SUCCESS);
    world.put(&[&file], ALWAYS).await.expect(BUSY);
    while world.bring_status(token(&short)).await.file_code() != RELEASED {
        assert!(started.elapsed() < Duration::from_secs(10), "the pin does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(started.elapsed() >= Duration::from_millis(1900), "the pin ended too soon");
    assert_eq!(world.bring_status(token(&short)).await.code, SUCCESS);
    world.release(token(&long), &[]).await.expect(SUCCESS);
    world.put(&[&file], ALWAYS).await.expect(READY);
}
