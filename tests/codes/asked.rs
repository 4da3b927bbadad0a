//! What every operation answers alike, asked of each.

use crate::allowed::ALLOWED;
use crate::common::client::Tls;
use crate::common::{TestStorm, soap, wire};

/// A token that nobody gave.
const STRANGE: &str = "00000000-0000-4000-8000-000000000000";

/// A request of each operation that would be right, but for who asks and for its token.
fn inner(operation: &str, surl: &str) -> String {
    let (token, surls) = (soap::token(STRANGE), soap::surls(&[surl]));
    let space = format!("<spaceToken>{STRANGE}</spaceToken>");
    match operation {
        "srmReserveSpace" => "<retentionPolicyInfo><retentionPolicy>REPLICA</retentionPolicy>\
             </retentionPolicyInfo><desiredSizeOfGuaranteedSpace>1</desiredSizeOfGuaranteedSpace>"
            .to_owned(),
        "srmReleaseSpace" => space,
        "srmUpdateSpace" => space + "<newLifeTime>60</newLifeTime>",
        "srmGetSpaceMetaData" => {
            format!("<arrayOfSpaceTokens><stringArray>{STRANGE}</stringArray></arrayOfSpaceTokens>")
        }
        "srmChangeSpaceForFiles" => {
            format!("{surls}<targetSpaceToken>{STRANGE}</targetSpaceToken>")
        }
        "srmExtendFileLifeTimeInSpace" => space + &surls + "<newLifeTime>60</newLifeTime>",
        "srmPurgeFromSpace" => surls + &space,
        "srmGetRequestSummary" => format!(
            "<arrayOfRequestTokens><stringArray>{STRANGE}</stringArray></arrayOfRequestTokens>"
        ),
        "srmSetPermission" => format!(
            "<SURL>{surl}</SURL><permissionType>CHANGE</permissionType>\
             <otherPermission>R</otherPermission>"
        ),
        "srmMkdir" | "srmRmdir" => format!("<SURL>{surl}</SURL>"),
        "srmMv" => format!("<fromSURL>{surl}</fromSURL><toSURL>{surl}2</toSURL>"),
        "srmPrepareToPut" => soap::prepare_to_put(&[surl], None),
        "srmPrepareToGet" | "srmBringOnline" => soap::prepare_to_get(&[surl]),
        "srmCopy" => format!(
            "<arrayOfFileRequests><requestArray><sourceSURL>{surl}</sourceSURL>\
             <targetSURL>{surl}2</targetSURL></requestArray></arrayOfFileRequests>"
        ),
        "srmExtendFileLifeTime" => token + &surls + "<newPinLifeTime>60</newPinLifeTime>",
        "srmPutDone" | "srmAbortFiles" | "srmReleaseFiles" => token + &surls,
        name if name.starts_with("srmStatusOf") || takes_token(name) => token,
        "srmGetSpaceTokens" | "srmGetRequestTokens" | "srmGetTransferProtocols" => String::new(),
        _ => surls,
    }
}

fn takes_token(operation: &str) -> bool {
    matches!(operation, "srmAbortRequest" | "srmSuspendRequest" | "srmResumeRequest")
}

/// A certificate that does not hold is told so by each operation.
pub async fn refused_certificates() {
    let storm = TestStorm::start();
    let expired = wire::config(Some("expired"), Tls::Any);
    let surl = storm.surl("/test.vo/f");
    for (operation, ..) in ALLOWED {
        let inner = inner(operation, &surl);
        let answer = soap::once(&expired, storm.ports.srm, operation, &inner).await.unwrap();
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{operation}: {}", answer.xml);
    }
    let answer = soap::once(&expired, storm.ports.srm, "srmPing", "").await.unwrap();
    assert_eq!(answer.code, "FAULT", "{}", answer.xml);
}

/// A request token that nobody knows.
pub async fn unknown_tokens() {
    let storm = TestStorm::start();
    let user = wire::config(Some("voms"), Tls::Any);
    let surl = storm.surl("/test.vo/f");
    let operations = ALLOWED.iter().map(|(operation, ..)| *operation);
    for operation in operations.filter(|name| inner(name, &surl).contains("<requestToken>")) {
        let inner = inner(operation, &surl);
        let answer = soap::once(&user, storm.ports.srm, operation, &inner).await.unwrap();
        assert_eq!(answer.code, "SRM_INVALID_REQUEST", "{operation}: {}", answer.xml);
    }
}
