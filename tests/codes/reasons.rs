//! Why stormd never gives a code.

/// One reason, for some operations and codes.
#[derive(Debug)]
pub struct Reason {
    /// With a space between; empty: all.
    operations: &'static str,
    /// `request`, `file` or empty for both.
    level: &'static str,
    /// With a space between.
    codes: &'static str,
    /// In a few words.
    pub why: &'static str,
}

impl Reason {
    /// True for what it is about.
    pub fn fits(&self, operation: &str, level: &str, code: &str) -> bool {
        let one_of = |list: &str, one: &str| list.is_empty() || list.split(' ').any(|it| it == one);
        one_of(self.operations, operation) && one_of(self.level, level) && one_of(self.codes, code)
    }
}

const fn reason(
    operations: &'static str,
    level: &'static str,
    codes: &'static str,
    why: &'static str,
) -> Reason {
    Reason { operations, level, codes, why }
}

const READS: &str =
    "srmPrepareToGet srmStatusOfGetRequest srmBringOnline srmStatusOfBringOnlineRequest";
const RESERVES: &str =
    "srmReserveSpace srmStatusOfReserveSpaceRequest srmUpdateSpace srmStatusOfUpdateSpaceRequest";
const FIRST: &str = "srmPrepareToGet srmBringOnline srmPrepareToPut srmCopy";
const PER_FILE: &str =
    "srmGetSpaceMetaData srmCheckPermission srmGetPermission srmGetRequestSummary srmLs";

/// The first that fits counts.
pub const REASONS: &[Reason] = &[
    reason(
        "",
        "",
        "INTERNAL_ERROR",
        "only while the request database or a disk fails, or too much waits",
    ),
    reason("", "request", "NOT_SUPPORTED", "offered, and nothing of it is left out"),
    reason(
        "",
        "file",
        "FILE_LOST",
        "only what is on disk is known: a file that is gone is SRM_INVALID_PATH",
    ),
    reason(
        "",
        "file",
        "FILE_UNAVAILABLE",
        "a file that can't be looked at fails with the reason of the disk",
    ),
    reason("", "", "LAST_COPY", "doRemove is not offered; srmRm removes all there is"),
    reason("", "file", "FILE_IN_CACHE", "a pin that is over shows as SRM_RELEASED"),
    reason(
        READS,
        "",
        "SPACE_LIFETIME_EXPIRED EXCEED_ALLOCATION NO_FREE_SPACE",
        "reading from disk takes no space",
    ),
    reason(
        READS,
        "file",
        "FILE_LIFETIME_EXPIRED",
        "a volatile file is removed when its lifetime is over: SRM_INVALID_PATH; a durable one can still be read",
    ),
    reason(
        "srmBringOnline srmStatusOfBringOnlineRequest",
        "",
        "NOT_SUPPORTED",
        "the protocols of the list do not matter here",
    ),
    reason(READS, "request", "AUTHORIZATION_FAILURE", "told per file"),
    reason(
        FIRST,
        "",
        "ABORTED REQUEST_TIMED_OUT RELEASED",
        "the first answer comes before: status calls tell it",
    ),
    reason(FIRST, "file", "REQUEST_INPROGRESS", "status calls tell it"),
    reason(
        FIRST,
        "request",
        "REQUEST_INPROGRESS",
        "the first answer waits for all files or says that they are queued; status calls tell it",
    ),
    reason(
        "srmPrepareToPut",
        "file",
        "SUCCESS FILE_LIFETIME_EXPIRED",
        "the first answer comes before: status calls tell it",
    ),
    reason(
        "srmPrepareToPut srmStatusOfPutRequest",
        "file",
        "SPACE_LIFETIME_EXPIRED",
        "told of the request, before anything is queued; or by srmPutDone",
    ),
    reason(
        "srmStatusOfPutRequest",
        "request",
        "SPACE_LIFETIME_EXPIRED",
        "refused before there is a token",
    ),
    reason(PER_FILE, "request", "AUTHORIZATION_FAILURE", "told per entry"),
    reason(
        "srmGetSpaceTokens srmGetRequestTokens srmGetTransferProtocols",
        "request",
        "AUTHORIZATION_FAILURE",
        "everybody may ask, and hears of his own",
    ),
    reason(
        "srmGetRequestTokens srmGetSpaceTokens",
        "request",
        "FAILURE",
        "who has none hears SRM_INVALID_REQUEST",
    ),
    reason("srmGetTransferProtocols", "request", "FAILURE", "nothing can fail"),
    reason("srmCheckPermission srmGetPermission", "file", "FAILURE", "only while a disk fails"),
    reason(
        "srmMkdir srmRmdir srmMv",
        "request",
        "INVALID_REQUEST",
        "a SURL that does not read is SRM_INVALID_PATH, one that is missing a SOAP fault",
    ),
    reason("srmMkdir srmMv", "request", "FAILURE", "each refusal has a code of its own"),
    reason(
        "srmMv",
        "request",
        "FILE_LIFETIME_EXPIRED",
        "a durable file whose lifetime is over can be moved",
    ),
    reason(
        "srmRm",
        "file",
        "FILE_LIFETIME_EXPIRED",
        "a file whose lifetime is over can be removed",
    ),
    reason("srmRm", "file", "FILE_BUSY", "srmRm aborts what runs on the file"),
    reason("srmRm srmLs", "file", "FAILURE", "only while a disk fails"),
    reason(
        "srmLs",
        "request",
        "REQUEST_INPROGRESS",
        "the first answer is the list or says that it is queued; the status call tells it",
    ),
    reason(
        "srmStatusOfLsRequest",
        "request",
        "REQUEST_TIMED_OUT",
        "srmLs has no desiredTotalRequestTime",
    ),
    reason(
        "srmReleaseFiles srmAbortFiles srmPutDone",
        "file",
        "AUTHORIZATION_FAILURE",
        "a token of somebody else is refused as a whole",
    ),
    reason(
        "srmReleaseFiles srmAbortFiles",
        "file",
        "FILE_LIFETIME_EXPIRED",
        "releasing or aborting what is over is fine",
    ),
    reason("srmReleaseFiles", "file", "FAILURE", "what is not pinned is SRM_INVALID_PATH"),
    reason("srmAbortFiles", "file", "ABORTED", "aborting twice is SRM_SUCCESS"),
    reason(
        "srmAbortRequest",
        "request",
        "PARTIAL_SUCCESS",
        "only while a disk fails: all that can end ends",
    ),
    reason(
        "srmAbortRequest",
        "request",
        "REQUEST_TIMED_OUT",
        "aborting what is over is SRM_SUCCESS",
    ),
    reason("srmPutDone", "request", "REQUEST_TIMED_OUT", "its files tell it"),
    reason(
        "srmResumeRequest",
        "request",
        "FAILURE",
        "what is not suspended is SRM_INVALID_REQUEST",
    ),
    reason(
        "srmExtendFileLifeTime",
        "request",
        "TOO_MANY_RESULTS",
        "too many files are SRM_INVALID_REQUEST",
    ),
    reason("srmExtendFileLifeTime", "file", "FAILURE", "each refusal has a code of its own"),
    reason(
        RESERVES,
        "request",
        "REQUEST_QUEUED REQUEST_INPROGRESS REQUEST_SUSPENDED REQUEST_TIMED_OUT ABORTED",
        "spaces are granted or refused at once",
    ),
    reason(
        "srmStatusOfReserveSpaceRequest srmStatusOfUpdateSpaceRequest",
        "request",
        "NO_USER_SPACE NO_FREE_SPACE EXCEED_ALLOCATION SPACE_LIFETIME_EXPIRED FAILURE",
        "what is refused has no token to ask about",
    ),
    reason(
        "srmReserveSpace srmUpdateSpace",
        "request",
        "FAILURE",
        "each refusal has a code of its own",
    ),
    reason(
        "srmUpdateSpace",
        "request",
        "NO_USER_SPACE",
        "what the area has no room for is SRM_NO_FREE_SPACE",
    ),
    reason(
        "srmGetSpaceMetaData",
        "request",
        "TOO_MANY_RESULTS",
        "too many tokens are SRM_INVALID_REQUEST",
    ),
    reason(
        "srmGetSpaceMetaData",
        "file",
        "EXCEED_ALLOCATION",
        "srmPutDone refuses what a space has no room for",
    ),
    reason("srmGetSpaceMetaData", "file", "FAILURE", "only while the request database fails"),
    reason(
        "srmPurgeFromSpace",
        "",
        "SUCCESS PARTIAL_SUCCESS",
        "on disk alone each file is the last copy: SRM_LAST_COPY",
    ),
    reason("srmPurgeFromSpace", "file", "FILE_BUSY", "a busy or pinned file is SRM_FAILURE"),
    reason("srmExtendFileLifeTimeInSpace", "file", "FAILURE", "each refusal has a code of its own"),
    reason(
        "srmChangeSpaceForFiles srmStatusOfChangeSpaceForFilesRequest",
        "",
        "NO_FREE_SPACE",
        "a file that changes its space takes no new room of the area",
    ),
    reason(
        "srmChangeSpaceForFiles",
        "",
        "ABORTED REQUEST_INPROGRESS",
        "the first answer comes before: the status call tells it",
    ),
    reason(
        "srmChangeSpaceForFiles srmStatusOfChangeSpaceForFilesRequest",
        "file",
        "FAILURE",
        "each refusal has a code of its own",
    ),
    reason(
        "srmStatusOfChangeSpaceForFilesRequest",
        "request",
        "SPACE_LIFETIME_EXPIRED",
        "refused before there is a token",
    ),
    reason(
        "srmPrepareToGet srmBringOnline srmPrepareToPut srmCopy",
        "file",
        "FAILURE",
        "the first answer comes before: status calls tell it",
    ),
    reason("srmCopy srmStatusOfCopyRequest", "file", "RELEASED", "a copy is not pinned"),
    reason("srmCopy", "request", "AUTHORIZATION_FAILURE", "told per file"),
    reason(
        "srmCopy srmStatusOfCopyRequest",
        "file",
        "FILE_LIFETIME_EXPIRED",
        "a volatile file is removed when its lifetime is over: SRM_INVALID_PATH; a durable one can still be copied",
    ),
    reason(
        "srmCopy srmStatusOfCopyRequest",
        "file",
        "SPACE_LIFETIME_EXPIRED",
        "told of the request, before anything is queued",
    ),
    reason(
        "srmStatusOfCopyRequest",
        "request",
        "SPACE_LIFETIME_EXPIRED",
        "refused before there is a token",
    ),
];
