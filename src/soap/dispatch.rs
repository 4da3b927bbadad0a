//! From a request that was read to the core and back: one arm per operation, and no rule of SRM.

use std::ops::ControlFlow;

use crate::model::{Identity, ReturnStatus, StatusCode};
use crate::srm::{FilesAnswer, GetAnswer, PutAnswer, SpaceGrantAnswer, Srm};

use super::convert::*;
use super::envelope::Decoded;
use super::fault::SoapFault;
use super::operation::{Call, Operation, Reply};
use super::requests::SrmStatusOfLsRequestRequest;
use super::responses::*;
use super::types::*;

/// Answers one request. `Err` is a fault: only srmPing, which has no return status, needs it.
pub(super) async fn dispatch(
    srm: &Srm,
    who: &Identity,
    decoded: Decoded,
) -> Result<Reply, SoapFault> {
    match screen(who, decoded) {
        ControlFlow::Continue(call) => serve(srm, who, call).await,
        ControlFlow::Break(refused) => refused,
    }
}

/// What has to be refused before the core is asked: callers nobody knows, and values that do not
/// parse.
pub(super) fn screen(
    who: &Identity,
    decoded: Decoded,
) -> ControlFlow<Result<Reply, SoapFault>, Call> {
    let operation = decoded.operation;
    if let Some(status) = stranger(who) {
        return ControlFlow::Break(refuse(operation, status));
    }
    match decoded.call {
        Ok(call) => ControlFlow::Continue(call),
        Err(why) => ControlFlow::Break(refuse(operation, ReturnStatus::invalid_request(why))),
    }
}

/// Why nothing is done for that identity; `None` for a person.
pub(super) fn stranger(who: &Identity) -> Option<ReturnStatus> {
    let why = match who {
        Identity::Person(_) => return None,
        Identity::Anonymous => {
            "a client certificate or proxy is needed: make one with voms-proxy-init"
        }
        Identity::Refused(refusal) => &refusal.why,
    };
    Some(ReturnStatus::new(StatusCode::AuthenticationFailure, why))
}

/// The operation's own response with that status; srmPing has no room for one.
fn refuse(operation: Operation, status: ReturnStatus) -> Result<Reply, SoapFault> {
    match operation {
        Operation::Ping => Err(SoapFault::client(status.to_string())),
        _ => Ok(Reply::StatusOnly(operation, status.into())),
    }
}

async fn serve(srm: &Srm, who: &Identity, call: Call) -> Result<Reply, SoapFault> {
    let operation = call.operation();
    let only = |status: ReturnStatus| Reply::StatusOnly(operation, status.into());
    Ok(match call {
        Call::Ping(_) => match srm.ping(who).await {
            Ok(answer) => Reply::Ping(SrmPingResponse {
                version_info: answer.version_info,
                other_info: extra_info(answer.other_info),
            }),
            Err(status) => return refuse(operation, status),
        },
        Call::GetTransferProtocols(_) => {
            let answer = srm.get_transfer_protocols(who).await;
            Reply::GetTransferProtocols(SrmGetTransferProtocolsResponse {
                return_status: answer.status.into(),
                protocol_info: protocol_list(answer.protocols),
            })
        }
        Call::Ls(request) => {
            let answer = srm.ls(who, ls_request(request)).await;
            Reply::Ls(SrmLsResponse {
                return_status: answer.status.into(),
                request_token: answer.token.map(|token| token.to_string()),
                details: path_details(answer.details),
            })
        }
        Call::StatusOfLsRequest(request) => {
            let SrmStatusOfLsRequestRequest { request_token, offset, count, .. } = request;
            let answer = srm.status_of_ls(who, &request_token, offset, count).await;
            Reply::StatusOfLsRequest(SrmStatusOfLsRequestResponse {
                return_status: answer.status.into(),
                details: path_details(answer.details),
            })
        }
        Call::Mkdir(request) => only(srm.mkdir(who, &request.surl).await),
        Call::Rmdir(request) => {
            let recursive = request.recursive.unwrap_or(false);
            only(srm.rmdir(who, &request.surl, recursive).await)
        }
        Call::Rm(request) => {
            let answer = srm.rm(who, request.array_of_surls.items).await;
            let (return_status, array_of_file_statuses) = files(answer);
            Reply::Rm(SrmRmResponse { return_status, array_of_file_statuses })
        }
        Call::Mv(request) => only(srm.mv(who, &request.from_surl, &request.to_surl).await),
        Call::PrepareToPut(request) => {
            put_reply(srm.prepare_to_put(who, put_request(request)).await)
        }
        Call::StatusOfPutRequest(request) => {
            let asked = surls(request.array_of_target_surls);
            put_status_reply(srm.status_of_put(who, &request.request_token, asked).await)
        }
        Call::PutDone(request) => {
            let surls = request.array_of_surls.items;
            let answer = srm.put_done(who, &request.request_token, surls).await;
            let (return_status, array_of_file_statuses) = files(answer);
            Reply::PutDone(SrmPutDoneResponse { return_status, array_of_file_statuses })
        }
        Call::PrepareToGet(request) => {
            get_reply(srm.prepare_to_get(who, get_request(request)).await)
        }
        Call::StatusOfGetRequest(request) => {
            let asked = surls(request.array_of_source_surls);
            get_status_reply(srm.status_of_get(who, &request.request_token, asked).await)
        }
        Call::BringOnline(request) => {
            let deferred = request.deferred_start_time;
            let request = bring_online_request(request);
            let answer = srm.bring_online(who, request, deferred).await;
            Reply::BringOnline(SrmBringOnlineResponse {
                return_status: answer.status.into(),
                request_token: answer.token.map(|token| token.to_string()),
                array_of_file_statuses: bring_online_statuses(answer.files),
                remaining_total_request_time: answer.remaining_total_time,
                remaining_deferred_start_time: answer.remaining_deferred_start,
            })
        }
        Call::StatusOfBringOnlineRequest(request) => {
            let asked = surls(request.array_of_source_surls);
            let answer = srm.status_of_bring_online(who, &request.request_token, asked).await;
            Reply::StatusOfBringOnlineRequest(SrmStatusOfBringOnlineRequestResponse {
                return_status: answer.status.into(),
                array_of_file_statuses: bring_online_statuses(answer.files),
                remaining_total_request_time: answer.remaining_total_time,
                remaining_deferred_start_time: answer.remaining_deferred_start,
            })
        }
        Call::ExtendFileLifeTime(request) => {
            let answer = srm.extend_lifetime(who, extend_request(request)).await;
            Reply::ExtendFileLifeTime(SrmExtendFileLifeTimeResponse {
                return_status: answer.status.into(),
                array_of_file_statuses: lifetimes(answer.files),
            })
        }
        Call::SuspendRequest(request) => {
            only(srm.suspend_request(who, &request.request_token).await)
        }
        Call::ResumeRequest(request) => only(srm.resume_request(who, &request.request_token).await),
        Call::ReleaseFiles(request) => {
            let (token, remove) = (request.request_token, request.do_remove.unwrap_or(false));
            let asked = surls(request.array_of_surls);
            let answer = srm.release_files(who, token.as_deref(), asked, remove).await;
            let (return_status, array_of_file_statuses) = files(answer);
            Reply::ReleaseFiles(SrmReleaseFilesResponse { return_status, array_of_file_statuses })
        }
        Call::AbortRequest(request) => only(srm.abort_request(who, &request.request_token).await),
        Call::AbortFiles(request) => {
            let surls = request.array_of_surls.items;
            let answer = srm.abort_files(who, &request.request_token, surls).await;
            let (return_status, array_of_file_statuses) = files(answer);
            Reply::AbortFiles(SrmAbortFilesResponse { return_status, array_of_file_statuses })
        }
        Call::GetRequestSummary(request) => {
            let answer = srm.request_summary(who, request.array_of_request_tokens.items).await;
            Reply::GetRequestSummary(SrmGetRequestSummaryResponse {
                return_status: answer.status.into(),
                array_of_request_summaries: summaries(answer.summaries),
            })
        }
        Call::GetRequestTokens(request) => {
            let description = request.user_request_description;
            let answer = srm.request_tokens(who, description.as_deref()).await;
            Reply::GetRequestTokens(SrmGetRequestTokensResponse {
                return_status: answer.status.into(),
                array_of_request_tokens: request_tokens(answer.tokens),
            })
        }
        Call::GetSpaceTokens(request) => {
            let description = request.user_space_token_description;
            let answer = srm.get_space_tokens(who, description.as_deref()).await;
            let tokens = answer.tokens.unwrap_or_default();
            Reply::GetSpaceTokens(SrmGetSpaceTokensResponse {
                return_status: answer.status.into(),
                array_of_space_tokens: strings(tokens.into_iter().map(|token| token.0).collect()),
            })
        }
        Call::GetSpaceMetaData(request) => {
            let answer = srm.get_space_meta_data(who, request.array_of_space_tokens.items).await;
            Reply::GetSpaceMetaData(SrmGetSpaceMetaDataResponse {
                return_status: answer.status.into(),
                array_of_space_details: spaces(answer.spaces),
            })
        }
        Call::Copy(request) => {
            let answer = srm.copy(who, copy_request(request)).await;
            Reply::Copy(SrmCopyResponse {
                return_status: answer.status.into(),
                request_token: answer.token.map(|token| token.to_string()),
                array_of_file_statuses: copy_statuses(answer.files),
                remaining_total_request_time: answer.remaining_total_time,
            })
        }
        Call::StatusOfCopyRequest(request) => {
            let sources = surls(request.array_of_source_surls);
            let targets = surls(request.array_of_target_surls);
            let answer = srm.status_of_copy(who, &request.request_token, sources, targets).await;
            Reply::StatusOfCopyRequest(SrmStatusOfCopyRequestResponse {
                return_status: answer.status.into(),
                array_of_file_statuses: copy_statuses(answer.files),
                remaining_total_request_time: answer.remaining_total_time,
            })
        }
        Call::ReserveSpace(request) => {
            reserve_reply(srm.reserve_space(who, reserve_request(request)).await)
        }
        Call::StatusOfReserveSpaceRequest(request) => {
            reserve_status_reply(srm.status_of_reserve_space(who, &request.request_token).await)
        }
        Call::ReleaseSpace(request) => {
            let force = request.force_file_release.unwrap_or(false);
            only(srm.release_space(who, &request.space_token, force).await)
        }
        Call::UpdateSpace(request) => {
            let answer = srm.update_space(who, update_request(request)).await;
            Reply::UpdateSpace(SrmUpdateSpaceResponse {
                return_status: answer.status.into(),
                request_token: answer.token.map(|token| token.to_string()),
                size_of_total_space: answer.total,
                size_of_guaranteed_space: answer.guaranteed,
                lifetime_granted: answer.lifetime,
            })
        }
        Call::StatusOfUpdateSpaceRequest(request) => {
            let answer = srm.status_of_update_space(who, &request.request_token).await;
            Reply::StatusOfUpdateSpaceRequest(SrmStatusOfUpdateSpaceRequestResponse {
                return_status: answer.status.into(),
                size_of_total_space: answer.total,
                size_of_guaranteed_space: answer.guaranteed,
                lifetime_granted: answer.lifetime,
            })
        }
        Call::ChangeSpaceForFiles(request) => {
            let (surls, token) = (request.array_of_surls.items, request.target_space_token);
            let answer = srm.change_space(who, surls, &token).await;
            Reply::ChangeSpaceForFiles(SrmChangeSpaceForFilesResponse {
                return_status: answer.status.into(),
                request_token: answer.token.map(|token| token.to_string()),
                estimated_processing_time: None,
                array_of_file_statuses: surl_statuses(answer.files),
            })
        }
        Call::StatusOfChangeSpaceForFilesRequest(request) => {
            let answer = srm.status_of_change_space(who, &request.request_token).await;
            Reply::StatusOfChangeSpaceForFilesRequest(
                SrmStatusOfChangeSpaceForFilesRequestResponse {
                    return_status: answer.status.into(),
                    estimated_processing_time: None,
                    array_of_file_statuses: surl_statuses(answer.files),
                },
            )
        }
        Call::ExtendFileLifeTimeInSpace(request) => {
            let (token, surls) = (request.space_token, surls(request.array_of_surls));
            let answer = srm.extend_in_space(who, &token, surls, request.new_life_time).await;
            Reply::ExtendFileLifeTimeInSpace(SrmExtendFileLifeTimeInSpaceResponse {
                return_status: answer.status.into(),
                array_of_file_statuses: lifetimes(answer.files),
            })
        }
        Call::PurgeFromSpace(request) => {
            let surls = request.array_of_surls.items;
            let answer = srm.purge_from_space(who, &request.space_token, surls).await;
            let (return_status, array_of_file_statuses) = files(answer);
            Reply::PurgeFromSpace(SrmPurgeFromSpaceResponse {
                return_status,
                array_of_file_statuses,
            })
        }
        Call::SetPermission(request) => {
            only(srm.set_permission(who, set_permission(request)).await)
        }
        Call::CheckPermission(request) => {
            let answer = srm.check_permission(who, request.array_of_surls.items).await;
            Reply::CheckPermission(SrmCheckPermissionResponse {
                return_status: answer.status.into(),
                array_of_permissions: checked_permissions(answer.files),
            })
        }
        Call::GetPermission(request) => {
            let answer = srm.get_permission(who, request.array_of_surls.items).await;
            Reply::GetPermission(SrmGetPermissionResponse {
                return_status: answer.status.into(),
                array_of_permission_returns: found_permissions(answer.files),
            })
        }
    })
}

fn files(answer: FilesAnswer) -> (TReturnStatus, Option<ArrayOfTSURLReturnStatus>) {
    (answer.status.into(), surl_statuses(answer.files))
}

fn put_reply(answer: PutAnswer) -> Reply {
    Reply::PrepareToPut(SrmPrepareToPutResponse {
        return_status: answer.status.into(),
        request_token: answer.token.map(|token| token.to_string()),
        array_of_file_statuses: put_statuses(answer.files),
        remaining_total_request_time: answer.remaining_total_time,
    })
}

fn put_status_reply(answer: PutAnswer) -> Reply {
    Reply::StatusOfPutRequest(SrmStatusOfPutRequestResponse {
        return_status: answer.status.into(),
        array_of_file_statuses: put_statuses(answer.files),
        remaining_total_request_time: answer.remaining_total_time,
    })
}

fn get_reply(answer: GetAnswer) -> Reply {
    Reply::PrepareToGet(SrmPrepareToGetResponse {
        return_status: answer.status.into(),
        request_token: answer.token.map(|token| token.to_string()),
        array_of_file_statuses: get_statuses(answer.files),
        remaining_total_request_time: answer.remaining_total_time,
    })
}

fn get_status_reply(answer: GetAnswer) -> Reply {
    Reply::StatusOfGetRequest(SrmStatusOfGetRequestResponse {
        return_status: answer.status.into(),
        array_of_file_statuses: get_statuses(answer.files),
        remaining_total_request_time: answer.remaining_total_time,
    })
}

fn reserve_reply(answer: SpaceGrantAnswer) -> Reply {
    Reply::ReserveSpace(SrmReserveSpaceResponse {
        return_status: answer.status.into(),
        request_token: answer.token.map(|token| token.to_string()),
        estimated_processing_time: None,
        retention_policy_info: retention_out(answer.retention),
        size_of_total_reserved_space: answer.total,
        size_of_guaranteed_reserved_space: answer.guaranteed,
        lifetime_of_reserved_space: answer.lifetime,
        space_token: answer.space.map(|token| token.0),
    })
}

fn reserve_status_reply(answer: SpaceGrantAnswer) -> Reply {
    Reply::StatusOfReserveSpaceRequest(SrmStatusOfReserveSpaceRequestResponse {
        return_status: answer.status.into(),
        estimated_processing_time: None,
        retention_policy_info: retention_out(answer.retention),
        size_of_total_reserved_space: answer.total,
        size_of_guaranteed_reserved_space: answer.guaranteed,
        lifetime_of_reserved_space: answer.lifetime,
        space_token: answer.space.map(|token| token.0),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::{Person, ProxyKind, Refusal};

    use super::super::requests::SrmPingRequest;
    use super::*;

    fn person() -> Identity {
        Identity::Person(Arc::new(Person {
            dn: "/CN=u".to_owned(),
            fqans: Vec::new(),
            not_after: std::time::SystemTime::now(),
            proxy: ProxyKind::EndEntity,
            notes: Vec::new(),
            scope: None,
        }))
    }

    fn ping() -> Call {
        Call::Ping(SrmPingRequest { authorization_id: None })
    }

    fn bad(operation: Operation) -> Decoded {
        Decoded { operation, call: Err("count is \"x\"".to_owned()) }
    }

    fn code(refused: Result<Reply, SoapFault>) -> StatusCode {
        refused.unwrap().return_status().unwrap().status_code
    }

    #[test]
    fn strangers_do_not_reach_the_core() {
        let why = "your proxy expired 3 h ago: make a new one with voms-proxy-init";
        let refused = Identity::Refused(Arc::new(Refusal::new(None, why.to_owned())));
        for who in [Identity::Anonymous, refused.clone()] {
            let answer = screen(&who, bad(Operation::Ls)).break_value().unwrap();
            assert_eq!(code(answer), StatusCode::AuthenticationFailure);
        }
        let decoded = Decoded { operation: Operation::Ping, call: Ok(ping()) };
        let fault = screen(&refused, decoded).break_value().unwrap().unwrap_err();
        assert_eq!(fault.text, format!("SRM_AUTHENTICATION_FAILURE: {why}"));
    }

    #[test]
    fn bad_values_are_answered_in_the_operation_itself() {
        let answer = screen(&person(), bad(Operation::Ls)).break_value().unwrap();
        assert_eq!(code(answer), StatusCode::InvalidRequest);
        assert!(screen(&person(), bad(Operation::Ping)).break_value().unwrap().is_err());
        let decoded = Decoded { operation: Operation::Ping, call: Ok(ping()) };
        assert_eq!(screen(&person(), decoded), ControlFlow::Continue(ping()));
    }
}
