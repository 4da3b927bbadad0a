//! How fast: run with `--ignored --nocapture`, alone.

use std::time::Instant;

use crate::common::soap;
use crate::common::wire::Conn;
use crate::world::*;

#[tokio::test]
#[ignore = "measures"]
async fn ten_thousand_files() {
    const FILES: usize = 10_000;
    let world = World::new();
    let surls: Vec<String> = (0..FILES).map(|n| world.surl(&format!("f{n}"))).collect();
    let mut conn = Conn::tls(&world.user, world.storm.ports.srm).await.unwrap();
    let mut step = async |operation: &str, inner: &str| {
        let start = Instant::now();
        let answer = soap::call(&mut conn, operation, inner).await.unwrap();
        let spent = start.elapsed().as_secs_f64();
        println!("{operation:24} {spent:7.3} s  {} ({} files)", answer.code, answer.files.len());
        (answer, spent)
    };
    let inner = soap::prepare_to_put(&surls, None);
    let start = Instant::now();
    let (mut answer, _) = step("srmPrepareToPut", &inner).await;
    let put = token(&answer).to_owned();
    while answer.code == "SRM_REQUEST_INPROGRESS" || answer.code == QUEUED {
        (answer, _) = step("srmStatusOfPutRequest", &soap::token(&put)).await;
    }
    println!("all ready after {:.3} s", start.elapsed().as_secs_f64());
    step("srmStatusOfPutRequest", &soap::token(&put)).await;
    let one = soap::surls(&surls[9_999..]).replace("arrayOfSURLs", "arrayOfTargetSURLs");
    step("srmStatusOfPutRequest", &(soap::token(&put) + &one)).await;
    let (done, _) = step("srmPutDone", &(soap::token(&put) + &soap::surls(&surls))).await;
    assert_eq!(done.code, SUCCESS);
    let start = Instant::now();
    let (mut answer, _) = step("srmPrepareToGet", &soap::prepare_to_get(&surls)).await;
    let get = token(&answer).to_owned();
    while answer.code == "SRM_REQUEST_INPROGRESS" || answer.code == QUEUED {
        (answer, _) = step("srmStatusOfGetRequest", &soap::token(&get)).await;
    }
    assert_eq!(answer.code, SUCCESS);
    println!("all pinned after {:.3} s", start.elapsed().as_secs_f64());
    let strange: Vec<String> = (0..FILES).map(|n| world.surl(&format!("g{n}"))).collect();
    let inner = soap::surls(&strange).replace("arrayOfSURLs", "arrayOfSourceSURLs");
    step("srmStatusOfGetRequest", &(soap::token(&get) + &inner)).await;
    step("srmReleaseFiles", &soap::surls(&surls)).await;
    step("srmAbortRequest", &soap::token(&get)).await;
    let (answer, _) = step("srmPrepareToPut", &(soap::prepare_to_put(&surls, None) + ALWAYS)).await;
    step("srmAbortRequest", &soap::token(token(&answer))).await;
    println!("memory {} MiB", world.storm.memory() >> 20);
}

#[tokio::test]
#[ignore = "measures"]
async fn small_cycles() {
    const CYCLES: u32 = 200;
    let world = World::new();
    let mut conn = Conn::tls(&world.user, world.storm.ports.srm).await.unwrap();
    let start = Instant::now();
    for n in 0..CYCLES {
        let surl = world.surl(&format!("f{n}"));
        let inner = soap::prepare_to_put(&[&surl], None);
        let put = soap::call(&mut conn, "srmPrepareToPut", &inner).await.unwrap().expect(READY);
        let id = soap::token(token(&put));
        soap::call(&mut conn, "srmStatusOfPutRequest", &id).await.unwrap().expect(READY);
        let inner = id + &soap::surls(&[&surl]);
        soap::call(&mut conn, "srmPutDone", &inner).await.unwrap().expect(SUCCESS);
    }
    println!("prepare, status, done: {:?} each", start.elapsed() / CYCLES);
}
