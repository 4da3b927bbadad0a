//! srmPrepareToGet and srmReleaseFiles.

use std::time::{Duration, Instant};

use crate::common::soap;
use crate::world::*;

#[tokio::test]
async fn a_get_and_its_release() {
    let world = World::new();
    let (a, b) = (world.write("a", b"aaa"), world.write("b", b"bbbb"));
    let none = world.surl("none");
    let answer = world.get(&[&a, &none, &b], "").await;
    assert_eq!(
        (answer.code.as_str(), codes(&answer)),
        (PARTIAL, vec![PINNED, INVALID_PATH, PINNED])
    );
    assert_eq!(number(&answer, "fileSize"), 3);
    let token = token(&answer);
    let read = world.http("GET", turl(&answer), b"").await;
    assert_eq!((read.status, read.body), (200, b"aaa".to_vec()));
    let released = world.release(token, &[&a]).await.expect(SUCCESS);
    assert_eq!(released.code, SUCCESS);
    let status = world.get_status(token).await;
    // The request's status stays as it was when all had their answer.
    assert_eq!(
        (status.code.as_str(), codes(&status)),
        (PARTIAL, vec![RELEASED, INVALID_PATH, PINNED])
    );
    assert!(status.files[0].turl.is_none() && status.files[2].turl.is_some(), "{}", status.xml);
    assert_eq!(world.http("GET", turl(&answer), b"").await.status, 403);
    // Again is fine; what is not pinned is not.
    world.release(token, &[&a]).await.expect(SUCCESS);
    world.release(token, &[&none]).await.expect(INVALID_PATH);
    let strange = world.surl("strange");
    let all = world.release(token, &[&strange, &b]).await;
    assert_eq!((all.code.as_str(), codes(&all)), (PARTIAL, vec![INVALID_PATH, SUCCESS]));
    let all = world.release(token, &[]).await;
    assert_eq!((all.code.as_str(), codes(&all)), (PARTIAL, vec![SUCCESS, INVALID_PATH, SUCCESS]));
    assert_eq!(world.get_status(token).await.code, PARTIAL);
}

#[tokio::test]
async fn release_without_a_token() {
    let world = World::new();
    let surl = world.write("f", b"x");
    let first = world.get(&[&surl], "").await.expect(PINNED);
    let second = world.get(&[&surl], "").await.expect(PINNED);
    let other = world.ask(&world.user2, "srmPrepareToGet", &soap::prepare_to_get(&[&surl])).await;
    let none = world.surl("none");
    let released = world.srm("srmReleaseFiles", &soap::surls(&[&none, &surl])).await;
    assert_eq!((released.code.as_str(), codes(&released)), (PARTIAL, vec![INVALID_PATH, SUCCESS]));
    for mine in [&first, &second] {
        world.get_status(token(mine)).await.expect(RELEASED);
    }
    let theirs = soap::token(token(&other));
    world.ask(&world.user2, "srmStatusOfGetRequest", &theirs).await.expect(PINNED);
    world.srm("srmReleaseFiles", &soap::surls(&[&surl])).await.expect(INVALID_PATH);
    assert_eq!(world.srm("srmReleaseFiles", "").await.code, INVALID_REQUEST);
    let remove = soap::surls(&[&surl]) + "<doRemove>true</doRemove>";
    assert_eq!(world.srm("srmReleaseFiles", &remove).await.code, NOT_SUPPORTED);
    let put = world.put(&[&world.surl("p")], "").await.expect(READY);
    assert_eq!(world.release(token(&put), &[]).await.code, INVALID_REQUEST);
}

#[tokio::test]
async fn one_surl_many_times() {
    let world = World::new();
    let surl = world.write("f", b"x");
    let other_form = world.storm.surl_sfn("/test.vo/f");
    let get = world.get(&[&surl, &other_form, &surl], "").await;
    assert_eq!(codes(&get), [PINNED; 3]);
    let written: Vec<&str> = get.files.iter().map(|f| f.surl.as_str()).collect();
    assert_eq!(written, [&surl, &other_form, &surl]);
    // Releasing a SURL releases every pin of the request on it as it was written.
    world.release(token(&get), &[&surl]).await.expect(SUCCESS);
    assert_eq!(codes(&world.get_status(token(&get)).await), [RELEASED, PINNED, RELEASED]);
    let aborted = world.abort_files(token(&get), &[&other_form, &other_form]).await;
    assert_eq!(codes(&aborted), [SUCCESS, SUCCESS]);

    // Of several puts on one file one is taken, and done by its SURL.
    let new = world.surl("new");
    let put = world.put(&[new.as_str(); 3], "").await;
    assert_eq!(put.code, PARTIAL);
    assert_eq!(codes(&put).iter().filter(|c| **c == READY).count(), 1, "{}", put.xml);
    assert_eq!(codes(&put).iter().filter(|c| **c == DUPLICATION).count(), 2, "{}", put.xml);
    let subset = soap::token(token(&put));
    let subset = subset + &soap::surls(&[&new]).replace("arrayOfSURLs", "arrayOfTargetSURLs");
    world.srm("srmStatusOfPutRequest", &subset).await.expect(READY);
    world.done(token(&put), &[&new]).await.expect(SUCCESS);
    assert!(world.disk("new").exists());
}

#[tokio::test]
async fn many_copies_of_one_put_in_two_batches() {
    let world = World::new();
    // The copy that wins may be one of the second worker's.
    let new = world.surl("new");
    let put = world.put(&[new.as_str(); 600], "").await;
    assert_eq!(codes(&put).iter().filter(|c| **c == READY).count(), 1);
    world.done(token(&put), &[&new]).await.expect(SUCCESS);
    world.tidy();
}

#[tokio::test]
async fn subsets_and_order() {
    let world = World::new();
    let (a, b) = (world.write("a", b"a"), world.write("b", b"b"));
    let (strange, none) = (world.surl("strange"), world.surl("none"));
    let get = world.get(&[&b, &none, &a], "").await;
    let listed: Vec<&str> = get.files.iter().map(|f| f.surl.as_str()).collect();
    assert_eq!(listed, [&b, &none, &a]);
    let other_form = world.storm.surl_sfn("/test.vo/./b");
    let asked = [a.as_str(), strange.as_str(), other_form.as_str()];
    let inner = soap::surls(&asked).replace("arrayOfSURLs", "arrayOfSourceSURLs");
    let status = world.srm("srmStatusOfGetRequest", &(soap::token(token(&get)) + &inner)).await;
    // The request's status is that of the whole request.
    assert_eq!(
        (status.code.as_str(), codes(&status)),
        (PARTIAL, vec![PINNED, INVALID_PATH, PINNED])
    );
    let listed: Vec<&str> = status.files.iter().map(|f| f.surl.as_str()).collect();
    assert_eq!(listed, asked);
    assert!(status.files.iter().all(|f| !f.explanation.is_empty()), "{}", status.xml);
}

#[tokio::test]
async fn protocols() {
    let world = World::new();
    let mine = world.write("f", b"x");
    std::fs::write(world.storm.root("open").join("f"), b"x").unwrap();
    let open = world.storm.surl("/open/f");
    let ask = |surl: &str, protocols: &[&str]| {
        let list: String =
            protocols.iter().map(|p| format!("<stringArray>{p}</stringArray>")).collect();
        let inner = soap::prepare_to_get(&[surl]);
        inner.replace("<stringArray>https</stringArray>", &list)
    };
    for (surl, protocols, scheme) in [
        (&open, &["http", "https"][..], "http://"),
        (&open, &["https", "http"], "https://"),
        (&mine, &["http", "https"], "https://"),
        (&mine, &["nonsense", "gsiftp", "file", "https"], "file:///"),
        (&mine, &[], "https://"),
        (&open, &[], "https://"),
    ] {
        let answer = world.srm("srmPrepareToGet", &ask(surl, protocols)).await.expect(PINNED);
        assert!(turl(&answer).starts_with(scheme), "{protocols:?}: {}", answer.xml);
    }
    // Of known ones none is offered here: told when the files were looked at.
    for protocols in [&["gsiftp"][..], &["root", "rfio"], &["http"]] {
        let answer = world.srm("srmPrepareToGet", &ask(&mine, protocols)).await;
        assert_eq!((answer.code.as_str(), codes(&answer)), (NOT_SUPPORTED, vec![NOT_SUPPORTED]));
        let put = soap::prepare_to_put(&[world.surl("new")], None);
        let put = put.replace(">https<", &format!(">{}<", protocols[0]));
        assert_eq!(world.srm("srmPrepareToPut", &put).await.code, NOT_SUPPORTED);
    }
    let answer = world.srm("srmPrepareToGet", &ask(&mine, &["x", "y"])).await;
    assert_eq!(answer.code, NOT_SUPPORTED);
    assert!(answer.explanation.contains("No supported protocols provided"), "{}", answer.xml);
    // Writing is not open to everybody anywhere.
    let put = soap::prepare_to_put(&[world.storm.surl("/open/new")], None);
    let put = put.replace(">https<", ">http</stringArray><stringArray>https<");
    let answer = world.srm("srmPrepareToPut", &put).await.expect(READY);
    assert!(turl(&answer).starts_with("https://"), "{}", answer.xml);
}

#[tokio::test]
async fn refused_gets() {
    let world = World::new();
    std::fs::create_dir(world.disk("dir")).unwrap();
    let surl = world.write("f", b"x");
    world.get(&[&world.surl("dir")], "").await.expect(INVALID_PATH);
    world.get(&["srm://elsewhere.example/test.vo/f"], "").await.expect(INVALID_PATH);
    world.get(&["nonsense"], "").await.expect(INVALID_PATH);
    world.get(&[&world.storm.surl("/nowhere/f")], "").await.expect(INVALID_PATH);
    world.get(&[&world.storm.surl("/closed/f")], "").await.expect("SRM_AUTHORIZATION_FAILURE");
    assert_eq!(world.srm("srmPrepareToGet", "").await.code, INVALID_REQUEST);
    let late = "<desiredTotalRequestTime>-5</desiredTotalRequestTime>";
    assert_eq!(world.get(&[&surl], late).await.code, INVALID_REQUEST);
    let plain = soap::prepare_to_get(&[&surl]).replace(
        "</sourceSURL>",
        "</sourceSURL><dirOption><isSourceADirectory>false</isSourceADirectory></dirOption>",
    );
    world.srm("srmPrepareToGet", &plain).await.expect(PINNED);
}

/// One SURL as often as a request takes it, asked for as often: what that costs is a list, not its
/// square.
#[tokio::test]
async fn one_surl_without_end() {
    let world = World::new();
    let surl = world.write("f", b"x");
    let before = world.storm.memory();
    let same = vec![surl.clone(); 10_000];
    let spelled: Vec<String> =
        (0..10_000).map(|n| world.surl(&format!("{}f", "./".repeat(n % 100 + 1)))).collect();
    let asked = |surls: &[String]| soap::surls(surls).replace("arrayOfSURLs", "arrayOfSourceSURLs");
    let get = world.srm("srmPrepareToGet", &soap::prepare_to_get(&same)).await;
    assert_eq!(get.files.len(), 10_000, "{:.500}", get.xml);
    while world.get_status(token(&get)).await.code != SUCCESS {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let token = soap::token(token(&get));
    let started = Instant::now();
    for surls in [&same, &spelled] {
        let status = world.srm("srmStatusOfGetRequest", &(token.clone() + &asked(surls))).await;
        assert_eq!(status.files.len(), 10_000, "{:.500}", status.xml);
        assert!(status.files.iter().all(|file| file.code != INVALID_PATH));
    }
    let many = asked(&vec![surl; 10_001]);
    let refused = world.srm("srmStatusOfGetRequest", &(token.clone() + &many)).await;
    assert_eq!((refused.code.as_str(), refused.files.len()), (INVALID_REQUEST, 0));
    let tokens = token.replace("requestToken", "stringArray").repeat(10_000);
    let tokens = format!("<arrayOfRequestTokens>{tokens}</arrayOfRequestTokens>");
    let summary = world.srm("srmGetRequestSummary", &tokens).await;
    assert_eq!(summary.code, SUCCESS, "{:.500}", summary.xml);
    // With the token, and without: all of the pins, by each of the names.
    for (of, surls) in [("", &spelled), (token.as_str(), &same)] {
        let inner = of.to_owned() + &soap::surls(surls);
        let released = world.srm("srmReleaseFiles", &inner).await;
        assert_eq!((released.code.as_str(), released.files.len()), (SUCCESS, 10_000));
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let grown = world.storm.memory().saturating_sub(before);
    assert!(grown < 400_000_000, "memory grew by {grown} bytes");
}
