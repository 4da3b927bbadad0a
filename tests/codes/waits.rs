//! Requests of many files, seen before and while they are worked on.

use std::time::Duration;

use crate::common::codes;
use crate::common::soap::{self, Answer};
use crate::outcomes::{BRING, COPY, GET, PUT, World, copy};
use crate::spaces::{CHANGE, own_token};

const FILES: usize = 3000;
/// Tries: how fast the daemon works is up to the machine.
const TRIES: usize = 30;
const QUEUED: &str = "SRM_REQUEST_QUEUED";
const IN_PROGRESS: &str = "SRM_REQUEST_INPROGRESS";
const SUSPENDED: &str = "SRM_REQUEST_SUSPENDED";
const SUMMARY: &str = "srmGetRequestSummary";

/// One worker of each kind, which a large request keeps busy.
const SETTINGS: &str = "answer_wait = \"0s\"\n[workers]\n\
     put = { threads = 1, queue = 100000 }\nget = { threads = 1, queue = 100000 }\n\
     bring_online = { threads = 1, queue = 100000 }\ncopy = { threads = 1, queue = 100000 }\n";

pub async fn requests_that_wait() {
    let world = World::new(SETTINGS);
    for n in 0..FILES {
        std::fs::write(world.storm.root("test.vo").join(n.to_string()), "x").unwrap();
    }
    let own = own_token(&world).await;
    let target = format!("<targetSpaceToken>{own}</targetSpaceToken>");
    let get = |surls: &[String]| soap::prepare_to_get(surls);
    let put = |surls: &[String]| soap::prepare_to_put(surls, None).replace("test.vo/", "test.vo/n");
    let change = |surls: &[String]| soap::surls(surls) + &target;
    one(&world, GET, "arrayOfSourceSURLs", &get).await;
    one(&world, BRING, "arrayOfSourceSURLs", &get).await;
    one(&world, PUT, "arrayOfTargetSURLs", &put).await;
    one(&world, COPY, "arrayOfSourceSURLs", &copy).await;
    one(&world, CHANGE, "", &change).await;
}

async fn one(
    world: &World,
    (first, status): (&str, &str),
    array: &str,
    inner: &dyn Fn(&[String]) -> String,
) {
    // None of them is there: what the kernel has at hand would be ready at once.
    let surls: Vec<String> = (0..FILES).map(|n| world.surl(&format!("/test.vo/none{n}"))).collect();
    // One file of each part that a worker takes at once.
    let some: Vec<String> = surls.iter().step_by(256).cloned().collect();
    let some = if array.is_empty() {
        String::new()
    } else {
        let renamed = if first == PUT.0 { "test.vo/n" } else { "test.vo/" };
        let some = soap::surls(&some).replace("test.vo/", renamed);
        some.replace("arrayOfSURLs", array)
    };
    let mut missing: Vec<(&str, &str, &str)> = Vec::new();
    for level in ["request", "file"] {
        missing.extend([QUEUED, IN_PROGRESS, SUSPENDED].map(|code| (status, level, code)));
        missing.push((first, level, QUEUED));
    }
    missing.push((SUMMARY, "file", IN_PROGRESS));
    for _ in 0..TRIES {
        let large = world.ask(first, &inner(&surls)).await;
        let small = world.ask(first, &inner(&surls[..1])).await;
        saw(&mut missing, first, &small);
        let [large, small] = [large, small].map(|answer| answer.token.unwrap());
        let list = format!("<stringArray>{large}</stringArray>");
        let list = format!("<arrayOfRequestTokens>{list}</arrayOfRequestTokens>");
        let [large, small] = [large, small].map(|token| soap::token(&token));
        saw(&mut missing, status, &world.ask(status, &small).await);
        world.ask("srmSuspendRequest", &small).await;
        saw(&mut missing, status, &world.ask(status, &small).await);
        loop {
            let answer = world.ask(status, &(large.clone() + &some)).await;
            saw(&mut missing, status, &answer);
            saw(&mut missing, SUMMARY, &world.ask(SUMMARY, &list).await);
            if missing.is_empty() || ![QUEUED, IN_PROGRESS].contains(&&*answer.code) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        world.ask("srmAbortRequest", &small).await;
        world.ask("srmAbortRequest", &large).await;
        let aborted = world.ask(status, &small).await;
        if missing.is_empty() {
            // It was aborted before it began.
            for level in ["request", "file"] {
                assert!(
                    codes::waited(status, level, "SRM_ABORTED", &aborted.xml),
                    "{}",
                    aborted.xml
                );
            }
            return;
        }
    }
    panic!("{first}: never seen: {missing:?}");
}

fn saw(missing: &mut Vec<(&str, &str, &str)>, operation: &str, answer: &Answer) {
    missing.retain(|(name, level, code)| {
        *name != operation || !codes::waited(operation, level, code, &answer.xml)
    });
}
