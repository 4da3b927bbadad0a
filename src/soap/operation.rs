//! The 39 operations of SRM v2.2: one table ties each to its request and its response.

use quick_xml::events::BytesStart;

use super::cursor::Cursor;
use super::fault::SoapFault;
use super::requests::*;
use super::responses::*;
use super::types::TReturnStatus;
use super::value::{TypeInfo, Value, put_element};

macro_rules! operations {
    ($($op:ident = $name:literal, $request:ident => $response:ident;)*) => {
        /// An operation of SRM v2.2.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $(#[doc = concat!("`", $name, "`.")] $op,)* }

        impl Operation {
            /// Every operation, in the order of the WSDL.
            pub const ALL: &'static [Operation] = &[$(Operation::$op,)*];

            /// `srmLs`.
            pub const fn name(self) -> &'static str {
                match self { $(Operation::$op => $name,)* }
            }

            /// `srmLsRequest`.
            pub const fn request_name(self) -> &'static str {
                match self { $(Operation::$op => concat!($name, "Request"),)* }
            }

            /// `srmLsResponse`.
            pub const fn response_name(self) -> &'static str {
                match self { $(Operation::$op => concat!($name, "Response"),)* }
            }

            /// The operation of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Operation::$op),)* _ => None }
            }

            /// The fields of its response.
            pub const fn response_info(self) -> TypeInfo {
                match self { $(Operation::$op => $response::INFO,)* }
            }

            /// The fields of its request.
            pub const fn request_info(self) -> TypeInfo {
                match self { $(Operation::$op => $request::INFO,)* }
            }
        }

        /// A request, read.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant)]
        pub enum Call { $(#[doc = concat!("`", $name, "`.")] $op($request),)* }

        impl Call {
            /// Which operation it calls.
            pub const fn operation(&self) -> Operation {
                match self { $(Call::$op(_) => Operation::$op,)* }
            }

            /// Reads the accessor `tag`, or what its absence means. `None`: see the cursor's
            /// problem.
            pub(crate) fn read(
                operation: Operation,
                cursor: &mut Cursor<'_>,
                tag: Option<&BytesStart<'_>>,
            ) -> Result<Option<Self>, SoapFault> {
                match operation {
                    $(Operation::$op => {
                        Ok(accessor::<$request>(cursor, tag, operation.request_name())?
                            .map(Call::$op))
                    })*
                }
            }

            /// Writes the accessor.
            pub(crate) fn write(&self, out: &mut String) {
                let name = self.operation().request_name();
                match self { $(Call::$op(request) => put_element(out, name, request),)* }
            }
        }

        /// An answer, to be written.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant)]
        pub enum Reply {
            $(#[doc = concat!("`", $name, "Response`.")] $op($response),)*
            /// Any operation's response that says no more than its return status. Not for srmPing,
            /// which has none.
            StatusOnly(Operation, TReturnStatus),
        }

        impl Reply {
            /// Which operation it answers.
            pub const fn operation(&self) -> Operation {
                match self {
                    $(Reply::$op(_) => Operation::$op,)*
                    Reply::StatusOnly(operation, _) => *operation,
                }
            }

            /// Its return status; srmPing has none.
            pub fn return_status(&self) -> Option<&TReturnStatus> {
                match self {
                    $(Reply::$op(reply) => reply.returned(),)*
                    Reply::StatusOnly(_, status) => Some(status),
                }
            }

            /// Reads the accessor `tag` of an answer.
            pub(crate) fn read(
                operation: Operation,
                cursor: &mut Cursor<'_>,
                tag: Option<&BytesStart<'_>>,
            ) -> Result<Option<Self>, SoapFault> {
                match operation {
                    $(Operation::$op => {
                        Ok(accessor::<$response>(cursor, tag, operation.response_name())?
                            .map(Reply::$op))
                    })*
                }
            }

            /// Writes the accessor.
            pub(crate) fn write(&self, out: &mut String) {
                let name = self.operation().response_name();
                match self {
                    $(Reply::$op(reply) => put_element(out, name, reply),)*
                    Reply::StatusOnly(_, status) => {
                        // The response of srmMkdir is a return status and no more.
                        let only = SrmMkdirResponse { return_status: status.clone() };
                        put_element(out, name, &only);
                    }
                }
            }
        }
    };
}

operations! {
    ReserveSpace = "srmReserveSpace", SrmReserveSpaceRequest => SrmReserveSpaceResponse;
    StatusOfReserveSpaceRequest = "srmStatusOfReserveSpaceRequest", SrmStatusOfReserveSpaceRequestRequest => SrmStatusOfReserveSpaceRequestResponse;
    ReleaseSpace = "srmReleaseSpace", SrmReleaseSpaceRequest => SrmReleaseSpaceResponse;
    UpdateSpace = "srmUpdateSpace", SrmUpdateSpaceRequest => SrmUpdateSpaceResponse;
    StatusOfUpdateSpaceRequest = "srmStatusOfUpdateSpaceRequest", SrmStatusOfUpdateSpaceRequestRequest => SrmStatusOfUpdateSpaceRequestResponse;
    GetSpaceMetaData = "srmGetSpaceMetaData", SrmGetSpaceMetaDataRequest => SrmGetSpaceMetaDataResponse;
    ChangeSpaceForFiles = "srmChangeSpaceForFiles", SrmChangeSpaceForFilesRequest => SrmChangeSpaceForFilesResponse;
    StatusOfChangeSpaceForFilesRequest = "srmStatusOfChangeSpaceForFilesRequest", SrmStatusOfChangeSpaceForFilesRequestRequest => SrmStatusOfChangeSpaceForFilesRequestResponse;
    ExtendFileLifeTimeInSpace = "srmExtendFileLifeTimeInSpace", SrmExtendFileLifeTimeInSpaceRequest => SrmExtendFileLifeTimeInSpaceResponse;
    PurgeFromSpace = "srmPurgeFromSpace", SrmPurgeFromSpaceRequest => SrmPurgeFromSpaceResponse;
    GetSpaceTokens = "srmGetSpaceTokens", SrmGetSpaceTokensRequest => SrmGetSpaceTokensResponse;
    SetPermission = "srmSetPermission", SrmSetPermissionRequest => SrmSetPermissionResponse;
    CheckPermission = "srmCheckPermission", SrmCheckPermissionRequest => SrmCheckPermissionResponse;
    GetPermission = "srmGetPermission", SrmGetPermissionRequest => SrmGetPermissionResponse;
    Mkdir = "srmMkdir", SrmMkdirRequest => SrmMkdirResponse;
    Rmdir = "srmRmdir", SrmRmdirRequest => SrmRmdirResponse;
    Rm = "srmRm", SrmRmRequest => SrmRmResponse;
    Ls = "srmLs", SrmLsRequest => SrmLsResponse;
    StatusOfLsRequest = "srmStatusOfLsRequest", SrmStatusOfLsRequestRequest => SrmStatusOfLsRequestResponse;
    Mv = "srmMv", SrmMvRequest => SrmMvResponse;
    PrepareToGet = "srmPrepareToGet", SrmPrepareToGetRequest => SrmPrepareToGetResponse;
    StatusOfGetRequest = "srmStatusOfGetRequest", SrmStatusOfGetRequestRequest => SrmStatusOfGetRequestResponse;
    BringOnline = "srmBringOnline", SrmBringOnlineRequest => SrmBringOnlineResponse;
    StatusOfBringOnlineRequest = "srmStatusOfBringOnlineRequest", SrmStatusOfBringOnlineRequestRequest => SrmStatusOfBringOnlineRequestResponse;
    PrepareToPut = "srmPrepareToPut", SrmPrepareToPutRequest => SrmPrepareToPutResponse;
    StatusOfPutRequest = "srmStatusOfPutRequest", SrmStatusOfPutRequestRequest => SrmStatusOfPutRequestResponse;
    Copy = "srmCopy", SrmCopyRequest => SrmCopyResponse;
    StatusOfCopyRequest = "srmStatusOfCopyRequest", SrmStatusOfCopyRequestRequest => SrmStatusOfCopyRequestResponse;
    ReleaseFiles = "srmReleaseFiles", SrmReleaseFilesRequest => SrmReleaseFilesResponse;
    PutDone = "srmPutDone", SrmPutDoneRequest => SrmPutDoneResponse;
    AbortRequest = "srmAbortRequest", SrmAbortRequestRequest => SrmAbortRequestResponse;
    AbortFiles = "srmAbortFiles", SrmAbortFilesRequest => SrmAbortFilesResponse;
    SuspendRequest = "srmSuspendRequest", SrmSuspendRequestRequest => SrmSuspendRequestResponse;
    ResumeRequest = "srmResumeRequest", SrmResumeRequestRequest => SrmResumeRequestResponse;
    GetRequestSummary = "srmGetRequestSummary", SrmGetRequestSummaryRequest => SrmGetRequestSummaryResponse;
    ExtendFileLifeTime = "srmExtendFileLifeTime", SrmExtendFileLifeTimeRequest => SrmExtendFileLifeTimeResponse;
    GetRequestTokens = "srmGetRequestTokens", SrmGetRequestTokensRequest => SrmGetRequestTokensResponse;
    GetTransferProtocols = "srmGetTransferProtocols", SrmGetTransferProtocolsRequest => SrmGetTransferProtocolsResponse;
    Ping = "srmPing", SrmPingRequest => SrmPingResponse;
}

fn accessor<T: Value>(
    cursor: &mut Cursor<'_>,
    tag: Option<&BytesStart<'_>>,
    name: &'static str,
) -> Result<Option<T>, SoapFault> {
    let value = match tag {
        Some(tag) => cursor.value(tag, name, T::read)?,
        None => None,
    };
    let value = value.or_else(T::absent);
    if value.is_none() {
        cursor.problem(|| format!("{name} is missing or empty"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_nine_operations_each_with_its_types() {
        assert_eq!(Operation::ALL.len(), 39);
        for &op in Operation::ALL {
            assert_eq!(Operation::parse(op.name()), Some(op));
            assert_eq!(op.request_info().name, op.request_name());
            assert_eq!(op.response_info().name, op.response_name());
        }
        assert_eq!(Operation::parse("srmFly"), None);
    }
}
