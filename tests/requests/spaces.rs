//! Spaces of the storage areas.

use crate::common::soap::{self, Answer};
use crate::world::*;

fn strings(answer: &Answer) -> Vec<String> {
    let parts = answer.xml.split("<stringArray").skip(1);
    parts.filter_map(|part| soap::text(&format!("<stringArray{part}"), "stringArray")).collect()
}

fn described(text: &str) -> String {
    format!("<userSpaceTokenDescription>{text}</userSpaceTokenDescription>")
}

#[tokio::test]
async fn spaces_and_puts_into_them() {
    let world = World::new();
    let found = world.srm("srmGetSpaceTokens", &described("TESTVO_TOKEN")).await;
    assert_eq!(found.code, SUCCESS, "{}", found.xml);
    let mine = strings(&found);
    assert_eq!(mine.len(), 1, "{}", found.xml);
    let all = strings(&world.srm("srmGetSpaceTokens", "").await);
    assert!(all.len() == 2 && all.contains(&mine[0]), "{all:?}");
    for unknown in ["NO_TOKEN", "CLOSED_TOKEN"] {
        let answer = world.srm("srmGetSpaceTokens", &described(unknown)).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{}", answer.xml);
    }
    let open = all.iter().find(|token| **token != mine[0]).unwrap();

    let list = |tokens: &[&str]| {
        let list: String =
            tokens.iter().map(|t| format!("<stringArray>{t}</stringArray>")).collect();
        format!("<arrayOfSpaceTokens>{list}</arrayOfSpaceTokens>")
    };
    let ask = async |tokens: &[&str]| world.srm("srmGetSpaceMetaData", &list(tokens)).await;
    let told = ask(&[&mine[0]]).await;
    assert_eq!(told.code, SUCCESS, "{}", told.xml);
    assert!(told.xml.contains("REPLICA") && told.xml.contains("ONLINE"), "{}", told.xml);
    assert_eq!(number(&told, "totalSize"), 100_000_000_000);
    assert_eq!(number(&told, "lifetimeLeft"), -1);
    assert!(number(&told, "unusedSize") <= 100_000_000_000);
    let told = ask(&["nonsense", open, &mine[0], open]).await;
    assert_eq!(told.code, PARTIAL, "{}", told.xml);
    let order: Vec<usize> = told.xml.match_indices("<spaceToken").map(|(at, _)| at).collect();
    assert_eq!(order.len(), 4, "{}", told.xml);
    assert!(told.xml.contains("The provided Space Token does not exists"), "{}", told.xml);
    assert_eq!(ask(&["nonsense"]).await.code, FAILURE);
    assert_eq!(world.srm("srmGetSpaceMetaData", "").await.code, INVALID_REQUEST);

    // Of an area that is closed to the asker: found with more rights, so read from the disk.
    let into = |token: &str| format!("<targetSpaceToken>{token}</targetSpaceToken>");
    let class = |policy: &str| {
        format!(
            "<targetFileRetentionPolicyInfo><retentionPolicy>{policy}</retentionPolicy>\
             <accessLatency>ONLINE</accessLatency></targetFileRetentionPolicyInfo>"
        )
    };
    let surl = world.surl("f");
    let put = world.put(&[&surl], &(into(&mine[0]) + &class("REPLICA"))).await.expect(READY);
    assert_eq!(world.abort(token(&put)).await.code, SUCCESS);
    for more in [into(open), into(&mine[0]) + &class("CUSTODIAL"), into("nonsense")] {
        let answer = world.put(&[&surl], &more).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{}", answer.xml);
    }
    let file = world.write("there", b"x");
    world.get(&[&file], &into(&mine[0])).await.expect(PINNED);
    assert_eq!(world.get(&[&file], &into("nonsense")).await.code, INVALID_REQUEST);
}
