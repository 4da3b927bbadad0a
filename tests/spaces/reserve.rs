//! srmReserveSpace, its status, and what is told of spaces.

use crate::common::soap;
use crate::small::*;
use crate::world::*;

#[tokio::test]
async fn a_space_is_granted_and_told() {
    let world = small();
    let more = total(200_000) + &lifetime(3600) + &described("Mine");
    let granted = world.reserve(100_000, &more).await;
    assert_eq!(granted.code, SUCCESS, "{}", granted.xml);
    let space = space_of(&granted);
    let status = soap::token(token(&granted));
    let status = world.srm("srmStatusOfReserveSpaceRequest", &status).await;
    assert_eq!(status.code, SUCCESS, "{}", status.xml);
    for answer in [&granted, &status] {
        assert_eq!(space_of(answer), space);
        assert_eq!(number(answer, "sizeOfTotalReservedSpace"), 200_000);
        assert_eq!(number(answer, "sizeOfGuaranteedReservedSpace"), 100_000);
        assert_eq!(number(answer, "lifetimeOfReservedSpace"), 3600);
        assert!(answer.xml.contains("REPLICA") && answer.xml.contains("ONLINE"), "{}", answer.xml);
    }
    let told = world.told(&space).await;
    assert_eq!((told.total, told.guaranteed, told.unused), (200_000, 100_000, 200_000));
    assert!((3590..=3600).contains(&told.left), "{told:?}");
    // By its exact description, and among all.
    let found = world.tokens(&world.user, &described("Mine")).await;
    assert_eq!(found, [space.as_str()]);
    let all = world.tokens(&world.user, "").await;
    assert!(all.len() == 3 && all.contains(&space), "{all:?}");
    for other in ["mine", "Min", "Mine "] {
        let answer = world.srm("srmGetSpaceTokens", &described(other)).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{}", answer.xml);
    }
    // The VO group's, too; nobody else's.
    let found = world.tokens(&world.user2, &described("Mine")).await;
    assert_eq!(found, [space.as_str()]);
    assert_eq!(world.meta_data(&world.user2, &space).await.code, SUCCESS);
    let stranger = stranger();
    assert!(world.tokens(&stranger, &described("Mine")).await.is_empty());
    let closed = world.meta_data(&stranger, &space).await;
    assert_eq!(closed.code, FAILURE, "{}", closed.xml);
    assert!(closed.xml.contains(DENIED), "{}", closed.xml);
    // Somebody else's request; a token of another kind, and none.
    let asked = soap::token(token(&granted));
    let other = world.ask(&world.user2, "srmStatusOfReserveSpaceRequest", &asked).await;
    assert_eq!(other.code, DENIED, "{}", other.xml);
    let other = world.srm("srmStatusOfUpdateSpaceRequest", &asked).await;
    assert_eq!(other.code, INVALID_REQUEST, "{}", other.xml);
    let unknown = soap::token("01234567-89ab-4cde-8f01-23456789abcd");
    let other = world.srm("srmStatusOfReserveSpaceRequest", &unknown).await;
    assert_eq!(other.code, INVALID_REQUEST, "{}", other.xml);
    // It is a request as others are, and has ended.
    let list = element("arrayOfRequestTokens", element("stringArray", token(&granted)));
    let summary = world.srm("srmGetRequestSummary", &list).await;
    assert_eq!(summary.code, SUCCESS, "{}", summary.xml);
    assert!(summary.xml.contains("RESERVE_SPACE"), "{}", summary.xml);
    let mine = described("Mine").replace("userSpaceToken", "userRequest");
    let tokens = world.srm("srmGetRequestTokens", &mine).await;
    assert!(tokens.xml.contains(token(&granted)), "{}", tokens.xml);
    assert_eq!(world.abort(token(&granted)).await.code, FAILURE);
    // Without an end, and for the whole area; the area's own space stays what it is.
    assert_eq!(world.told(&world.space(10, &lifetime(-1)).await).await.left, -1);
    assert_eq!(world.told(&world.area().await).await.total, SIZE as i64);
}

#[tokio::test]
async fn what_cannot_be_reserved_is_refused() {
    let world = small();
    let ask = async |class: String, bytes: u64, more: &str| {
        let size = element("desiredSizeOfGuaranteedSpace", bytes);
        world.srm("srmReserveSpace", &(class + &size + more)).await
    };
    let replica = || class("REPLICA", "ONLINE");
    for (class, bytes, more, code) in [
        (replica(), 1000, total(999), INVALID_REQUEST),
        (replica(), 0, String::new(), INVALID_REQUEST),
        (replica(), u64::MAX, String::new(), INVALID_REQUEST),
        (replica(), 1000, lifetime(0), INVALID_REQUEST),
        (replica(), 1000, lifetime(-2), INVALID_REQUEST),
        (String::new(), 1000, String::new(), INVALID_REQUEST),
        (class("CUSTODIAL", "ONLINE"), 1000, String::new(), NOT_SUPPORTED),
        (class("REPLICA", "NEARLINE"), 1000, String::new(), NOT_SUPPORTED),
        (replica(), SIZE + 1, String::new(), EXCEED),
    ] {
        let answer = ask(class, bytes, &more).await;
        assert_eq!(answer.code, code, "{}", answer.xml);
        assert!(soap::text(&answer.xml, "spaceToken").is_none(), "{}", answer.xml);
    }
    // No latency is ONLINE. More than the area has is given as far as it goes.
    let lower = ask(class("REPLICA", ""), 600_000, &total(10 * SIZE)).await;
    assert_eq!(lower.code, LOWER, "{}", lower.xml);
    assert_eq!(number(&lower, "sizeOfTotalReservedSpace"), SIZE as i64);
    let again = world.srm("srmStatusOfReserveSpaceRequest", &soap::token(token(&lower))).await;
    assert_eq!(again.code, LOWER, "{}", again.xml);
    // What is promised to one is nobody else's.
    let full = ask(replica(), 400_001, "").await;
    assert_eq!(full.code, NO_FREE, "{}", full.xml);
    assert_eq!(ask(replica(), 400_000, "").await.code, SUCCESS);
    // Somebody who may write nowhere of that class.
    let size = element("desiredSizeOfGuaranteedSpace", 10);
    let answer = world.ask(&stranger(), "srmReserveSpace", &(replica() + &size)).await;
    assert_eq!(answer.code, NOT_SUPPORTED, "{}", answer.xml);
}

#[tokio::test]
async fn nobody_holds_too_many_spaces() {
    let world = small();
    let mut conn =
        crate::common::wire::Conn::tls(&world.user, world.storm.ports.srm).await.unwrap();
    let inner = class("REPLICA", "ONLINE") + &element("desiredSizeOfGuaranteedSpace", 1);
    for _ in 0..1000 {
        let answer = soap::call(&mut conn, "srmReserveSpace", &inner).await.unwrap();
        assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
    }
    let answer = world.reserve(1, "").await;
    assert_eq!(answer.code, NO_USER, "{}", answer.xml);
    assert_eq!(world.tokens(&world.user, "").await.len(), 1002);
}
