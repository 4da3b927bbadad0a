//! What the access log says of one SOAP request.

use crate::listener::Outcome;
use crate::model::StatusCode;

use super::operation::{Call, Operation, Reply};
use super::types::{ArrayOfAnyURI, ArrayOfString};

/// Longest target in the log, in characters.
const MAX_TARGET: usize = 1024;

/// Until more is known: a fault.
pub(super) fn begun(operation: Option<Operation>, target: String) -> Outcome {
    let operation = Some(operation.map_or("-", Operation::name));
    Outcome { operation, target, status: Some("fault"), why: None }
}

/// With what the answer says.
pub(super) fn answered(outcome: Outcome, reply: &Reply) -> Outcome {
    // srmPing is answered only when all is well.
    let Some(status) = reply.return_status() else {
        return Outcome { status: Some(StatusCode::Success.as_str()), ..outcome };
    };
    let code = status.status_code;
    let why = status.explanation.clone().filter(|_| code != StatusCode::Success);
    Outcome { status: Some(code.as_str()), why, ..outcome }
}

/// The target of a call.
pub(super) fn target(call: &Call) -> String {
    let (surl, others) = surls(call);
    let name = surl.or_else(|| token(call)).unwrap_or("-");
    let mut target: String =
        name.chars().take(MAX_TARGET).map(|c| if c.is_control() { '?' } else { c }).collect();
    if target.is_empty() {
        target.push('-');
    }
    if others > 0 {
        target.push_str(&format!(" +{others}"));
    }
    target
}

/// The first SURL, and how many more there are.
pub(super) fn surls(call: &Call) -> (Option<&str>, usize) {
    fn list(list: &ArrayOfAnyURI) -> (Option<&str>, usize) {
        each(&list.items, |surl| surl)
    }
    fn maybe(surls: &Option<ArrayOfAnyURI>) -> (Option<&str>, usize) {
        surls.as_ref().map_or((None, 0), list)
    }
    match call {
        Call::Ls(r) => list(&r.array_of_surls),
        Call::Rm(r) => list(&r.array_of_surls),
        Call::PutDone(r) => list(&r.array_of_surls),
        Call::AbortFiles(r) => list(&r.array_of_surls),
        Call::CheckPermission(r) => list(&r.array_of_surls),
        Call::GetPermission(r) => list(&r.array_of_surls),
        Call::ChangeSpaceForFiles(r) => list(&r.array_of_surls),
        Call::PurgeFromSpace(r) => list(&r.array_of_surls),
        Call::ExtendFileLifeTime(r) => list(&r.array_of_surls),
        Call::ExtendFileLifeTimeInSpace(r) => maybe(&r.array_of_surls),
        Call::ReleaseFiles(r) => maybe(&r.array_of_surls),
        Call::StatusOfPutRequest(r) => maybe(&r.array_of_target_surls),
        Call::StatusOfGetRequest(r) => maybe(&r.array_of_source_surls),
        Call::StatusOfBringOnlineRequest(r) => maybe(&r.array_of_source_surls),
        Call::StatusOfCopyRequest(r) => maybe(&r.array_of_source_surls),
        Call::Mkdir(r) => (Some(&r.surl), 0),
        Call::Rmdir(r) => (Some(&r.surl), 0),
        Call::SetPermission(r) => (Some(&r.surl), 0),
        Call::Mv(r) => (Some(&r.from_surl), 0),
        Call::PrepareToGet(r) => each(&r.array_of_file_requests.items, |f| &f.source_surl),
        Call::BringOnline(r) => each(&r.array_of_file_requests.items, |f| &f.source_surl),
        Call::Copy(r) => each(&r.array_of_file_requests.items, |f| &f.source_surl),
        Call::PrepareToPut(r) => match &r.array_of_file_requests {
            Some(files) => each(&files.items, |f| f.target_surl.as_deref().unwrap_or("-")),
            None => (None, 0),
        },
        _ => (None, 0),
    }
}

fn each<T>(items: &[T], surl: impl Fn(&T) -> &str) -> (Option<&str>, usize) {
    (items.first().map(surl), items.len().saturating_sub(1))
}

/// The token that the call names: of a request, or of a space.
pub(super) fn token(call: &Call) -> Option<&str> {
    fn first(tokens: &ArrayOfString) -> Option<&str> {
        tokens.items.first().map(String::as_str)
    }
    match call {
        Call::StatusOfPutRequest(r) => Some(&r.request_token),
        Call::StatusOfGetRequest(r) => Some(&r.request_token),
        Call::StatusOfBringOnlineRequest(r) => Some(&r.request_token),
        Call::StatusOfCopyRequest(r) => Some(&r.request_token),
        Call::StatusOfLsRequest(r) => Some(&r.request_token),
        Call::StatusOfReserveSpaceRequest(r) => Some(&r.request_token),
        Call::StatusOfUpdateSpaceRequest(r) => Some(&r.request_token),
        Call::StatusOfChangeSpaceForFilesRequest(r) => Some(&r.request_token),
        Call::AbortRequest(r) => Some(&r.request_token),
        Call::SuspendRequest(r) => Some(&r.request_token),
        Call::ResumeRequest(r) => Some(&r.request_token),
        Call::ReleaseFiles(r) => r.request_token.as_deref(),
        Call::GetRequestSummary(r) => first(&r.array_of_request_tokens),
        Call::GetSpaceMetaData(r) => first(&r.array_of_space_tokens),
        Call::ReleaseSpace(r) => Some(&r.space_token),
        Call::UpdateSpace(r) => Some(&r.space_token),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    fn target_of(operation: &str, fields: &str) -> String {
        let text = format!(
            "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>\
             <s:{operation} xmlns:s='http://srm.lbl.gov/StorageResourceManager'>\
             <r>{fields}</r></s:{operation}></e:Body></e:Envelope>"
        );
        target(&decode(text.as_bytes()).unwrap().call.unwrap())
    }

    #[test]
    fn the_target_is_the_first_surl_or_the_token() {
        let one = "<arrayOfSURLs><urlArray>srm://h/a</urlArray></arrayOfSURLs>";
        let two =
            "<arrayOfSURLs><urlArray>srm://h/a</urlArray><urlArray>b</urlArray></arrayOfSURLs>";
        assert_eq!(target_of("srmRm", one), "srm://h/a");
        assert_eq!(target_of("srmLs", two), "srm://h/a +1");
        assert_eq!(target_of("srmAbortRequest", "<requestToken>t</requestToken>"), "t");
        assert_eq!(target_of("srmPing", ""), "-");
        assert_eq!(target_of("srmMkdir", "<SURL>a&#10;b</SURL>"), "a?b");
    }
}
