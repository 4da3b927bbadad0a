//! srmGetRequestSummary, srmGetRequestTokens, srmSuspendRequest and srmResumeRequest.

use std::time::{Duration, Instant};

use crate::common::soap;
use crate::world::*;

const SUSPENDED: &str = "SRM_REQUEST_SUSPENDED";
const UNKNOWN: &str = "01234567-89ab-4cde-8f01-23456789abcd";

fn tokens<S: AsRef<str>>(tokens: &[S]) -> String {
    let list: String =
        tokens.iter().map(|t| format!("<stringArray>{}</stringArray>", t.as_ref())).collect();
    format!("<arrayOfRequestTokens>{list}</arrayOfRequestTokens>")
}

fn described(text: &str) -> String {
    format!("<userRequestDescription>{text}</userRequestDescription>")
}

/// Code, type, and how many files in all, completed, waiting, failed.
fn summaries(answer: &soap::Answer) -> Vec<(String, Option<String>, [Option<String>; 4])> {
    let items = answer.xml.split("<summaryArray").skip(1);
    let one = |xml: &str| {
        let text = |name| soap::text(xml, name);
        let counts = [
            "totalNumFilesInRequest",
            "numOfCompletedFiles",
            "numOfWaitingFiles",
            "numOfFailedFiles",
        ];
        (text("statusCode").unwrap(), text("requestType"), counts.map(text))
    };
    items.map(one).collect()
}

/// Longer than any path is written, or than what describes something.
#[tokio::test]
async fn texts_that_are_too_long() {
    let world = World::new();
    let a = world.write("a", b"a");
    let long = |bytes: usize| format!("{a}{}", "x".repeat(bytes - a.len()));
    let most = 3 * 4096 + 512;
    world.get(&[&a, &long(most)], "").await.expect(PINNED);
    for refused in [
        world.get(&[&a, &long(most + 1)], "").await,
        world.put(&[&long(most + 1)], "").await,
        world.get(&[&a], &described(&"x".repeat(1025))).await,
    ] {
        assert_eq!((refused.code.as_str(), refused.files.len()), (INVALID_REQUEST, 0));
        assert!(refused.explanation.contains(" bytes: "), "{}", refused.xml);
    }
    world.get(&[&a], &described(&"x".repeat(1024))).await.expect(PINNED);
}

fn counted(counts: [u32; 4]) -> [Option<String>; 4] {
    counts.map(|n| Some(n.to_string()))
}

#[tokio::test]
async fn summaries_of_requests() {
    let mut world = World::new();
    let (a, none) = (world.write("a", b"a"), world.surl("none"));
    let get = world.get(&[&a, &none], "").await;
    let put = world.put(&[&world.surl("new")], "").await;
    let aborted = world.put(&[&world.surl("gone")], "").await;
    world.abort(token(&aborted)).await;
    let later = "<deferredStartTime>1000</deferredStartTime>";
    let brought = world.bring(&[&a, &a], later).await;
    let all = [token(&get), token(&put), token(&aborted), token(&brought)];
    let expected = vec![
        (PARTIAL.to_owned(), Some("PREPARE_TO_GET".to_owned()), counted([2, 1, 0, 1])),
        (SUCCESS.to_owned(), Some("PREPARE_TO_PUT".to_owned()), counted([1, 1, 0, 0])),
        (ABORTED.to_owned(), Some("PREPARE_TO_PUT".to_owned()), counted([1, 0, 0, 1])),
        (QUEUED.to_owned(), Some("BRING_ONLINE".to_owned()), counted([2, 0, 2, 0])),
    ];
    // From memory, and from the store.
    for _ in 0..2 {
        let answer = world.srm("srmGetRequestSummary", &tokens(&all)).await;
        assert_eq!((answer.code.as_str(), summaries(&answer)), (SUCCESS, expected.clone()));
        world.storm.kill9();
        world.storm.restart();
    }
    let some = world.srm("srmGetRequestSummary", &tokens(&[UNKNOWN, all[0], "x"])).await;
    assert_eq!(some.code, PARTIAL);
    let codes: Vec<String> = summaries(&some).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, [INVALID_REQUEST, PARTIAL, INVALID_REQUEST]);
    let foreign = world.ask(&world.user2, "srmGetRequestSummary", &tokens(&all)).await;
    assert_eq!(foreign.code, FAILURE);
    for (code, kind, counts) in summaries(&foreign) {
        assert_eq!(code, "SRM_AUTHORIZATION_FAILURE");
        assert_eq!((kind, counts), (None, [const { None }; 4]), "{}", foreign.xml);
    }
    assert_eq!(world.srm("srmGetRequestSummary", "").await.code, INVALID_REQUEST);
    let many = tokens(&vec![UNKNOWN; 10_001]);
    assert_eq!(world.srm("srmGetRequestSummary", &many).await.code, INVALID_REQUEST);
    let nobody = crate::common::wire::config(None, crate::common::client::Tls::Any);
    for (operation, inner) in
        [("srmGetRequestSummary", tokens(&all)), ("srmGetRequestTokens", String::new())]
    {
        let answer = world.ask(&nobody, operation, &inner).await;
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE");
    }
}

#[tokio::test]
async fn tokens_of_a_user() {
    let world = World::with("[limits]\nfiles_per_request = 5");
    let a = world.write("a", b"a");
    let listed = |answer: &soap::Answer| -> Vec<String> {
        let items = answer.xml.split("<tokenArray").skip(1);
        items.map(|xml| soap::text(xml, "requestToken").unwrap()).collect()
    };
    let ask = async |inner: &str| world.srm("srmGetRequestTokens", inner).await;
    assert_eq!(ask("").await.code, INVALID_REQUEST);
    let mut mine = Vec::new();
    for n in 0..4 {
        let more = if n % 2 == 0 { described("run 7") } else { String::new() };
        mine.insert(0, token(&world.get(&[&a], &more).await).to_owned());
    }
    let inner = soap::prepare_to_get(&[&a]) + &described("run 7");
    world.ask(&world.user2, "srmPrepareToGet", &inner).await;
    let answer = ask("").await;
    assert_eq!((answer.code.as_str(), listed(&answer)), (SUCCESS, mine.clone()));
    let created = soap::text(&answer.xml, "createdAtTime").unwrap();
    assert!(created.starts_with("20") && created.ends_with('Z'), "{created}");
    let answer = ask(&described("run 7")).await;
    let expected = vec![mine[1].clone(), mine[3].clone()];
    assert_eq!((answer.code.as_str(), listed(&answer)), (SUCCESS, expected));
    assert_eq!(ask(&described("Run 7")).await.code, INVALID_REQUEST);
    for _ in 0..2 {
        mine.insert(0, token(&world.get(&[&a], "").await).to_owned());
    }
    let answer = ask("").await;
    assert_eq!(answer.code, "SRM_TOO_MANY_RESULTS", "{}", answer.xml);
    assert_eq!(listed(&answer), mine[..5]);
}

/// One that waits behind others until it is suspended.
async fn suspended(world: &World, file: &str) -> soap::Answer {
    let none: Vec<String> = (0..10_000).map(|n| world.surl(&format!("none{n}"))).collect();
    let before = soap::prepare_to_get(&none);
    // Its ACL takes a worker: by https it would be ready at once.
    let inner = soap::prepare_to_get(&[file, file]);
    let inner = inner.replace("<stringArray>https<", "<stringArray>file<");
    for _ in 0..20 {
        world.srm("srmPrepareToGet", &before).await;
        let get = world.srm("srmPrepareToGet", &inner).await;
        let id = soap::token(token(&get));
        if world.srm("srmSuspendRequest", &id).await.code == SUCCESS {
            return get;
        }
    }
    panic!("no request waited long enough to be suspended");
}

#[tokio::test]
async fn what_waits_is_suspended() {
    let mut world =
        World::with("answer_wait = \"0s\"\n[workers]\nget = { threads = 1, queue = 50000 }");
    let file = world.write("f", b"f");
    let until = async |world: &World, token: &str, code: &str| {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let status = world.get_status(token).await;
            if status.code == code {
                return status;
            }
            assert!(Instant::now() < end, "not {code}: {}", status.xml);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let get = suspended(&world, &file).await;
    let kept = suspended(&world, &file).await;
    let (id, kept_id) = (soap::token(token(&get)), soap::token(token(&kept)));
    // A later one is ready long before.
    let later = world.get(&[&file], "").await;
    until(&world, token(&later), SUCCESS).await;
    for waiting in [&get, &kept] {
        let status = world.get_status(token(waiting)).await;
        assert_eq!((status.code.as_str(), codes(&status)), (SUSPENDED, vec![SUSPENDED; 2]));
    }
    assert_eq!(world.srm("srmSuspendRequest", &id).await.code, SUCCESS, "twice is fine");
    let foreign = world.ask(&world.user2, "srmSuspendRequest", &id).await;
    assert_eq!(foreign.code, "SRM_AUTHORIZATION_FAILURE");
    let foreign = world.ask(&world.user2, "srmResumeRequest", &id).await;
    assert_eq!(foreign.code, "SRM_AUTHORIZATION_FAILURE");
    assert_eq!(world.srm("srmResumeRequest", &id).await.code, SUCCESS);
    let status = until(&world, token(&get), SUCCESS).await;
    assert_eq!(codes(&status), [PINNED; 2]);
    for operation in ["srmResumeRequest", "srmSuspendRequest"] {
        let answer = world.srm(operation, &soap::token(UNKNOWN)).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{operation}");
    }
    assert_eq!(world.srm("srmResumeRequest", &id).await.code, INVALID_REQUEST);
    assert_eq!(world.srm("srmSuspendRequest", &id).await.code, FAILURE, "nothing waits");
    // Over a kill, and until it is aborted, in part and wholly.
    world.storm.kill9();
    world.storm.restart();
    let later = world.get(&[&file], "").await;
    until(&world, token(&later), SUCCESS).await;
    until(&world, token(&kept), SUSPENDED).await;
    let other = suspended(&world, &file).await;
    world.abort_files(token(&kept), &[&file]).await.expect(SUCCESS);
    let status = world.get_status(token(&kept)).await;
    assert_eq!((status.code.as_str(), codes(&status)), (ABORTED, vec![ABORTED; 2]));
    assert_eq!(world.srm("srmResumeRequest", &kept_id).await.code, INVALID_REQUEST);
    assert_eq!(world.abort(token(&other)).await.code, SUCCESS);
    assert_eq!(world.get_status(token(&other)).await.code, ABORTED);
    let nobody = crate::common::wire::config(None, crate::common::client::Tls::Any);
    for operation in ["srmResumeRequest", "srmSuspendRequest"] {
        let answer = world.ask(&nobody, operation, &id).await;
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{operation}");
    }
}
