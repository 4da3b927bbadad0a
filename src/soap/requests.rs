//! What the 39 operations ask, in the order of the WSDL. `authorizationID` is read and never used:
//! it proves nothing.

use crate::model::{FileStorageType, OverwriteMode};

use super::enums::{PermissionMode, PermissionType};
use super::types::*;
use super::value::Slot;
use super::wire::wire;

wire! {
    SrmReserveSpaceRequest = "srmReserveSpaceRequest" {
        authorization_id: Option<String> = "authorizationID",
        user_space_token_description: Option<String> = "userSpaceTokenDescription",
        retention_policy_info: TRetentionPolicyInfo = "retentionPolicyInfo",
        desired_size_of_total_space: Option<u64> = "desiredSizeOfTotalSpace",
        desired_size_of_guaranteed_space: u64 = "desiredSizeOfGuaranteedSpace",
        desired_lifetime_of_reserved_space: Option<i32> = "desiredLifetimeOfReservedSpace",
        array_of_expected_file_sizes: Option<ArrayOfUnsignedLong> = "arrayOfExpectedFileSizes",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
        transfer_parameters: Option<TTransferParameters> = "transferParameters",
    }

    SrmStatusOfReserveSpaceRequestRequest = "srmStatusOfReserveSpaceRequestRequest" {
        authorization_id: Option<String> = "authorizationID",
        request_token: String = "requestToken",
    }

    SrmReleaseSpaceRequest = "srmReleaseSpaceRequest" {
        authorization_id: Option<String> = "authorizationID",
        space_token: String = "spaceToken",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
        force_file_release: Option<bool> = "forceFileRelease",
    }

    SrmUpdateSpaceRequest = "srmUpdateSpaceRequest" {
        authorization_id: Option<String> = "authorizationID",
        space_token: String = "spaceToken",
        new_size_of_total_space_desired: Option<u64> = "newSizeOfTotalSpaceDesired",
        new_size_of_guaranteed_space_desired: Option<u64> = "newSizeOfGuaranteedSpaceDesired",
        new_life_time: Option<i32> = "newLifeTime",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmStatusOfUpdateSpaceRequestRequest = "srmStatusOfUpdateSpaceRequestRequest" {
        authorization_id: Option<String> = "authorizationID",
        request_token: String = "requestToken",
    }

    SrmGetSpaceMetaDataRequest = "srmGetSpaceMetaDataRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_space_tokens: ArrayOfString = "arrayOfSpaceTokens",
    }

    SrmChangeSpaceForFilesRequest = "srmChangeSpaceForFilesRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
        target_space_token: String = "targetSpaceToken",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmStatusOfChangeSpaceForFilesRequestRequest = "srmStatusOfChangeSpaceForFilesRequestRequest" {
        authorization_id: Option<String> = "authorizationID",
        request_token: String = "requestToken",
    }

    SrmExtendFileLifeTimeInSpaceRequest = "srmExtendFileLifeTimeInSpaceRequest" {
        authorization_id: Option<String> = "authorizationID",
        space_token: String = "spaceToken",
        array_of_surls: Option<ArrayOfAnyURI> = "arrayOfSURLs",
        new_life_time: Option<i32> = "newLifeTime",
    }

    SrmPurgeFromSpaceRequest = "srmPurgeFromSpaceRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
        space_token: String = "spaceToken",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmGetSpaceTokensRequest = "srmGetSpaceTokensRequest" {
        user_space_token_description: Option<String> = "userSpaceTokenDescription",
        authorization_id: Option<String> = "authorizationID",
    }

    SrmSetPermissionRequest = "srmSetPermissionRequest" {
        authorization_id: Option<String> = "authorizationID",
        surl: String = "SURL" as "xsd:anyURI",
        permission_type: PermissionType = "permissionType",
        owner_permission: Option<PermissionMode> = "ownerPermission",
        array_of_user_permissions: Option<ArrayOfTUserPermission> = "arrayOfUserPermissions",
        array_of_group_permissions: Option<ArrayOfTGroupPermission> = "arrayOfGroupPermissions",
        other_permission: Option<PermissionMode> = "otherPermission",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmCheckPermissionRequest = "srmCheckPermissionRequest" {
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
        authorization_id: Option<String> = "authorizationID",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmGetPermissionRequest = "srmGetPermissionRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmMkdirRequest = "srmMkdirRequest" {
        authorization_id: Option<String> = "authorizationID",
        surl: String = "SURL" as "xsd:anyURI",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmRmdirRequest = "srmRmdirRequest" {
        authorization_id: Option<String> = "authorizationID",
        surl: String = "SURL" as "xsd:anyURI",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
        recursive: Option<bool> = "recursive",
    }

    SrmRmRequest = "srmRmRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmLsRequest = "srmLsRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo" (demanded),
        file_storage_type: Option<FileStorageType> = "fileStorageType",
        full_detailed_list: Option<bool> = "fullDetailedList",
        all_level_recursive: Option<bool> = "allLevelRecursive",
        num_of_levels: Option<i32> = "numOfLevels",
        offset: Option<i32> = "offset",
        count: Option<i32> = "count",
    }

    SrmStatusOfLsRequestRequest = "srmStatusOfLsRequestRequest" {
        authorization_id: Option<String> = "authorizationID",
        request_token: String = "requestToken",
        offset: Option<i32> = "offset" (plain),
        count: Option<i32> = "count",
    }

    SrmMvRequest = "srmMvRequest" {
        authorization_id: Option<String> = "authorizationID",
        from_surl: String = "fromSURL" as "xsd:anyURI",
        to_surl: String = "toSURL" as "xsd:anyURI",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
    }

    SrmPrepareToGetRequest = "srmPrepareToGetRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_file_requests: ArrayOfTGetFileRequest = "arrayOfFileRequests",
        user_request_description: Option<String> = "userRequestDescription",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
        desired_file_storage_type: Option<FileStorageType> = "desiredFileStorageType",
        desired_total_request_time: Option<i32> = "desiredTotalRequestTime",
        desired_pin_life_time: Option<i32> = "desiredPinLifeTime",
        target_space_token: Option<String> = "targetSpaceToken",
        target_file_retention_policy_info: Option<TRetentionPolicyInfo> = "targetFileRetentionPolicyInfo",
        transfer_parameters: Option<TTransferParameters> = "transferParameters",
    }

    SrmStatusOfGetRequestRequest = "srmStatusOfGetRequestRequest" {
        request_token: String = "requestToken",
        authorization_id: Option<String> = "authorizationID",
        array_of_source_surls: Option<ArrayOfAnyURI> = "arrayOfSourceSURLs",
    }

    SrmBringOnlineRequest = "srmBringOnlineRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_file_requests: ArrayOfTGetFileRequest = "arrayOfFileRequests",
        user_request_description: Option<String> = "userRequestDescription",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
        desired_file_storage_type: Option<FileStorageType> = "desiredFileStorageType",
        desired_total_request_time: Option<i32> = "desiredTotalRequestTime",
        desired_life_time: Option<i32> = "desiredLifeTime",
        target_space_token: Option<String> = "targetSpaceToken",
        target_file_retention_policy_info: Option<TRetentionPolicyInfo> = "targetFileRetentionPolicyInfo",
        transfer_parameters: Option<TTransferParameters> = "transferParameters",
        deferred_start_time: Option<i32> = "deferredStartTime",
    }

    SrmStatusOfBringOnlineRequestRequest = "srmStatusOfBringOnlineRequestRequest" {
        request_token: String = "requestToken",
        authorization_id: Option<String> = "authorizationID",
        array_of_source_surls: Option<ArrayOfAnyURI> = "arrayOfSourceSURLs",
    }

    SrmPrepareToPutRequest = "srmPrepareToPutRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_file_requests: Option<ArrayOfTPutFileRequest> = "arrayOfFileRequests",
        user_request_description: Option<String> = "userRequestDescription",
        overwrite_option: Option<OverwriteMode> = "overwriteOption",
        storage_system_info: Option<ArrayOfTExtraInfo> = "storageSystemInfo",
        desired_total_request_time: Option<i32> = "desiredTotalRequestTime",
        desired_pin_life_time: Option<i32> = "desiredPinLifeTime",
        desired_file_life_time: Option<i32> = "desiredFileLifeTime",
        desired_file_storage_type: Option<FileStorageType> = "desiredFileStorageType",
        target_space_token: Option<String> = "targetSpaceToken",
        target_file_retention_policy_info: Option<TRetentionPolicyInfo> = "targetFileRetentionPolicyInfo",
        transfer_parameters: Option<TTransferParameters> = "transferParameters",
    }

    SrmStatusOfPutRequestRequest = "srmStatusOfPutRequestRequest" {
        request_token: String = "requestToken",
        authorization_id: Option<String> = "authorizationID",
        array_of_target_surls: Option<ArrayOfAnyURI> = "arrayOfTargetSURLs",
    }

    SrmCopyRequest = "srmCopyRequest" {
        authorization_id: Option<String> = "authorizationID",
        array_of_file_requests: ArrayOfTCopyFileRequest = "arrayOfFileRequests",
        user_request_description: Option<String> = "userRequestDescription",
        overwrite_option: Option<OverwriteMode> = "overwriteOption",
        desired_total_request_time: Option<i32> = "desiredTotalRequestTime",
        desired_target_surl_life_time: Option<i32> = "desiredTargetSURLLifeTime",
        target_file_storage_type: Option<FileStorageType> = "targetFileStorageType",
        target_space_token: Option<String> = "targetSpaceToken",
        target_file_retention_policy_info: Option<TRetentionPolicyInfo> = "targetFileRetentionPolicyInfo",
        source_storage_system_info: Option<ArrayOfTExtraInfo> = "sourceStorageSystemInfo",
        target_storage_system_info: Option<ArrayOfTExtraInfo> = "targetStorageSystemInfo",
    }

    SrmStatusOfCopyRequestRequest = "srmStatusOfCopyRequestRequest" {
        request_token: String = "requestToken",
        authorization_id: Option<String> = "authorizationID",
        array_of_source_surls: Option<ArrayOfAnyURI> = "arrayOfSourceSURLs",
        array_of_target_surls: Option<ArrayOfAnyURI> = "arrayOfTargetSURLs",
    }

    SrmReleaseFilesRequest = "srmReleaseFilesRequest" {
        request_token: Option<String> = "requestToken",
        authorization_id: Option<String> = "authorizationID",
        array_of_surls: Option<ArrayOfAnyURI> = "arrayOfSURLs",
        do_remove: Option<bool> = "doRemove",
    }

    SrmPutDoneRequest = "srmPutDoneRequest" {
        request_token: String = "requestToken",
        authorization_id: Option<String> = "authorizationID",
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
    }

    SrmAbortRequestRequest = "srmAbortRequestRequest" {
        request_token: String = "requestToken",
        authorization_id: Option<String> = "authorizationID",
    }

    SrmAbortFilesRequest = "srmAbortFilesRequest" {
        request_token: String = "requestToken",
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
        authorization_id: Option<String> = "authorizationID",
    }

    SrmSuspendRequestRequest = "srmSuspendRequestRequest" {
        request_token: String = "requestToken",
        authorization_id: Option<String> = "authorizationID",
    }

    SrmResumeRequestRequest = "srmResumeRequestRequest" {
        request_token: String = "requestToken",
        authorization_id: Option<String> = "authorizationID",
    }

    SrmGetRequestSummaryRequest = "srmGetRequestSummaryRequest" {
        array_of_request_tokens: ArrayOfString = "arrayOfRequestTokens",
        authorization_id: Option<String> = "authorizationID",
    }

    SrmExtendFileLifeTimeRequest = "srmExtendFileLifeTimeRequest" {
        authorization_id: Option<String> = "authorizationID",
        request_token: Option<String> = "requestToken",
        array_of_surls: ArrayOfAnyURI = "arrayOfSURLs",
        new_file_life_time: Option<i32> = "newFileLifeTime",
        new_pin_life_time: Option<i32> = "newPinLifeTime",
    }

    SrmGetRequestTokensRequest = "srmGetRequestTokensRequest" {
        user_request_description: Option<String> = "userRequestDescription",
        authorization_id: Option<String> = "authorizationID",
    }

    SrmGetTransferProtocolsRequest = "srmGetTransferProtocolsRequest" {
        authorization_id: Option<String> = "authorizationID",
    }

    SrmPingRequest = "srmPingRequest" {
        authorization_id: Option<String> = "authorizationID",
    }
}
