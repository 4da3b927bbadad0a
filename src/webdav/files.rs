//! What this door needs of the core, as a trait: the door's tests bring a small core of their own.

use std::fs::File;
use std::future::Future;

use crate::model::{Algorithm, Digests, Identity};
use crate::srm::{Entry, Error, Lister, Published, Reader, Srm, Target, Upload, WriteOptions};

/// The core's data path. [`Srm`] says what each method does.
pub trait Files: Send + Sync + 'static {
    /// A write under way.
    type Upload: UploadHandle;

    /// Looks at a file or directory.
    fn stat(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Result<Entry, Error>> + Send;

    /// A checksum of what was found at `target` a moment ago, in hex digits; computed where none is
    /// kept, as long as an answer may wait for that.
    fn checksum(
        &self,
        who: &Identity,
        target: &Target,
        entry: &Entry,
        algorithm: Algorithm,
    ) -> impl Future<Output = Option<String>> + Send;

    /// What is computed of each file that is written.
    fn checksums(&self) -> Vec<Algorithm>;

    /// Opens a file for reading. A directory: [`crate::srm::ErrorKind::IsADirectory`].
    fn open(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Result<Reader, Error>> + Send;

    /// Lists a directory. A file: [`crate::srm::ErrorKind::NotADirectory`].
    fn list(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Result<Lister, Error>> + Send;

    /// Begins a write.
    fn create(
        &self,
        who: &Identity,
        target: &Target,
        options: WriteOptions,
    ) -> impl Future<Output = Result<Self::Upload, Error>> + Send;

    /// Removes a file or an empty directory.
    fn remove(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Makes a directory.
    fn make_directory(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A write under way. Dropped unpublished, it leaves nothing behind; it may be dropped on the
/// blocking pool.
pub trait UploadHandle: Send + 'static {
    /// Where the bytes go: open for writing, at its end.
    fn file(&self) -> &File;

    /// Makes `size` bytes with these checksums the content of the target. Those of a part are of no use.
    fn publish(
        self,
        size: u64,
        digests: Digests,
    ) -> impl Future<Output = Result<Published, Error>> + Send;
}

impl Files for Srm {
    type Upload = Upload;

    async fn stat(&self, who: &Identity, target: &Target) -> Result<Entry, Error> {
        Srm::stat(self, who, target).await
    }

    async fn checksum(
        &self,
        who: &Identity,
        target: &Target,
        entry: &Entry,
        algorithm: Algorithm,
    ) -> Option<String> {
        Srm::checksum(self, who, target, entry, algorithm).await
    }

    fn checksums(&self) -> Vec<Algorithm> {
        Srm::checksums(self)
    }

    async fn open(&self, who: &Identity, target: &Target) -> Result<Reader, Error> {
        Srm::open(self, who, target).await
    }

    async fn list(&self, who: &Identity, target: &Target) -> Result<Lister, Error> {
        Srm::list(self, who, target).await
    }

    async fn create(
        &self,
        who: &Identity,
        target: &Target,
        options: WriteOptions,
    ) -> Result<Upload, Error> {
        Srm::create(self, who, target, options).await
    }

    async fn remove(&self, who: &Identity, target: &Target) -> Result<(), Error> {
        Srm::remove(self, who, target).await
    }

    async fn make_directory(&self, who: &Identity, target: &Target) -> Result<(), Error> {
        Srm::make_directory(self, who, target).await
    }
}

impl UploadHandle for Upload {
    fn file(&self) -> &File {
        &self.file
    }

    async fn publish(self, size: u64, digests: Digests) -> Result<Published, Error> {
        Upload::publish(self, size, digests).await
    }
}
