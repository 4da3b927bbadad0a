//! srmExtendFileLifeTime.

use crate::common::soap;
use crate::world::*;

const EXPIRED: &str = "SRM_FILE_LIFETIME_EXPIRED";

fn short(seconds: i64) -> String {
    format!("<desiredPinLifeTime>{seconds}</desiredPinLifeTime>")
}

impl World {
    async fn extend(&self, token: &str, surls: &[&str], seconds: i64) -> soap::Answer {
        let pin = format!("<newPinLifeTime>{seconds}</newPinLifeTime>");
        let inner = soap::token(token) + &soap::surls(surls) + &pin;
        self.srm("srmExtendFileLifeTime", &inner).await
    }
}

#[tokio::test]
async fn pins_are_extended_and_never_shortened() {
    let mut world = World::new();
    let (a, b, new) = (world.write("a", b"a"), world.write("b", b"b"), world.surl("new"));
    let get = world.get(&[&a, &b], &short(100)).await;
    let put = world.put(&[&new], &short(100)).await;
    let brought = world.bring(&[&a], "<desiredLifeTime>100</desiredLifeTime>").await;
    for (request, surl) in [(&get, &a), (&put, &new), (&brought, &a)] {
        for (asked, granted) in [(50, 100), (1000, 1000), (500, 1000)] {
            let extended = world.extend(token(request), &[surl], asked).await.expect(SUCCESS);
            let left = number(&extended, "pinLifetime");
            assert!((granted - 10..=granted).contains(&left), "{asked}: {}", extended.xml);
        }
    }
    // What was acknowledged outlives a kill; the other file of the request was left alone.
    world.storm.kill9();
    world.storm.restart();
    let left = |answer: &soap::Answer, element| number(answer, element);
    let status = world.get_status(token(&get)).await;
    assert!((950..=1000).contains(&left(&status, "remainingPinTime")), "{}", status.xml);
    let other = status.xml.rsplit_once("<remainingPinTime").unwrap().1;
    assert!(soap::text(&format!("<x{other}"), "x").is_some_and(|t| t.len() < 4), "{other}");
    let status = world.put_status(token(&put)).await;
    assert!((950..=1000).contains(&left(&status, "remainingPinLifetime")), "{}", status.xml);
    let status = world.bring_status(token(&brought)).await;
    assert!((950..=1000).contains(&left(&status, "remainingPinTime")), "{}", status.xml);
    // Never longer than the site grants.
    for asked in [-1, 99_999_999] {
        let extended = world.extend(token(&get), &[&a], asked).await.expect(SUCCESS);
        let left = left(&extended, "pinLifetime");
        assert!((1_814_300..=1_814_400).contains(&left), "{}", extended.xml);
    }
}

#[tokio::test]
async fn what_is_not_held_is_not_extended() {
    let world = World::new();
    let (a, b) = (world.write("a", b"a"), world.write("b", b"b"));
    let (none, strange) = (world.surl("none"), world.surl("strange"));
    let get = world.get(&[&a, &b, &none], "").await;
    world.release(token(&get), &[&b]).await;
    let extended = world.extend(token(&get), &[&a, &b, &none, &strange], 1000).await;
    assert_eq!(
        (extended.code.as_str(), codes(&extended)),
        (PARTIAL, vec![SUCCESS, RELEASED, INVALID_REQUEST, INVALID_PATH])
    );
    world.abort_files(token(&get), &[&a]).await;
    let extended = world.extend(token(&get), &[&a, &b], 1000).await;
    assert_eq!((extended.code.as_str(), codes(&extended)), (FAILURE, vec![ABORTED, RELEASED]));
    let (done, late) = (world.surl("done"), world.surl("late"));
    let put = world.put(&[&done], "").await;
    world.done(token(&put), &[&done]).await.expect(SUCCESS);
    world.extend(token(&put), &[&done], 1000).await.expect(INVALID_REQUEST);
    let put = world.put(&[&late], &short(1)).await.expect(READY);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while world.put_status(token(&put)).await.file_code() != EXPIRED {
        assert!(std::time::Instant::now() < end);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    world.extend(token(&put), &[&late], 1000).await.expect(EXPIRED);
    // Not ready yet.
    let later = "<deferredStartTime>1000</deferredStartTime>";
    let brought = world.bring(&[&b], later).await.expect(QUEUED);
    world.extend(token(&brought), &[&b], 1000).await.expect(INVALID_REQUEST);
}

#[tokio::test]
async fn calls_that_make_no_sense() {
    let world = World::new();
    let (a, none) = (world.write("a", b"a"), world.surl("none"));
    let get = world.get(&[&a], "").await;
    let id = soap::token(token(&get));
    let surls = soap::surls(&[&a]);
    let (file, pin) =
        ("<newFileLifeTime>100</newFileLifeTime>", "<newPinLifeTime>100</newPinLifeTime>");
    for inner in [
        id.clone() + &surls,
        id.clone() + &surls + file + pin,
        id.clone() + &surls + file,
        surls.clone() + pin,
        surls.clone() + file + pin,
        surls.clone(),
        id.clone() + pin,
        soap::token("01234567-89ab-4cde-8f01-23456789abcd") + &surls + pin,
    ] {
        let answer = world.srm("srmExtendFileLifeTime", &inner).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{inner}: {}", answer.xml);
        assert!(!answer.explanation.is_empty() && answer.files.is_empty(), "{}", answer.xml);
    }
    let inner = id + &surls + pin;
    let foreign = world.ask(&world.user2, "srmExtendFileLifeTime", &inner).await;
    assert_eq!(foreign.code, "SRM_AUTHORIZATION_FAILURE");
    let nobody = crate::common::wire::config(None, crate::common::client::Tls::Any);
    let nobody = world.ask(&nobody, "srmExtendFileLifeTime", &inner).await;
    assert_eq!(nobody.code, "SRM_AUTHENTICATION_FAILURE");
    // The lifetime of files: permanent ones have none.
    let new = world.surl("new");
    world.put(&[&new], "").await.expect(READY);
    let closed = world.storm.surl("/closed/f");
    let inner = soap::surls(&[&a, &new, &none, &closed]) + file;
    let answer = world.srm("srmExtendFileLifeTime", &inner).await;
    let denied = "SRM_AUTHORIZATION_FAILURE";
    assert_eq!(
        (answer.code.as_str(), codes(&answer)),
        (PARTIAL, vec![SUCCESS, BUSY, INVALID_PATH, denied])
    );
    assert_eq!(number(&answer, "fileLifetime"), -1);
}

#[tokio::test]
async fn a_request_whose_time_is_over() {
    let world = World::new();
    let a = world.write("a", b"a");
    let more = "<desiredTotalRequestTime>2</desiredTotalRequestTime>\
         <deferredStartTime>1</deferredStartTime>";
    let brought = world.bring(&[&a], more).await;
    let id = soap::token(token(&brought));
    assert_eq!(world.srm("srmSuspendRequest", &id).await.code, SUCCESS);
    let status = world.bring_status(token(&brought)).await.expect("SRM_REQUEST_SUSPENDED");
    assert_eq!(status.code, "SRM_REQUEST_SUSPENDED");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while world.bring_status(token(&brought)).await.code != "SRM_REQUEST_TIMED_OUT" {
        assert!(std::time::Instant::now() < end, "a suspended request does not time out");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    world.bring_status(token(&brought)).await.expect(FAILURE);
    let extended = world.extend(token(&brought), &[&a], 100).await;
    assert_eq!(extended.code, "SRM_REQUEST_TIMED_OUT", "{}", extended.xml);
    assert_eq!(world.srm("srmResumeRequest", &id).await.code, INVALID_REQUEST);
}
