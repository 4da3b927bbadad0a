//! What the doors ask and what they get: plain values, no XML and no HTTP.
//!
//! Lifetimes and times come as the client gave them (seconds, -1 = infinite); the core judges them.

use std::time::SystemTime;

use crate::model::{
    FileLocality, FileStorageType, OverwriteMode, Protocol, RequestToken, RetentionPolicyInfo,
    ReturnStatus, SpaceToken, Stfn,
};

/// One SURL and what became of it (`TSURLReturnStatus`).
#[derive(Clone, Debug)]
pub struct SurlStatus {
    /// As the client wrote it.
    pub surl: String,
    /// What became of it.
    pub status: ReturnStatus,
}

/// Answer of srmRm, srmPutDone, srmReleaseFiles, srmAbortFiles.
#[derive(Clone, Debug)]
pub struct FilesAnswer {
    /// Of the request.
    pub status: ReturnStatus,
    /// Per file, in the order of the request; `None` when the request as a whole was refused.
    pub files: Option<Vec<SurlStatus>>,
}

/// Answer of srmPing.
#[derive(Clone, Debug)]
pub struct PingAnswer {
    /// `v2.2`.
    pub version_info: String,
    /// `otherInfo`: key and value.
    pub other_info: Vec<(String, String)>,
}

/// Answer of srmGetTransferProtocols.
#[derive(Clone, Debug)]
pub struct ProtocolsAnswer {
    /// Of the request.
    pub status: ReturnStatus,
    /// What any storage area offers.
    pub protocols: Vec<Protocol>,
}

/// srmLs.
#[derive(Clone, Debug, Default)]
pub struct LsRequest {
    /// What to list.
    pub surls: Vec<String>,
    /// Only files of this type.
    pub storage_type: Option<FileStorageType>,
    /// All fields.
    pub full_detailed: Option<bool>,
    /// To the bottom; beats `levels`.
    pub all_level_recursive: Option<bool>,
    /// 0 the entry alone, 1 its children too (the default), n levels.
    pub levels: Option<i32>,
    /// Children to skip.
    pub offset: Option<i32>,
    /// Children to return at the most.
    pub count: Option<i32>,
}

/// Answer of srmLs.
#[derive(Clone, Debug)]
pub struct LsAnswer {
    /// Of the request.
    pub status: ReturnStatus,
    /// Only when it was not ready in time.
    pub token: Option<RequestToken>,
    /// One per SURL, in the order of the request.
    pub details: Option<Vec<PathDetail>>,
}

/// `TMetaDataPathDetail`.
#[derive(Clone, Debug)]
pub struct PathDetail {
    /// The site path, as the SURL named it.
    pub path: String,
    /// Of this entry.
    pub status: ReturnStatus,
    /// Bytes; 0 for a directory.
    pub size: Option<u64>,
    /// Birth time, where the file system knows it.
    pub created: Option<SystemTime>,
    /// Last modification.
    pub modified: Option<SystemTime>,
    /// Storage type.
    pub storage_type: Option<FileStorageType>,
    /// The area's class.
    pub retention: Option<RetentionPolicyInfo>,
    /// Where the bytes are.
    pub locality: Option<FileLocality>,
    /// Tokens of the spaces that hold it.
    pub space_tokens: Vec<SpaceToken>,
    /// What it is.
    pub kind: Option<EntryKind>,
    /// Seconds, -1 infinite.
    pub lifetime_assigned: Option<i32>,
    /// Seconds, -1 infinite.
    pub lifetime_left: Option<i32>,
    /// Owner and mode bits 0..7.
    pub owner: Option<(String, u8)>,
    /// Group and mode bits 0..7.
    pub group: Option<(String, u8)>,
    /// Mode bits 0..7.
    pub other: Option<u8>,
    /// Type in capitals (`ADLER32`) and hex value.
    pub checksum: Option<(String, String)>,
    /// Children; `None` where none were asked for.
    pub children: Option<Vec<PathDetail>>,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// srmPrepareToPut.
#[derive(Clone, Debug, Default)]
pub struct PutRequest {
    /// `arrayOfFileRequests`; absent is an error of the request.
    pub files: Option<Vec<PutFile>>,
    /// `userRequestDescription`.
    pub description: Option<String>,
    /// `overwriteOption`.
    pub overwrite: Option<OverwriteMode>,
    /// `desiredTotalRequestTime`, seconds.
    pub total_time: Option<i32>,
    /// `desiredPinLifeTime`, seconds.
    pub pin_lifetime: Option<i32>,
    /// `desiredFileLifeTime`, seconds.
    pub file_lifetime: Option<i32>,
    /// `desiredFileStorageType`.
    pub storage_type: Option<FileStorageType>,
    /// `targetSpaceToken`.
    pub space_token: Option<String>,
    /// `targetFileRetentionPolicyInfo`.
    pub retention: Option<RetentionPolicyInfo>,
    /// `arrayOfTransferProtocols`, as the client spelt them.
    pub protocols: Option<Vec<String>>,
}

/// `TPutFileRequest`.
#[derive(Clone, Debug, Default)]
pub struct PutFile {
    /// `targetSURL`.
    pub surl: Option<String>,
    /// `expectedFileSize` in bytes; 0 is unknown.
    pub expected_size: Option<u64>,
}

/// Answer of srmPrepareToPut, srmPrepareToGet, srmBringOnline and their status calls; `F` is what is told of a file.
#[derive(Clone, Debug)]
pub struct RequestAnswer<F> {
    /// Of the request.
    pub status: ReturnStatus,
    /// `requestToken` (left out by the status call).
    pub token: Option<RequestToken>,
    /// Per file.
    pub files: Option<Vec<F>>,
    /// `remainingTotalRequestTime`, seconds.
    pub remaining_total_time: Option<i32>,
    /// `remainingDeferredStartTime` of a request that begins later than it came, seconds.
    pub remaining_deferred_start: Option<i32>,
}

/// Of bring-onlines: without a TURL.
pub type BringOnlineAnswer = RequestAnswer<GetFileStatus>;
/// Of puts.
pub type PutAnswer = RequestAnswer<PutFileStatus>;
/// Of gets.
pub type GetAnswer = RequestAnswer<GetFileStatus>;

/// `TPutRequestFileStatus`.
#[derive(Clone, Debug)]
pub struct PutFileStatus {
    /// As the client wrote it.
    pub surl: String,
    /// Of this file.
    pub status: ReturnStatus,
    /// Bytes.
    pub size: Option<u64>,
    /// Seconds.
    pub estimated_wait: Option<i32>,
    /// Seconds the TURL still lives.
    pub remaining_pin: Option<i32>,
    /// Seconds the file will live; -1 infinite.
    pub remaining_lifetime: Option<i32>,
    /// Where to write.
    pub turl: Option<String>,
}

/// srmPrepareToGet, and srmBringOnline: there the pin is `desiredLifeTime`, and protocols are ignored.
#[derive(Clone, Debug, Default)]
pub struct GetRequest {
    /// `arrayOfFileRequests`.
    pub files: Option<Vec<GetFile>>,
    /// `userRequestDescription`.
    pub description: Option<String>,
    /// `desiredFileStorageType`.
    pub storage_type: Option<FileStorageType>,
    /// `desiredTotalRequestTime`, seconds.
    pub total_time: Option<i32>,
    /// `desiredPinLifeTime`, seconds.
    pub pin_lifetime: Option<i32>,
    /// `targetSpaceToken`.
    pub space_token: Option<String>,
    /// `targetFileRetentionPolicyInfo`.
    pub retention: Option<RetentionPolicyInfo>,
    /// `arrayOfTransferProtocols`, as the client spelt them.
    pub protocols: Option<Vec<String>>,
}

/// `TGetFileRequest`.
#[derive(Clone, Debug, Default)]
pub struct GetFile {
    /// `sourceSURL`.
    pub surl: Option<String>,
    /// `dirOption`, where `isSourceADirectory`: the files of that directory are asked for.
    pub directory: Option<Levels>,
}

/// How deep below a directory (`TDirOption`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    /// To the bottom; beats `levels`.
    pub all: Option<bool>,
    /// 1, the default, is what stands in the directory itself.
    pub levels: Option<i32>,
}

/// `TGetRequestFileStatus`.
#[derive(Clone, Debug)]
pub struct GetFileStatus {
    /// As the client wrote it.
    pub surl: String,
    /// Of this file.
    pub status: ReturnStatus,
    /// Bytes.
    pub size: Option<u64>,
    /// Seconds.
    pub estimated_wait: Option<i32>,
    /// Seconds the pin still lives.
    pub remaining_pin: Option<i32>,
    /// Where to read.
    pub turl: Option<String>,
}

/// srmCopy.
#[derive(Clone, Debug, Default)]
pub struct CopyRequest {
    /// `arrayOfFileRequests`.
    pub files: Vec<CopyFile>,
    /// `userRequestDescription`.
    pub description: Option<String>,
    /// `overwriteOption`.
    pub overwrite: Option<OverwriteMode>,
    /// `desiredTotalRequestTime`, seconds.
    pub total_time: Option<i32>,
    /// `desiredTargetSURLLifeTime`, seconds.
    pub file_lifetime: Option<i32>,
    /// `targetFileStorageType`.
    pub storage_type: Option<FileStorageType>,
    /// `targetSpaceToken`.
    pub space_token: Option<String>,
    /// `targetFileRetentionPolicyInfo`.
    pub retention: Option<RetentionPolicyInfo>,
}

/// `TCopyFileRequest`.
#[derive(Clone, Debug)]
pub struct CopyFile {
    /// `sourceSURL`.
    pub source: String,
    /// `targetSURL`.
    pub target: String,
    /// `dirOption`, where the source is a directory.
    pub directory: Option<Levels>,
}

/// Answer of srmCopy and srmStatusOfCopyRequest.
pub type CopyAnswer = RequestAnswer<CopyFileStatus>;

/// `TCopyRequestFileStatus`.
#[derive(Clone, Debug)]
pub struct CopyFileStatus {
    /// As the client wrote it.
    pub source: String,
    /// As the client wrote it.
    pub target: String,
    /// Of this file.
    pub status: ReturnStatus,
    /// Bytes, once it is done.
    pub size: Option<u64>,
    /// Seconds.
    pub estimated_wait: Option<i32>,
    /// Seconds the target will live; -1 infinite.
    pub remaining_lifetime: Option<i32>,
}

/// What srmSetPermission does with what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermissionChange {
    /// Gives more.
    Add,
    /// Takes whole entries away; what they say does not matter.
    Remove,
    /// Sets them to what is said.
    Change,
}

/// srmSetPermission. Modes are the bits r 4, w 2, x 1.
#[derive(Clone, Debug)]
pub struct SetPermission {
    /// File or directory.
    pub surl: String,
    /// What is done with what follows; what is absent stays.
    pub change: PermissionChange,
    /// Of the owner.
    pub owner: Option<u8>,
    /// Of users: DN, account or its number, and mode.
    pub users: Vec<(String, u8)>,
    /// Of groups: FQAN, group or its number, and mode.
    pub groups: Vec<(String, u8)>,
    /// Of everybody else.
    pub other: Option<u8>,
}

/// Answer of srmCheckPermission and srmGetPermission; `P` is what is told of one SURL.
#[derive(Clone, Debug)]
pub struct PermissionAnswer<P> {
    /// Of the request.
    pub status: ReturnStatus,
    /// Per SURL, in the order of the request: the SURL, its status, and what was found.
    pub files: Option<Vec<(String, ReturnStatus, Option<P>)>>,
}

/// `TPermissionReturn`: who has which mode, by the names of accounts and groups.
#[derive(Clone, Debug)]
pub struct Permissions {
    /// The owner and his mode.
    pub owner: (String, u8),
    /// Users.
    pub users: Vec<(String, u8)>,
    /// Groups; the owning one first.
    pub groups: Vec<(String, u8)>,
    /// Everybody else.
    pub other: u8,
}

/// Answer of srmGetSpaceTokens.
#[derive(Clone, Debug)]
pub struct SpaceTokensAnswer {
    /// Of the request.
    pub status: ReturnStatus,
    /// The tokens.
    pub tokens: Option<Vec<SpaceToken>>,
}

/// Answer of srmGetSpaceMetaData.
#[derive(Clone, Debug)]
pub struct SpaceMetaDataAnswer {
    /// Of the request.
    pub status: ReturnStatus,
    /// One per token asked for, in order.
    pub spaces: Option<Vec<SpaceMetaData>>,
}

/// `TMetaDataSpace`.
#[derive(Clone, Debug)]
pub struct SpaceMetaData {
    /// As asked.
    pub token: String,
    /// Of this space.
    pub status: ReturnStatus,
    /// The class.
    pub retention: Option<RetentionPolicyInfo>,
    /// Who holds it.
    pub owner: Option<String>,
    /// Bytes.
    pub total: Option<u64>,
    /// Bytes.
    pub guaranteed: Option<u64>,
    /// Bytes.
    pub unused: Option<u64>,
    /// Seconds, -1 infinite.
    pub lifetime_assigned: Option<i32>,
    /// Seconds, -1 infinite.
    pub lifetime_left: Option<i32>,
}

/// Answer of srmChangeSpaceForFiles and its status call.
pub type ChangeSpaceAnswer = RequestAnswer<SurlStatus>;

/// srmReserveSpace.
#[derive(Clone, Debug)]
pub struct ReserveSpace {
    /// `userSpaceTokenDescription`.
    pub description: Option<String>,
    /// The class; a latency that is not named is ONLINE.
    pub retention: RetentionPolicyInfo,
    /// Bytes; absent and 0: as much as is guaranteed.
    pub total: Option<u64>,
    /// Bytes; 0 with no total: the area's default.
    pub guaranteed: u64,
    /// Seconds, -1 without end; absent: the area's default, else without end.
    pub lifetime: Option<i32>,
}

/// srmUpdateSpace; what is absent stays.
#[derive(Clone, Debug)]
pub struct UpdateSpace {
    /// `spaceToken`.
    pub token: String,
    /// Bytes.
    pub total: Option<u64>,
    /// Bytes.
    pub guaranteed: Option<u64>,
    /// Seconds from now, -1 without end.
    pub lifetime: Option<i32>,
}

/// Answer of srmReserveSpace, srmUpdateSpace and their status calls.
#[derive(Clone, Debug)]
pub struct SpaceGrantAnswer {
    /// Of the request.
    pub status: ReturnStatus,
    /// `requestToken` (left out by the status calls).
    pub token: Option<RequestToken>,
    /// The class.
    pub retention: Option<RetentionPolicyInfo>,
    /// Bytes.
    pub total: Option<u64>,
    /// Bytes.
    pub guaranteed: Option<u64>,
    /// Seconds, -1 without end.
    pub lifetime: Option<i32>,
    /// The space.
    pub space: Option<SpaceToken>,
}

/// What a storage area holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AreaUsage {
    /// Its name.
    pub area: String,
    /// Bytes of its files; what is counted so far, while it was never counted whole.
    pub used: u64,
    /// When it was counted whole the last time: milliseconds since 1970, UTC.
    pub scanned_ms: Option<i64>,
    /// Bytes that the last count found more or less than was known: written or removed behind
    /// stormd's back.
    pub drift: i64,
    /// It is being counted, or about to be.
    pub scanning: bool,
}

/// What an HTTP door points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file or directory at its StFN.
    Stfn(Stfn),
    /// The TURL of a prepared file (`/fileTransfer<StFN>`): open only to the person who prepared
    /// it, and only while the prepare lives.
    Transfer(Stfn),
}

impl Target {
    /// The path.
    pub fn stfn(&self) -> &Stfn {
        match self {
            Target::Stfn(stfn) | Target::Transfer(stfn) => stfn,
        }
    }
}

/// What an HTTP door says of a file or directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The last name; empty for the top.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// Last modification.
    pub modified: SystemTime,
    /// Birth time, where the file system knows it.
    pub created: Option<SystemTime>,
    /// Strong entity tag without quotes: changes with every published content.
    pub etag: String,
    /// 8 hex digits, where known and fresh.
    pub adler32: Option<String>,
}

/// A file opened for reading.
#[derive(Debug)]
pub struct Reader {
    /// Open for reading, at offset 0.
    pub file: std::fs::File,
    /// What it is.
    pub entry: Entry,
}

/// Children of a directory, one at a time, in the directory's own order. Blocking: iterate on the
/// blocking pool.
pub struct Lister {
    /// The directory itself.
    pub entry: Entry,
    /// Its children. Hidden names are left out.
    pub children: Box<dyn Iterator<Item = Result<Entry, super::Error>> + Send>,
}

/// What a writer tells before its data comes.
#[derive(Default)]
pub struct WriteOptions {
    /// Content-Length, where known: refused early when it cannot fit.
    pub expected_size: Option<u64>,
    /// Judges `If-Match`, `If-None-Match` and so on against what is there; false refuses with
    /// [`super::ErrorKind::Precondition`]. A live put is not an existing file.
    pub precondition: Option<Precondition>,
    /// Last modification that the file is to have; `None`, and for a part: now.
    pub modified: Option<SystemTime>,
    /// Only a part of the file is written, in place; `None`: the file is replaced whole.
    pub part: Option<Part>,
}

/// Where a part of a file goes. The file must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From this offset on, which is not behind the file's end.
    At(u64),
    /// Behind the file's end.
    End,
    /// Over so many of the last bytes, which are there.
    Last(u64),
}

impl Part {
    /// The offset in a file of that many bytes; `None`: there is no such place.
    pub fn offset(self, size: u64) -> Option<u64> {
        match self {
            Part::At(at) => (at <= size).then_some(at),
            Part::End => Some(size),
            Part::Last(bytes) => size.checked_sub(bytes),
        }
    }
}

/// See [`WriteOptions::precondition`].
pub type Precondition = Box<dyn Fn(Option<&Entry>) -> bool + Send>;

/// Whether what stands at the source and at the destination of a MOVE or COPY is as the request wants it.
/// `None`: nothing is there.
pub type BothEnds = std::sync::Arc<dyn Fn(Option<&Entry>, Option<&Entry>) -> bool + Send + Sync>;

/// What publishing an upload came to.
#[derive(Clone, Debug)]
pub struct Published {
    /// False when a file was replaced.
    pub created: bool,
    /// The new file.
    pub entry: Entry,
}
