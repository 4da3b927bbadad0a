//! The core: one place per operation, all rules of SRM. No XML and no HTTP in here.

mod api;
mod error;

pub use api::*;
pub use error::{Error, ErrorKind};

use crate::model::{Identity, ReturnStatus};

/// The core. Doors hold it in an `Arc` and call one method per operation.
pub struct Srm {}

#[allow(unused_variables, clippy::unused_async, missing_docs, clippy::todo)]
impl Srm {
    /// srmPing. Errors are SOAP faults: the operation has no return status.
    pub async fn ping(&self, who: &Identity) -> Result<PingAnswer, ReturnStatus> { todo!() }
    pub async fn get_transfer_protocols(&self, who: &Identity) -> ProtocolsAnswer { todo!() }
    pub async fn ls(&self, who: &Identity, request: LsRequest) -> LsAnswer { todo!() }
    pub async fn mkdir(&self, who: &Identity, surl: &str) -> ReturnStatus { todo!() }
    pub async fn rmdir(&self, who: &Identity, surl: &str, recursive: bool) -> ReturnStatus { todo!() }
    pub async fn rm(&self, who: &Identity, surls: Vec<String>) -> FilesAnswer { todo!() }
    pub async fn mv(&self, who: &Identity, from: &str, to: &str) -> ReturnStatus { todo!() }
    pub async fn prepare_to_put(&self, who: &Identity, request: PutRequest) -> PutAnswer { todo!() }
    pub async fn status_of_put(&self, who: &Identity, token: &str, surls: Option<Vec<String>>) -> PutAnswer { todo!() }
    pub async fn put_done(&self, who: &Identity, token: &str, surls: Vec<String>) -> FilesAnswer { todo!() }
    pub async fn prepare_to_get(&self, who: &Identity, request: GetRequest) -> GetAnswer { todo!() }
    pub async fn status_of_get(&self, who: &Identity, token: &str, surls: Option<Vec<String>>) -> GetAnswer { todo!() }
    pub async fn release_files(&self, who: &Identity, token: Option<&str>, surls: Option<Vec<String>>, remove: bool) -> FilesAnswer { todo!() }
    pub async fn abort_request(&self, who: &Identity, token: &str) -> ReturnStatus { todo!() }
    pub async fn abort_files(&self, who: &Identity, token: &str, surls: Vec<String>) -> FilesAnswer { todo!() }
    pub async fn get_space_tokens(&self, who: &Identity, description: Option<&str>) -> SpaceTokensAnswer { todo!() }
    pub async fn get_space_meta_data(&self, who: &Identity, tokens: Vec<String>) -> SpaceMetaDataAnswer { todo!() }

    /// Looks at a file or directory.
    pub async fn stat(&self, who: &Identity, target: &Target) -> Result<Entry, Error> { todo!() }
    /// Opens a file for reading.
    pub async fn open(&self, who: &Identity, target: &Target) -> Result<Reader, Error> { todo!() }
    /// Lists a directory.
    pub async fn list(&self, who: &Identity, target: &Target) -> Result<Lister, Error> { todo!() }
    /// Begins a write; nothing is seen of it until [`Upload::publish`].
    pub async fn create(&self, who: &Identity, target: &Target, options: WriteOptions) -> Result<Upload, Error> { todo!() }
    /// Removes a file, or an empty... (door DELETE).
    pub async fn remove(&self, who: &Identity, target: &Target) -> Result<(), Error> { todo!() }
    /// Makes a directory.
    pub async fn make_directory(&self, who: &Identity, target: &Target) -> Result<(), Error> { todo!() }
}

/// A write under way. Dropped unpublished, it leaves nothing behind.
#[derive(Debug)]
pub struct Upload {
    /// Where the bytes go: open for writing, empty.
    pub file: std::fs::File,
}

#[allow(unused_variables, clippy::unused_async, clippy::todo)]
impl Upload {
    /// Publishes `size` bytes with that checksum under the target's name, in one rename.
    pub async fn publish(self, size: u64, adler32: u32) -> Result<Published, Error> { todo!() }
}
