//! Reserved spaces: what does not fit, who may not, and too many of something.

use std::time::Duration;

use crate::common::client::Tls;
use crate::common::storm::{Setup, TestStorm};
use crate::common::{soap, wire};
use crate::outcomes::{BRING, COPY, GET, PUT, World, copy};

pub const CHANGE: (&str, &str) =
    ("srmChangeSpaceForFiles", "srmStatusOfChangeSpaceForFilesRequest");

/// The token of the area itself.
pub async fn own_token(world: &World) -> String {
    let inner = "<userSpaceTokenDescription>TESTVO_TOKEN</userSpaceTokenDescription>";
    let answer = world.ask("srmGetSpaceTokens", inner).await;
    soap::text(&answer.xml, "stringArray").unwrap_or_else(|| panic!("{}", answer.xml))
}

async fn reserve(world: &World, bytes: u64) -> String {
    let inner = format!(
        "<retentionPolicyInfo><retentionPolicy>REPLICA</retentionPolicy></retentionPolicyInfo>\
         <desiredSizeOfGuaranteedSpace>{bytes}</desiredSizeOfGuaranteedSpace>"
    );
    let answer = world.ask("srmReserveSpace", &inner).await;
    soap::text(&answer.xml, "spaceToken").unwrap_or_else(|| panic!("{}", answer.xml))
}

/// Into which the files go.
fn into(surls: &[&str], space: &str) -> String {
    soap::surls(surls) + &format!("<targetSpaceToken>{space}</targetSpaceToken>")
}

pub async fn what_they_take() {
    let world = World::new("answer_wait = \"20s\"");
    // Where a reservation that names no area goes.
    let root = world.storm.root("open");
    for name in ["a", "b"] {
        std::fs::write(root.join(name), [0; 100]).unwrap();
    }
    let [a, b, none, new] =
        ["a", "b", "none", "new"].map(|name| world.surl(&format!("/open/{name}")));
    let (small, space) = (reserve(&world, 10).await, reserve(&world, 150).await);
    let failure = "SRM_FAILURE";
    world.both(CHANGE, &into(&[&none], &space), failure, &["SRM_INVALID_PATH"]).await;
    let put = world.ask(PUT.0, &soap::prepare_to_put(&[&new], None)).await;
    world.both(CHANGE, &into(&[&new], &space), failure, &["SRM_FILE_BUSY"]).await;
    world.ask("srmAbortRequest", &soap::token(put.token.as_deref().unwrap())).await;
    let larger = "SRM_EXCEED_ALLOCATION";
    world.both(CHANGE, &into(&[&a], &small), larger, &[larger]).await;
    world.both(CHANGE, &into(&[&a], &space), "SRM_SUCCESS", &["SRM_SUCCESS"]).await;
    let full = "SRM_NO_USER_SPACE";
    world.both(CHANGE, &into(&[&b], &space), full, &[full]).await;
    let token = |token: &str| format!("<targetSpaceToken>{token}</targetSpaceToken>");
    let put = |token: String| soap::prepare_to_put(&[&new], Some(100)) + &token;
    world.both(PUT, &put(token(&small)), larger, &[larger]).await;
    world.both(PUT, &put(token(&space)), full, &[full]).await;
    let copied = copy(std::slice::from_ref(&b));
    world.both(COPY, &(copied.clone() + &token(&small)), larger, &[larger]).await;
    world.both(COPY, &(copied.clone() + &token(&space)), full, &[full]).await;

    let durable = soap::prepare_to_put(&[&new], None)
        + "<desiredFileStorageType>DURABLE</desiredFileStorageType>\
           <desiredFileLifeTime>1</desiredFileLifeTime>";
    let answer = world.ask(PUT.0, &durable).await;
    let done = soap::token(answer.token.as_deref().unwrap()) + &soap::surls(&[&new]);
    world.ask("srmPutDone", &done).await.expect("SRM_SUCCESS");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let over = "SRM_FILE_LIFETIME_EXPIRED";
    world.both(CHANGE, &into(&[&new], &space), failure, &[over]).await;
    // It can be read all the same.
    world.both(GET, &soap::prepare_to_get(&[&new]), "SRM_SUCCESS", &["SRM_FILE_PINNED"]).await;
    world.both(COPY, &copy(&[new]), "SRM_SUCCESS", &["SRM_SUCCESS"]).await;
    let update = format!("<spaceToken>{space}</spaceToken><newLifeTime>1</newLifeTime>");
    assert_eq!(world.ask("srmUpdateSpace", &update).await.code, "SRM_SUCCESS");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let answer = world.ask(COPY.0, &(copied + &token(&space))).await;
    assert_eq!(answer.code, "SRM_SPACE_LIFETIME_EXPIRED", "{}", answer.xml);
}

/// path-authz.db forbids a directory; authz of the areas forbids all.
pub async fn who_may_not() {
    let mut world = World::new("answer_wait = \"20s\"");
    let db = world.storm.dir().join("path-authz.db");
    std::fs::write(db, "@ALL@ / WRFDLMN permit\n@ALL@ /open/dir WRFDLMN deny\n").unwrap();
    std::fs::create_dir(world.storm.root("open").join("dir")).unwrap();
    std::fs::write(world.storm.root("open").join("dir/f"), "x").unwrap();
    world.storm.restart();
    let surl = world.surl("/open/dir/f");
    let space = reserve(&world, 150).await;
    let denied = "SRM_AUTHORIZATION_FAILURE";
    world.both(CHANGE, &into(&[&surl], &space), "SRM_FAILURE", &[denied]).await;
    let space = format!("<spaceToken>{space}</spaceToken>");
    let inner = space.clone() + &soap::surls(&[&surl]) + "<newLifeTime>60</newLifeTime>";
    world.ask("srmExtendFileLifeTimeInSpace", &inner).await.expect(denied);
    world.ask("srmPurgeFromSpace", &(soap::surls(&[&surl]) + &space)).await.expect(denied);

    let closed = |area| (area, "<fixed>permit-all</fixed>", "<fixed>deny-all</fixed>".to_owned());
    let changes = ["TESTVO", "OPEN"].map(closed).to_vec();
    let storm = TestStorm::set_up(Setup { changes, ..Setup::default() });
    let user = wire::config(Some("voms"), Tls::Any);
    let inner = "<retentionPolicyInfo><retentionPolicy>REPLICA</retentionPolicy>\
         </retentionPolicyInfo><desiredSizeOfGuaranteedSpace>1</desiredSizeOfGuaranteedSpace>";
    let answer = soap::once(&user, storm.ports.srm, "srmReserveSpace", inner).await.unwrap();
    assert_eq!(answer.code, denied, "{}", answer.xml);
}

pub async fn too_many() {
    let limits = "answer_wait = \"20s\"\n[limits]\nfiles_per_request = 2\n";
    let world = World::new(limits);
    reserve(&world, 1).await;
    let answer = world.ask("srmGetSpaceTokens", "").await;
    assert_eq!(answer.code, "SRM_TOO_MANY_RESULTS", "{}", answer.xml);
    for name in ["a", "b", "c"] {
        std::fs::write(world.storm.root("test.vo").join("dir").join(name), "x").unwrap();
    }
    let source = format!("<sourceSURL>{}</sourceSURL>", world.surl("/test.vo/dir"));
    let option = "<dirOption><isSourceADirectory>true</isSourceADirectory></dirOption>";
    let file = format!("<requestArray>{source}{option}</requestArray>");
    let inner = format!("<arrayOfFileRequests>{file}</arrayOfFileRequests>");
    for pair in [GET, BRING] {
        world.both(pair, &inner, "SRM_FAILURE", &["SRM_INVALID_REQUEST"]).await;
    }
}
