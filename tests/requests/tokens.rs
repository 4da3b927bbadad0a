//! Tokens: unknown, malformed, somebody else's, of the wrong kind.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::soap;
use crate::common::wire::Conn;
use crate::world::*;

#[tokio::test]
async fn tokens() {
    let world = World::new();
    let surl = world.write("f", b"x");
    let new = world.surl("new");
    let get = world.get(&[&surl], "").await.expect(PINNED);
    let put = world.put(&[&new], "").await.expect(READY);
    let operations = |token: &str, surl: &str| {
        let (token, surls) = (soap::token(token), soap::surls(&[surl]));
        [
            ("srmStatusOfPutRequest", token.clone()),
            ("srmStatusOfGetRequest", token.clone()),
            ("srmPutDone", token.clone() + &surls),
            ("srmReleaseFiles", token.clone()),
            ("srmAbortFiles", token.clone() + &surls),
            ("srmAbortRequest", token),
        ]
    };
    let unknown = "01234567-89ab-4cde-8f01-23456789abcd";
    for (operation, inner) in operations(unknown, &surl) {
        let answer = world.srm(operation, &inner).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{operation}: {}", answer.xml);
        assert!(answer.explanation.contains("No request found matching token"));
    }
    // Tokens are case-sensitive.
    let upper = token(&get).to_uppercase();
    assert_eq!(world.get_status(&upper).await.code, INVALID_REQUEST);
    for (operation, inner) in operations("nonsense", &surl) {
        let answer = world.srm(operation, &inner).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{operation}: {}", answer.xml);
        assert!(answer.explanation.contains("invalid token: nonsense"), "{}", answer.xml);
    }
    // Ownership comes before the kind: somebody else learns nothing of it.
    for mine in [&get, &put] {
        for (operation, inner) in operations(token(mine), &surl) {
            let answer = world.ask(&world.user2, operation, &inner).await;
            assert_eq!(answer.code, "SRM_AUTHORIZATION_FAILURE", "{operation}: {}", answer.xml);
            assert!(answer.files.is_empty(), "{}", answer.xml);
        }
    }
    // The same person, with another proxy.
    let plain = crate::common::wire::config(Some("rfc"), crate::common::client::Tls::Any);
    let inner = soap::token(token(&get));
    world.ask(&plain, "srmStatusOfGetRequest", &inner).await.expect(PINNED);
    // The wrong kind.
    for (operation, inner) in [
        ("srmStatusOfPutRequest", soap::token(token(&get))),
        ("srmStatusOfGetRequest", soap::token(token(&put))),
        ("srmPutDone", soap::token(token(&get)) + &soap::surls(&[&surl])),
        ("srmReleaseFiles", soap::token(token(&put))),
    ] {
        let answer = world.srm(operation, &inner).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{operation}: {}", answer.xml);
    }
    // Nothing of all that changed anything.
    world.get_status(token(&get)).await.expect(PINNED);
    world.put_status(token(&put)).await.expect(READY);
    // No SURLs where some are needed.
    for operation in ["srmPutDone", "srmAbortFiles"] {
        let answer = world.srm(operation, &soap::token(token(&put))).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{operation}: {}", answer.xml);
    }
}

const PUTS: usize = 150;

/// Who hears of a request before its own answer came finds the one that is worked on, and no copy of it
/// from the database: an abort ends it for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_only_just_coming_in() {
    let world = World::with("answer_wait = \"50ms\"");
    let port = world.storm.ports.srm;
    let surls: Vec<String> = (0..PUTS).map(|n| world.surl(&format!("f{n}"))).collect();
    let over = Arc::new(AtomicBool::new(false));
    let (user, all, done) = (Arc::clone(&world.user), surls.clone(), Arc::clone(&over));
    let putting = tokio::spawn(async move {
        let mut conn = Conn::tls(&user, port).await.unwrap();
        let mut tokens = HashSet::new();
        for surl in all {
            let inner = soap::prepare_to_put(&[surl], None);
            let answer = soap::call(&mut conn, "srmPrepareToPut", &inner).await.unwrap();
            tokens.insert(token(&answer).to_owned());
        }
        done.store(true, Ordering::Relaxed);
        tokens
    });
    let mut conn = Conn::tls(&world.user, port).await.unwrap();
    let mut aborted = HashSet::new();
    loop {
        let last = over.load(Ordering::Relaxed);
        let listed = soap::call(&mut conn, "srmGetRequestTokens", "").await.unwrap();
        let listed = listed.xml.split("<tokenArray").skip(1);
        let listed = listed.map(|xml| soap::text(xml, "requestToken").unwrap());
        for id in listed.filter(|id| !aborted.contains(id)).collect::<Vec<_>>() {
            let inner = soap::token(&id);
            let mut answer = soap::call(&mut conn, "srmAbortRequest", &inner).await.unwrap();
            while answer.explanation.contains("ask again") {
                tokio::time::sleep(Duration::from_millis(1)).await;
                answer = soap::call(&mut conn, "srmAbortRequest", &inner).await.unwrap();
            }
            assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
            aborted.insert(id);
        }
        if last {
            break;
        }
    }
    assert_eq!(putting.await.unwrap(), aborted);
    for id in &aborted {
        assert_eq!(world.put_status(id).await.code, ABORTED);
    }
    let surls: Vec<&str> = surls.iter().map(String::as_str).collect();
    let again = world.put(&surls, "").await;
    let mut status = world.put_status(token(&again)).await;
    for _ in 0..500 {
        if status.files.iter().all(|file| file.code == READY) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        status = world.put_status(token(&again)).await;
    }
    panic!("something is left of the first ones: {:?}", codes(&status));
}
