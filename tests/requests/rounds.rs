//! A request of many files, from the first call to the last.

use crate::common::soap;
use crate::common::wire::Conn;
use crate::world::*;

const FILES: usize = 2_000;

/// Every file has its own state all the way, and one call tells or changes all of them.
#[tokio::test]
async fn two_thousand_files() {
    let world = World::new();
    let surls: Vec<String> = (0..FILES).map(|n| world.surl(&format!("f{n}"))).collect();
    let mut conn = Conn::tls(&world.user, world.storm.ports.srm).await.unwrap();
    let mut ask =
        async |operation: &str, inner: &str| soap::call(&mut conn, operation, inner).await.unwrap();
    // A failure shows one file, not all of them.
    let all = |answer: &soap::Answer, request: &str, file: &str| {
        assert_eq!((answer.code.as_str(), answer.files.len()), (request, FILES));
        assert_eq!(codes(answer).into_iter().find(|code| *code != file), None);
    };
    let unfinished =
        |answer: &soap::Answer| answer.code == "SRM_REQUEST_INPROGRESS" || answer.code == QUEUED;

    let mut answer = ask("srmPrepareToPut", &soap::prepare_to_put(&surls, None)).await;
    let put = soap::token(token(&answer));
    while unfinished(&answer) {
        answer = ask("srmStatusOfPutRequest", &put).await;
    }
    all(&answer, SUCCESS, READY);
    let last = soap::surls(&surls[FILES - 1..]).replace("arrayOfSURLs", "arrayOfTargetSURLs");
    let one = ask("srmStatusOfPutRequest", &(put.clone() + &last)).await;
    assert_eq!(codes(&one), [READY]);
    let done = ask("srmPutDone", &(put + &soap::surls(&surls))).await;
    all(&done, SUCCESS, SUCCESS);

    let mut answer = ask("srmPrepareToGet", &soap::prepare_to_get(&surls)).await;
    let get = soap::token(token(&answer));
    while unfinished(&answer) {
        answer = ask("srmStatusOfGetRequest", &get).await;
    }
    all(&answer, SUCCESS, PINNED);
    let strange: Vec<String> = (0..FILES).map(|n| world.surl(&format!("g{n}"))).collect();
    let strange = soap::surls(&strange).replace("arrayOfSURLs", "arrayOfSourceSURLs");
    let none = ask("srmStatusOfGetRequest", &(get.clone() + &strange)).await;
    all(&none, SUCCESS, INVALID_PATH);
    let released = ask("srmReleaseFiles", &soap::surls(&surls)).await;
    all(&released, SUCCESS, SUCCESS);

    let again = soap::prepare_to_put(&surls, None) + ALWAYS;
    let again = soap::token(token(&ask("srmPrepareToPut", &again).await));
    assert_eq!(ask("srmAbortRequest", &again).await.code, SUCCESS);
    world.tidy();
}
