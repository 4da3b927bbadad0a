//! Between the wire's structures and the core's values. Pure functions; nothing is judged here.

mod copy;
mod permission;

use std::time::SystemTime;

use time::OffsetDateTime;

use crate::model::{RequestKind, RequestToken, RetentionPolicyInfo, ReturnStatus};
use crate::srm;

use super::enums::{FileType, PermissionMode, RequestType};
use super::requests::*;
use super::types::*;

pub(super) use copy::*;
pub(super) use permission::*;

impl From<ReturnStatus> for TReturnStatus {
    fn from(status: ReturnStatus) -> Self {
        Self { status_code: status.code, explanation: text(status.explanation) }
    }
}

/// Empty is absent.
fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn retention_in(info: Option<TRetentionPolicyInfo>) -> Option<RetentionPolicyInfo> {
    info.map(|info| RetentionPolicyInfo {
        retention_policy: info.retention_policy,
        access_latency: info.access_latency,
    })
}

pub(super) fn retention_out(info: Option<RetentionPolicyInfo>) -> Option<TRetentionPolicyInfo> {
    info.map(|info| TRetentionPolicyInfo {
        retention_policy: info.retention_policy,
        access_latency: info.access_latency,
    })
}

/// The protocols of `transferParameters`, as the client spelt them; an empty list is absent.
fn protocols(parameters: Option<TTransferParameters>) -> Option<Vec<String>> {
    let names = parameters?.array_of_transfer_protocols?.items;
    (!names.is_empty()).then_some(names)
}

pub(super) fn ls_request(request: SrmLsRequest) -> srm::LsRequest {
    srm::LsRequest {
        surls: request.array_of_surls.items,
        storage_type: request.file_storage_type,
        full_detailed: request.full_detailed_list,
        all_level_recursive: request.all_level_recursive,
        levels: request.num_of_levels,
        offset: request.offset,
        count: request.count,
    }
}

pub(super) fn put_request(request: SrmPrepareToPutRequest) -> srm::PutRequest {
    let file = |file: TPutFileRequest| srm::PutFile {
        surl: file.target_surl,
        expected_size: file.expected_file_size,
    };
    srm::PutRequest {
        files: request.array_of_file_requests.map(|a| a.items.into_iter().map(file).collect()),
        description: request.user_request_description,
        overwrite: request.overwrite_option,
        total_time: request.desired_total_request_time,
        pin_lifetime: request.desired_pin_life_time,
        file_lifetime: request.desired_file_life_time,
        storage_type: request.desired_file_storage_type,
        space_token: request.target_space_token,
        retention: retention_in(request.target_file_retention_policy_info),
        protocols: protocols(request.transfer_parameters),
    }
}

/// `None` unless the source is said to be a directory.
fn levels(option: Option<TDirOption>) -> Option<srm::Levels> {
    option
        .filter(|option| option.is_source_a_directory)
        .map(|option| srm::Levels { all: option.all_level_recursive, levels: option.num_of_levels })
}

fn get_files(files: ArrayOfTGetFileRequest) -> Option<Vec<srm::GetFile>> {
    let file = |file: TGetFileRequest| srm::GetFile {
        surl: text(file.source_surl),
        directory: levels(file.dir_option),
    };
    Some(files.items.into_iter().map(file).collect())
}

pub(super) fn get_request(request: SrmPrepareToGetRequest) -> srm::GetRequest {
    srm::GetRequest {
        files: get_files(request.array_of_file_requests),
        description: request.user_request_description,
        storage_type: request.desired_file_storage_type,
        total_time: request.desired_total_request_time,
        pin_lifetime: request.desired_pin_life_time,
        space_token: request.target_space_token,
        retention: retention_in(request.target_file_retention_policy_info),
        protocols: protocols(request.transfer_parameters),
    }
}

pub(super) fn reserve_request(request: SrmReserveSpaceRequest) -> srm::ReserveSpace {
    let class = request.retention_policy_info;
    srm::ReserveSpace {
        description: request.user_space_token_description,
        retention: RetentionPolicyInfo {
            retention_policy: class.retention_policy,
            access_latency: class.access_latency,
        },
        total: request.desired_size_of_total_space,
        guaranteed: request.desired_size_of_guaranteed_space,
        lifetime: request.desired_lifetime_of_reserved_space,
    }
}

pub(super) fn update_request(request: SrmUpdateSpaceRequest) -> srm::UpdateSpace {
    srm::UpdateSpace {
        token: request.space_token,
        total: request.new_size_of_total_space_desired,
        guaranteed: request.new_size_of_guaranteed_space_desired,
        lifetime: request.new_life_time,
    }
}

/// Without the list of protocols, which is ignored: clients send any.
pub(super) fn bring_online_request(request: SrmBringOnlineRequest) -> srm::GetRequest {
    srm::GetRequest {
        files: get_files(request.array_of_file_requests),
        description: request.user_request_description,
        storage_type: request.desired_file_storage_type,
        total_time: request.desired_total_request_time,
        pin_lifetime: request.desired_life_time,
        space_token: request.target_space_token,
        retention: retention_in(request.target_file_retention_policy_info),
        protocols: None,
    }
}

pub(super) fn extend_request(request: SrmExtendFileLifeTimeRequest) -> srm::ExtendRequest {
    srm::ExtendRequest {
        token: request.request_token,
        surls: request.array_of_surls.items,
        file_lifetime: request.new_file_life_time,
        pin_lifetime: request.new_pin_life_time,
    }
}

/// The SURLs of an optional list; an empty list is absent.
pub(super) fn surls(list: Option<ArrayOfAnyURI>) -> Option<Vec<String>> {
    list.map(|list| list.items).filter(|surls| !surls.is_empty())
}

pub(super) fn surl_statuses(
    files: Option<Vec<srm::SurlStatus>>,
) -> Option<ArrayOfTSURLReturnStatus> {
    let file =
        |file: srm::SurlStatus| TSURLReturnStatus { surl: file.surl, status: file.status.into() };
    items(files, file).map(|items| ArrayOfTSURLReturnStatus { items })
}

pub(super) fn lifetimes(
    files: Option<Vec<srm::SurlLifetime>>,
) -> Option<ArrayOfTSURLLifetimeReturnStatus> {
    let file = |file: srm::SurlLifetime| TSURLLifetimeReturnStatus {
        surl: file.surl,
        status: file.status.into(),
        file_lifetime: file.file_lifetime,
        pin_lifetime: file.pin_lifetime,
    };
    items(files, file).map(|items| ArrayOfTSURLLifetimeReturnStatus { items })
}

pub(super) fn extra_info(pairs: Vec<(String, String)>) -> Option<ArrayOfTExtraInfo> {
    let pair = |(key, value)| TExtraInfo { key, value: Some(value) };
    items(Some(pairs), pair).map(|items| ArrayOfTExtraInfo { items })
}

pub(super) fn protocol_list(
    protocols: Vec<crate::model::Protocol>,
) -> Option<ArrayOfTSupportedTransferProtocol> {
    let protocol = |protocol: crate::model::Protocol| TSupportedTransferProtocol {
        transfer_protocol: protocol.to_string(),
        attributes: None,
    };
    items(Some(protocols), protocol).map(|items| ArrayOfTSupportedTransferProtocol { items })
}

pub(super) fn path_details(
    details: Option<Vec<srm::PathDetail>>,
) -> Option<ArrayOfTMetaDataPathDetail> {
    items(details, path_detail).map(|items| ArrayOfTMetaDataPathDetail { items })
}

fn path_detail(detail: srm::PathDetail) -> TMetaDataPathDetail {
    let tokens: Vec<String> = detail.space_tokens.into_iter().map(|token| token.0).collect();
    let (check_sum_type, check_sum_value) = detail.checksum.unzip();
    TMetaDataPathDetail {
        path: detail.path,
        status: Some(detail.status.into()),
        size: detail.size,
        created_at_time: detail.created.map(date_time),
        last_modification_time: detail.modified.map(date_time),
        file_storage_type: detail.storage_type,
        retention_policy_info: retention_out(detail.retention),
        file_locality: detail.locality,
        array_of_space_tokens: strings(tokens),
        file_type: detail.kind.map(|kind| match kind {
            srm::EntryKind::File => FileType::File,
            srm::EntryKind::Directory => FileType::Directory,
        }),
        lifetime_assigned: detail.lifetime_assigned,
        lifetime_left: detail.lifetime_left,
        owner_permission: detail.owner.map(|(user_id, bits)| TUserPermission {
            user_id,
            mode: PermissionMode::from_bits(bits),
        }),
        group_permission: detail.group.map(|(group_id, bits)| TGroupPermission {
            group_id,
            mode: PermissionMode::from_bits(bits),
        }),
        other_permission: detail.other.map(PermissionMode::from_bits),
        check_sum_type,
        check_sum_value,
        // gfal2 lists nothing when an empty list stands here.
        array_of_sub_paths: path_details(detail.children),
    }
}

pub(super) fn put_statuses(
    files: Option<Vec<srm::PutFileStatus>>,
) -> Option<ArrayOfTPutRequestFileStatus> {
    let file = |file: srm::PutFileStatus| TPutRequestFileStatus {
        surl: file.surl,
        status: file.status.into(),
        file_size: file.size,
        estimated_wait_time: file.estimated_wait,
        remaining_pin_lifetime: file.remaining_pin,
        remaining_file_lifetime: file.remaining_lifetime,
        transfer_url: file.turl,
        transfer_protocol_info: None,
    };
    items(files, file).map(|items| ArrayOfTPutRequestFileStatus { items })
}

pub(super) fn get_statuses(
    files: Option<Vec<srm::GetFileStatus>>,
) -> Option<ArrayOfTGetRequestFileStatus> {
    let file = |file: srm::GetFileStatus| TGetRequestFileStatus {
        source_surl: file.surl,
        file_size: file.size,
        status: file.status.into(),
        estimated_wait_time: file.estimated_wait,
        remaining_pin_time: file.remaining_pin,
        transfer_url: file.turl,
        transfer_protocol_info: None,
    };
    items(files, file).map(|items| ArrayOfTGetRequestFileStatus { items })
}

pub(super) fn bring_online_statuses(
    files: Option<Vec<srm::GetFileStatus>>,
) -> Option<ArrayOfTBringOnlineRequestFileStatus> {
    let file = |file: srm::GetFileStatus| TBringOnlineRequestFileStatus {
        source_surl: file.surl,
        status: file.status.into(),
        file_size: file.size,
        estimated_wait_time: file.estimated_wait,
        remaining_pin_time: file.remaining_pin,
    };
    items(files, file).map(|items| ArrayOfTBringOnlineRequestFileStatus { items })
}

pub(super) fn summaries(
    summaries: Option<Vec<srm::RequestSummary>>,
) -> Option<ArrayOfTRequestSummary> {
    let summary = |summary: srm::RequestSummary| {
        let files = summary.files;
        let count = |of: fn(&srm::Tally) -> u32| {
            files.as_ref().map(|files| i32::try_from(of(files)).unwrap_or(i32::MAX))
        };
        TRequestSummary {
            request_token: summary.token,
            status: summary.status.into(),
            request_type: summary.kind.map(RequestType::from),
            total_num_files_in_request: count(|files| files.total),
            num_of_completed_files: count(|files| files.completed),
            num_of_waiting_files: count(|files| files.waiting),
            num_of_failed_files: count(|files| files.failed),
        }
    };
    items(summaries, summary).map(|items| ArrayOfTRequestSummary { items })
}

pub(super) fn request_tokens(
    tokens: Vec<(RequestToken, SystemTime)>,
) -> Option<ArrayOfTRequestTokenReturn> {
    let token = |(token, created): (RequestToken, SystemTime)| TRequestTokenReturn {
        request_token: token.to_string(),
        created_at_time: Some(date_time(created)),
    };
    items(Some(tokens), token).map(|items| ArrayOfTRequestTokenReturn { items })
}

impl From<RequestKind> for RequestType {
    fn from(kind: RequestKind) -> Self {
        match kind {
            RequestKind::Put => RequestType::PrepareToPut,
            RequestKind::Get => RequestType::PrepareToGet,
            RequestKind::BringOnline => RequestType::BringOnline,
            RequestKind::Copy => RequestType::Copy,
            RequestKind::ReserveSpace => RequestType::ReserveSpace,
            RequestKind::UpdateSpace => RequestType::UpdateSpace,
            RequestKind::ChangeSpaceForFiles => RequestType::ChangeSpaceForFiles,
            RequestKind::Ls => RequestType::Ls,
        }
    }
}

pub(super) fn strings(items: Vec<String>) -> Option<ArrayOfString> {
    (!items.is_empty()).then_some(ArrayOfString { items })
}

pub(super) fn spaces(spaces: Option<Vec<srm::SpaceMetaData>>) -> Option<ArrayOfTMetaDataSpace> {
    let space = |space: srm::SpaceMetaData| TMetaDataSpace {
        space_token: space.token,
        status: Some(space.status.into()),
        retention_policy_info: retention_out(space.retention),
        owner: space.owner,
        total_size: space.total,
        guaranteed_size: space.guaranteed,
        unused_size: space.unused,
        lifetime_assigned: space.lifetime_assigned,
        lifetime_left: space.lifetime_left,
    };
    items(spaces, space).map(|items| ArrayOfTMetaDataSpace { items })
}

/// Converts a list. An array of the WSDL holds one item at least, so an empty list is left out.
fn items<A, B>(list: Option<Vec<A>>, convert: impl FnMut(A) -> B) -> Option<Vec<B>> {
    let list = list?;
    (!list.is_empty()).then(|| list.into_iter().map(convert).collect())
}

/// `xsd:dateTime` in UTC, whole seconds; a time beyond the years 1 to 9999 becomes the nearest.
fn date_time(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |before| -before)
        }
    };
    // 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
    let seconds = seconds.clamp(-62_135_596_800, 253_402_300_799);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::model::{AccessLatency, RetentionPolicy, SpaceToken, StatusCode};

    use super::*;

    #[test]
    fn times_are_utc_and_bounded() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(date_time(at(1_700_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(date_time(at(400_000_000_000)), "9999-12-31T23:59:59Z");
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(date_time(before), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn a_path_detail_keeps_every_field() {
        let child = detail("/atlas/d/f", None);
        let wire = path_detail(detail("/atlas/d", Some(vec![child])));
        assert_eq!(wire.path, "/atlas/d");
        assert_eq!(wire.status.as_ref().map(|s| s.status_code), Some(StatusCode::Success));
        assert_eq!(wire.file_type, Some(FileType::Directory));
        assert_eq!(wire.owner_permission.as_ref().map(|p| p.mode), Some(PermissionMode::Rwx));
        assert_eq!(wire.group_permission.as_ref().map(|p| p.mode), Some(PermissionMode::Rx));
        assert_eq!(wire.other_permission, Some(PermissionMode::None));
        assert_eq!(wire.check_sum_type.as_deref(), Some("ADLER32"));
        assert_eq!(wire.check_sum_value.as_deref(), Some("00000001"));
        assert_eq!(wire.array_of_space_tokens.map(|a| a.items), Some(vec!["T".to_owned()]));
        assert_eq!(
            wire.retention_policy_info.and_then(|r| r.access_latency),
            Some(AccessLatency::Online)
        );
        let children = wire.array_of_sub_paths.map(|a| a.items).unwrap_or_default();
        assert_eq!(children.len(), 1);
        assert_eq!(children[0].array_of_sub_paths, None);
    }

    #[test]
    fn an_empty_directory_has_no_list_of_children() {
        assert_eq!(path_detail(detail("/d", Some(vec![]))).array_of_sub_paths, None);
        assert_eq!(surls(Some(ArrayOfAnyURI { items: vec![] })), None);
    }

    fn detail(path: &str, children: Option<Vec<srm::PathDetail>>) -> srm::PathDetail {
        srm::PathDetail {
            path: path.to_owned(),
            status: ReturnStatus::success("ok"),
            size: Some(0),
            created: None,
            modified: Some(SystemTime::UNIX_EPOCH),
            storage_type: None,
            retention: Some(RetentionPolicyInfo {
                retention_policy: RetentionPolicy::Replica,
                access_latency: Some(AccessLatency::Online),
            }),
            locality: None,
            space_tokens: vec![SpaceToken("T".to_owned())],
            kind: Some(srm::EntryKind::Directory),
            lifetime_assigned: Some(-1),
            lifetime_left: Some(-1),
            owner: Some(("u".to_owned(), 7)),
            group: Some(("g".to_owned(), 5)),
            other: Some(0),
            checksum: Some(("ADLER32".to_owned(), "00000001".to_owned())),
            children,
        }
    }
}
