//! The structures that the operations share, in the order of the WSDL.

use crate::model::{AccessLatency, FileLocality, FileStorageType, RetentionPolicy, StatusCode};

use super::enums::{AccessPattern, ConnectionType, FileType, PermissionMode, RequestType};
use super::value::Slot;
use super::wire::wire;

wire! {
    TRetentionPolicyInfo = "TRetentionPolicyInfo" {
        retention_policy: RetentionPolicy = "retentionPolicy",
        access_latency: Option<AccessLatency> = "accessLatency",
    }

    TUserPermission = "TUserPermission" {
        user_id: String = "userID",
        mode: PermissionMode = "mode",
    }

    ArrayOfTUserPermission = "ArrayOfTUserPermission" {
        items: Vec<TUserPermission> = "userPermissionArray",
    }

    TGroupPermission = "TGroupPermission" {
        group_id: String = "groupID",
        mode: PermissionMode = "mode",
    }

    ArrayOfTGroupPermission = "ArrayOfTGroupPermission" {
        items: Vec<TGroupPermission> = "groupPermissionArray",
    }

    ArrayOfUnsignedLong = "ArrayOfUnsignedLong" {
        items: Vec<u64> = "unsignedLongArray",
    }

    ArrayOfString = "ArrayOfString" {
        items: Vec<String> = "stringArray",
    }

    TReturnStatus = "TReturnStatus" {
        status_code: StatusCode = "statusCode",
        explanation: Option<String> = "explanation",
    }

    TSURLReturnStatus = "TSURLReturnStatus" {
        surl: String = "surl" as "xsd:anyURI",
        status: TReturnStatus = "status",
    }

    ArrayOfTSURLReturnStatus = "ArrayOfTSURLReturnStatus" {
        items: Vec<TSURLReturnStatus> = "statusArray",
    }

    TSURLLifetimeReturnStatus = "TSURLLifetimeReturnStatus" {
        surl: String = "surl" as "xsd:anyURI",
        status: TReturnStatus = "status",
        file_lifetime: Option<i32> = "fileLifetime",
        pin_lifetime: Option<i32> = "pinLifetime",
    }

    ArrayOfTSURLLifetimeReturnStatus = "ArrayOfTSURLLifetimeReturnStatus" {
        items: Vec<TSURLLifetimeReturnStatus> = "statusArray",
    }

    TMetaDataPathDetail = "TMetaDataPathDetail" {
        path: String = "path",
        status: Option<TReturnStatus> = "status",
        size: Option<u64> = "size",
        created_at_time: Option<String> = "createdAtTime" as "xsd:dateTime",
        last_modification_time: Option<String> = "lastModificationTime" as "xsd:dateTime",
        file_storage_type: Option<FileStorageType> = "fileStorageType",
        retention_policy_info: Option<TRetentionPolicyInfo> = "retentionPolicyInfo",
        file_locality: Option<FileLocality> = "fileLocality",
        array_of_space_tokens: Option<ArrayOfString> = "arrayOfSpaceTokens",
        file_type: Option<FileType> = "type",
        lifetime_assigned: Option<i32> = "lifetimeAssigned",
        lifetime_left: Option<i32> = "lifetimeLeft",
        owner_permission: Option<TUserPermission> = "ownerPermission",
        group_permission: Option<TGroupPermission> = "groupPermission",
        other_permission: Option<PermissionMode> = "otherPermission",
        check_sum_type: Option<String> = "checkSumType",
        check_sum_value: Option<String> = "checkSumValue",
        array_of_sub_paths: Option<ArrayOfTMetaDataPathDetail> = "arrayOfSubPaths",
    }

    ArrayOfTMetaDataPathDetail = "ArrayOfTMetaDataPathDetail" {
        items: Vec<TMetaDataPathDetail> = "pathDetailArray",
    }

    TMetaDataSpace = "TMetaDataSpace" {
        space_token: String = "spaceToken",
        status: Option<TReturnStatus> = "status",
        retention_policy_info: Option<TRetentionPolicyInfo> = "retentionPolicyInfo",
        owner: Option<String> = "owner",
        total_size: Option<u64> = "totalSize",
        guaranteed_size: Option<u64> = "guaranteedSize",
        unused_size: Option<u64> = "unusedSize",
        lifetime_assigned: Option<i32> = "lifetimeAssigned",
        lifetime_left: Option<i32> = "lifetimeLeft",
    }

    ArrayOfTMetaDataSpace = "ArrayOfTMetaDataSpace" {
        items: Vec<TMetaDataSpace> = "spaceDataArray",
    }

    TDirOption = "TDirOption" {
        is_source_a_directory: bool = "isSourceADirectory",
        all_level_recursive: Option<bool> = "allLevelRecursive",
        num_of_levels: Option<i32> = "numOfLevels",
    }

    TExtraInfo = "TExtraInfo" {
        key: String = "key",
        value: Option<String> = "value",
    }

    ArrayOfTExtraInfo = "ArrayOfTExtraInfo" {
        items: Vec<TExtraInfo> = "extraInfoArray",
    }

    ArrayOfAnyURI = "ArrayOfAnyURI" {
        items: Vec<String> = "urlArray" as "xsd:anyURI",
    }

    TTransferParameters = "TTransferParameters" {
        access_pattern: Option<AccessPattern> = "accessPattern",
        connection_type: Option<ConnectionType> = "connectionType",
        array_of_client_networks: Option<ArrayOfString> = "arrayOfClientNetworks",
        array_of_transfer_protocols: Option<ArrayOfString> = "arrayOfTransferProtocols",
    }

    TGetFileRequest = "TGetFileRequest" {
        source_surl: String = "sourceSURL" as "xsd:anyURI",
        dir_option: Option<TDirOption> = "dirOption",
    }

    ArrayOfTGetFileRequest = "ArrayOfTGetFileRequest" {
        items: Vec<TGetFileRequest> = "requestArray",
    }

    TPutFileRequest = "TPutFileRequest" {
        target_surl: Option<String> = "targetSURL" as "xsd:anyURI",
        expected_file_size: Option<u64> = "expectedFileSize",
    }

    ArrayOfTPutFileRequest = "ArrayOfTPutFileRequest" {
        items: Vec<TPutFileRequest> = "requestArray",
    }

    TCopyFileRequest = "TCopyFileRequest" {
        source_surl: String = "sourceSURL" as "xsd:anyURI",
        target_surl: String = "targetSURL" as "xsd:anyURI",
        dir_option: Option<TDirOption> = "dirOption",
    }

    ArrayOfTCopyFileRequest = "ArrayOfTCopyFileRequest" {
        items: Vec<TCopyFileRequest> = "requestArray",
    }

    TGetRequestFileStatus = "TGetRequestFileStatus" {
        source_surl: String = "sourceSURL" as "xsd:anyURI",
        file_size: Option<u64> = "fileSize",
        status: TReturnStatus = "status",
        estimated_wait_time: Option<i32> = "estimatedWaitTime",
        remaining_pin_time: Option<i32> = "remainingPinTime",
        transfer_url: Option<String> = "transferURL" as "xsd:anyURI",
        transfer_protocol_info: Option<ArrayOfTExtraInfo> = "transferProtocolInfo",
    }

    ArrayOfTGetRequestFileStatus = "ArrayOfTGetRequestFileStatus" {
        items: Vec<TGetRequestFileStatus> = "statusArray",
    }

    TBringOnlineRequestFileStatus = "TBringOnlineRequestFileStatus" {
        source_surl: String = "sourceSURL" as "xsd:anyURI",
        status: TReturnStatus = "status",
        file_size: Option<u64> = "fileSize",
        estimated_wait_time: Option<i32> = "estimatedWaitTime",
        remaining_pin_time: Option<i32> = "remainingPinTime",
    }

    ArrayOfTBringOnlineRequestFileStatus = "ArrayOfTBringOnlineRequestFileStatus" {
        items: Vec<TBringOnlineRequestFileStatus> = "statusArray",
    }

    TPutRequestFileStatus = "TPutRequestFileStatus" {
        surl: String = "SURL" as "xsd:anyURI",
        status: TReturnStatus = "status",
        file_size: Option<u64> = "fileSize",
        estimated_wait_time: Option<i32> = "estimatedWaitTime",
        remaining_pin_lifetime: Option<i32> = "remainingPinLifetime",
        remaining_file_lifetime: Option<i32> = "remainingFileLifetime",
        transfer_url: Option<String> = "transferURL" as "xsd:anyURI",
        transfer_protocol_info: Option<ArrayOfTExtraInfo> = "transferProtocolInfo",
    }

    ArrayOfTPutRequestFileStatus = "ArrayOfTPutRequestFileStatus" {
        items: Vec<TPutRequestFileStatus> = "statusArray" (plain),
    }

    TCopyRequestFileStatus = "TCopyRequestFileStatus" {
        source_surl: String = "sourceSURL" as "xsd:anyURI",
        target_surl: String = "targetSURL" as "xsd:anyURI",
        status: TReturnStatus = "status",
        file_size: Option<u64> = "fileSize",
        estimated_wait_time: Option<i32> = "estimatedWaitTime",
        remaining_file_lifetime: Option<i32> = "remainingFileLifetime",
    }

    ArrayOfTCopyRequestFileStatus = "ArrayOfTCopyRequestFileStatus" {
        items: Vec<TCopyRequestFileStatus> = "statusArray" (plain),
    }

    TRequestSummary = "TRequestSummary" {
        request_token: String = "requestToken",
        status: TReturnStatus = "status",
        request_type: Option<RequestType> = "requestType",
        total_num_files_in_request: Option<i32> = "totalNumFilesInRequest",
        num_of_completed_files: Option<i32> = "numOfCompletedFiles",
        num_of_waiting_files: Option<i32> = "numOfWaitingFiles",
        num_of_failed_files: Option<i32> = "numOfFailedFiles",
    }

    ArrayOfTRequestSummary = "ArrayOfTRequestSummary" {
        items: Vec<TRequestSummary> = "summaryArray",
    }

    TSURLPermissionReturn = "TSURLPermissionReturn" {
        surl: String = "surl" as "xsd:anyURI",
        status: TReturnStatus = "status",
        permission: Option<PermissionMode> = "permission",
    }

    ArrayOfTSURLPermissionReturn = "ArrayOfTSURLPermissionReturn" {
        items: Vec<TSURLPermissionReturn> = "surlPermissionArray" (plain),
    }

    TPermissionReturn = "TPermissionReturn" {
        surl: String = "surl" as "xsd:anyURI",
        status: Option<TReturnStatus> = "status",
        owner: Option<String> = "owner",
        owner_permission: Option<PermissionMode> = "ownerPermission",
        array_of_user_permissions: Option<ArrayOfTUserPermission> = "arrayOfUserPermissions",
        array_of_group_permissions: Option<ArrayOfTGroupPermission> = "arrayOfGroupPermissions",
        other_permission: Option<PermissionMode> = "otherPermission",
    }

    ArrayOfTPermissionReturn = "ArrayOfTPermissionReturn" {
        items: Vec<TPermissionReturn> = "permissionArray",
    }

    TRequestTokenReturn = "TRequestTokenReturn" {
        request_token: String = "requestToken",
        created_at_time: Option<String> = "createdAtTime" as "xsd:dateTime",
    }

    ArrayOfTRequestTokenReturn = "ArrayOfTRequestTokenReturn" {
        items: Vec<TRequestTokenReturn> = "tokenArray",
    }

    TSupportedTransferProtocol = "TSupportedTransferProtocol" {
        transfer_protocol: String = "transferProtocol",
        attributes: Option<ArrayOfTExtraInfo> = "attributes",
    }

    ArrayOfTSupportedTransferProtocol = "ArrayOfTSupportedTransferProtocol" {
        items: Vec<TSupportedTransferProtocol> = "protocolArray",
    }
}
