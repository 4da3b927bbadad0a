//! What the 39 operations answer, in the order of the WSDL.

use super::types::*;
use super::value::Slot;
use super::wire::wire;

wire! {
    SrmReserveSpaceResponse = "srmReserveSpaceResponse" {
        return_status: TReturnStatus = "returnStatus",
        request_token: Option<String> = "requestToken",
        estimated_processing_time: Option<i32> = "estimatedProcessingTime",
        retention_policy_info: Option<TRetentionPolicyInfo> = "retentionPolicyInfo",
        size_of_total_reserved_space: Option<u64> = "sizeOfTotalReservedSpace",
        size_of_guaranteed_reserved_space: Option<u64> = "sizeOfGuaranteedReservedSpace",
        lifetime_of_reserved_space: Option<i32> = "lifetimeOfReservedSpace",
        space_token: Option<String> = "spaceToken",
    }

    SrmStatusOfReserveSpaceRequestResponse = "srmStatusOfReserveSpaceRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
        estimated_processing_time: Option<i32> = "estimatedProcessingTime",
        retention_policy_info: Option<TRetentionPolicyInfo> = "retentionPolicyInfo",
        size_of_total_reserved_space: Option<u64> = "sizeOfTotalReservedSpace",
        size_of_guaranteed_reserved_space: Option<u64> = "sizeOfGuaranteedReservedSpace",
        lifetime_of_reserved_space: Option<i32> = "lifetimeOfReservedSpace",
        space_token: Option<String> = "spaceToken",
    }

    SrmReleaseSpaceResponse = "srmReleaseSpaceResponse" {
        return_status: TReturnStatus = "returnStatus",
    }

    SrmUpdateSpaceResponse = "srmUpdateSpaceResponse" {
        return_status: TReturnStatus = "returnStatus",
        request_token: Option<String> = "requestToken",
        size_of_total_space: Option<u64> = "sizeOfTotalSpace",
        size_of_guaranteed_space: Option<u64> = "sizeOfGuaranteedSpace",
        lifetime_granted: Option<i32> = "lifetimeGranted",
    }

    SrmStatusOfUpdateSpaceRequestResponse = "srmStatusOfUpdateSpaceRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
        size_of_total_space: Option<u64> = "sizeOfTotalSpace",
        size_of_guaranteed_space: Option<u64> = "sizeOfGuaranteedSpace",
        lifetime_granted: Option<i32> = "lifetimeGranted",
    }

    SrmGetSpaceMetaDataResponse = "srmGetSpaceMetaDataResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_space_details: Option<ArrayOfTMetaDataSpace> = "arrayOfSpaceDetails",
    }

    SrmChangeSpaceForFilesResponse = "srmChangeSpaceForFilesResponse" {
        return_status: TReturnStatus = "returnStatus",
        request_token: Option<String> = "requestToken",
        estimated_processing_time: Option<i32> = "estimatedProcessingTime",
        array_of_file_statuses: Option<ArrayOfTSURLReturnStatus> = "arrayOfFileStatuses",
    }

    SrmStatusOfChangeSpaceForFilesRequestResponse = "srmStatusOfChangeSpaceForFilesRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
        estimated_processing_time: Option<i32> = "estimatedProcessingTime",
        array_of_file_statuses: Option<ArrayOfTSURLReturnStatus> = "arrayOfFileStatuses",
    }

    SrmExtendFileLifeTimeInSpaceResponse = "srmExtendFileLifeTimeInSpaceResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTSURLLifetimeReturnStatus> = "arrayOfFileStatuses",
    }

    SrmPurgeFromSpaceResponse = "srmPurgeFromSpaceResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTSURLReturnStatus> = "arrayOfFileStatuses",
    }

    SrmGetSpaceTokensResponse = "srmGetSpaceTokensResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_space_tokens: Option<ArrayOfString> = "arrayOfSpaceTokens",
    }

    SrmSetPermissionResponse = "srmSetPermissionResponse" {
        return_status: TReturnStatus = "returnStatus",
    }

    SrmCheckPermissionResponse = "srmCheckPermissionResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_permissions: Option<ArrayOfTSURLPermissionReturn> = "arrayOfPermissions",
    }

    SrmGetPermissionResponse = "srmGetPermissionResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_permission_returns: Option<ArrayOfTPermissionReturn> = "arrayOfPermissionReturns",
    }

    SrmMkdirResponse = "srmMkdirResponse" {
        return_status: TReturnStatus = "returnStatus",
    }

    SrmRmdirResponse = "srmRmdirResponse" {
        return_status: TReturnStatus = "returnStatus",
    }

    SrmRmResponse = "srmRmResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTSURLReturnStatus> = "arrayOfFileStatuses",
    }

    SrmLsResponse = "srmLsResponse" {
        return_status: TReturnStatus = "returnStatus",
        request_token: Option<String> = "requestToken",
        details: Option<ArrayOfTMetaDataPathDetail> = "details",
    }

    SrmStatusOfLsRequestResponse = "srmStatusOfLsRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
        details: Option<ArrayOfTMetaDataPathDetail> = "details",
    }

    SrmMvResponse = "srmMvResponse" {
        return_status: TReturnStatus = "returnStatus",
    }

    SrmPrepareToGetResponse = "srmPrepareToGetResponse" {
        return_status: TReturnStatus = "returnStatus",
        request_token: Option<String> = "requestToken",
        array_of_file_statuses: Option<ArrayOfTGetRequestFileStatus> = "arrayOfFileStatuses",
        remaining_total_request_time: Option<i32> = "remainingTotalRequestTime",
    }

    SrmStatusOfGetRequestResponse = "srmStatusOfGetRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTGetRequestFileStatus> = "arrayOfFileStatuses",
        remaining_total_request_time: Option<i32> = "remainingTotalRequestTime",
    }

    SrmBringOnlineResponse = "srmBringOnlineResponse" {
        return_status: TReturnStatus = "returnStatus",
        request_token: Option<String> = "requestToken",
        array_of_file_statuses: Option<ArrayOfTBringOnlineRequestFileStatus> = "arrayOfFileStatuses",
        remaining_total_request_time: Option<i32> = "remainingTotalRequestTime",
        remaining_deferred_start_time: Option<i32> = "remainingDeferredStartTime",
    }

    SrmStatusOfBringOnlineRequestResponse = "srmStatusOfBringOnlineRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTBringOnlineRequestFileStatus> = "arrayOfFileStatuses",
        remaining_total_request_time: Option<i32> = "remainingTotalRequestTime",
        remaining_deferred_start_time: Option<i32> = "remainingDeferredStartTime",
    }

    SrmPrepareToPutResponse = "srmPrepareToPutResponse" {
        return_status: TReturnStatus = "returnStatus",
        request_token: Option<String> = "requestToken",
        array_of_file_statuses: Option<ArrayOfTPutRequestFileStatus> = "arrayOfFileStatuses",
        remaining_total_request_time: Option<i32> = "remainingTotalRequestTime",
    }

    SrmStatusOfPutRequestResponse = "srmStatusOfPutRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTPutRequestFileStatus> = "arrayOfFileStatuses",
        remaining_total_request_time: Option<i32> = "remainingTotalRequestTime",
    }

    SrmCopyResponse = "srmCopyResponse" {
        return_status: TReturnStatus = "returnStatus",
        request_token: Option<String> = "requestToken",
        array_of_file_statuses: Option<ArrayOfTCopyRequestFileStatus> = "arrayOfFileStatuses",
        remaining_total_request_time: Option<i32> = "remainingTotalRequestTime",
    }

    SrmStatusOfCopyRequestResponse = "srmStatusOfCopyRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTCopyRequestFileStatus> = "arrayOfFileStatuses",
        remaining_total_request_time: Option<i32> = "remainingTotalRequestTime",
    }

    SrmReleaseFilesResponse = "srmReleaseFilesResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTSURLReturnStatus> = "arrayOfFileStatuses",
    }

    SrmPutDoneResponse = "srmPutDoneResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTSURLReturnStatus> = "arrayOfFileStatuses",
    }

    SrmAbortRequestResponse = "srmAbortRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
    }

    SrmAbortFilesResponse = "srmAbortFilesResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTSURLReturnStatus> = "arrayOfFileStatuses",
    }

    SrmSuspendRequestResponse = "srmSuspendRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
    }

    SrmResumeRequestResponse = "srmResumeRequestResponse" {
        return_status: TReturnStatus = "returnStatus",
    }

    SrmGetRequestSummaryResponse = "srmGetRequestSummaryResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_request_summaries: Option<ArrayOfTRequestSummary> = "arrayOfRequestSummaries",
    }

    SrmExtendFileLifeTimeResponse = "srmExtendFileLifeTimeResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_file_statuses: Option<ArrayOfTSURLLifetimeReturnStatus> = "arrayOfFileStatuses",
    }

    SrmGetRequestTokensResponse = "srmGetRequestTokensResponse" {
        return_status: TReturnStatus = "returnStatus",
        array_of_request_tokens: Option<ArrayOfTRequestTokenReturn> = "arrayOfRequestTokens",
    }

    SrmGetTransferProtocolsResponse = "srmGetTransferProtocolsResponse" {
        return_status: TReturnStatus = "returnStatus",
        protocol_info: Option<ArrayOfTSupportedTransferProtocol> = "protocolInfo",
    }

    SrmPingResponse = "srmPingResponse" {
        version_info: String = "versionInfo",
        other_info: Option<ArrayOfTExtraInfo> = "otherInfo",
    }
}

/// Where a response keeps its return status. Every response is named here, so that a new one does
/// not compile until it is.
pub(super) trait Returned {
    /// `None` for srmPing, which has none.
    fn returned(&self) -> Option<&TReturnStatus>;
}

impl Returned for SrmPingResponse {
    fn returned(&self) -> Option<&TReturnStatus> {
        None
    }
}

macro_rules! returned {
    ($($name:ident)*) => {$(
        impl Returned for $name {
            fn returned(&self) -> Option<&TReturnStatus> {
                Some(&self.return_status)
            }
        }
    )*};
}

returned! {
    SrmReserveSpaceResponse
    SrmStatusOfReserveSpaceRequestResponse
    SrmReleaseSpaceResponse
    SrmUpdateSpaceResponse
    SrmStatusOfUpdateSpaceRequestResponse
    SrmGetSpaceMetaDataResponse
    SrmChangeSpaceForFilesResponse
    SrmStatusOfChangeSpaceForFilesRequestResponse
    SrmExtendFileLifeTimeInSpaceResponse
    SrmPurgeFromSpaceResponse
    SrmGetSpaceTokensResponse
    SrmSetPermissionResponse
    SrmCheckPermissionResponse
    SrmGetPermissionResponse
    SrmMkdirResponse
    SrmRmdirResponse
    SrmRmResponse
    SrmLsResponse
    SrmStatusOfLsRequestResponse
    SrmMvResponse
    SrmPrepareToGetResponse
    SrmStatusOfGetRequestResponse
    SrmBringOnlineResponse
    SrmStatusOfBringOnlineRequestResponse
    SrmPrepareToPutResponse
    SrmStatusOfPutRequestResponse
    SrmCopyResponse
    SrmStatusOfCopyRequestResponse
    SrmReleaseFilesResponse
    SrmPutDoneResponse
    SrmAbortRequestResponse
    SrmAbortFilesResponse
    SrmSuspendRequestResponse
    SrmResumeRequestResponse
    SrmGetRequestSummaryResponse
    SrmExtendFileLifeTimeResponse
    SrmGetRequestTokensResponse
    SrmGetTransferProtocolsResponse
}
