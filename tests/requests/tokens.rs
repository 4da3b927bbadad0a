//! Tokens: unknown, malformed, somebody else's, of the wrong kind.

use crate::common::soap;
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
