//! srmCopy and its status call.

use super::super::requests::SrmCopyRequest;
use super::super::types::*;
use super::{items, levels, retention_in};
use crate::srm;

pub(in crate::soap) fn copy_request(request: SrmCopyRequest) -> srm::CopyRequest {
    let file = |file: TCopyFileRequest| srm::CopyFile {
        source: file.source_surl,
        target: file.target_surl,
        directory: levels(file.dir_option),
    };
    srm::CopyRequest {
        files: request.array_of_file_requests.items.into_iter().map(file).collect(),
        description: request.user_request_description,
        overwrite: request.overwrite_option,
        total_time: request.desired_total_request_time,
        file_lifetime: request.desired_target_surl_life_time,
        storage_type: request.target_file_storage_type,
        space_token: request.target_space_token,
        retention: retention_in(request.target_file_retention_policy_info),
    }
}

pub(in crate::soap) fn copy_statuses(
    files: Option<Vec<srm::CopyFileStatus>>,
) -> Option<ArrayOfTCopyRequestFileStatus> {
    let file = |file: srm::CopyFileStatus| TCopyRequestFileStatus {
        source_surl: file.source,
        target_surl: file.target,
        status: file.status.into(),
        file_size: file.size,
        estimated_wait_time: file.estimated_wait,
        remaining_file_lifetime: file.remaining_lifetime,
    };
    items(files, file).map(|items| ArrayOfTCopyRequestFileStatus { items })
}
