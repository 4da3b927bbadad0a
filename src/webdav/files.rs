//! What this door needs of the core, as a trait: the door's tests bring a small core of their own.

use std::fs::File;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::model::{Algorithm, Digests, Identity, Stfn};
use crate::srm::{
    Besides, Browse, Browsed, Carried, Carry, DavLock, Entry, Error, Lister, LockWanted,
    Precondition, PropertyPatch, Published, Reader, Srm, Target, Tree, Upload, Wanted,
    WriteOptions,
};

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

    /// A page of a directory, sorted. A file: [`crate::srm::ErrorKind::NotADirectory`].
    fn browse(
        &self,
        who: &Identity,
        stfn: &Stfn,
        browse: Browse,
    ) -> impl Future<Output = Result<Browsed, Error>> + Send;

    /// Lists a directory with all below it. What only leads to storage areas:
    /// [`crate::srm::ErrorKind::NotSupported`].
    fn tree(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Result<Tree, Error>> + Send;

    /// Begins a write.
    fn create(
        &self,
        who: &Identity,
        target: &Target,
        options: WriteOptions,
    ) -> impl Future<Output = Result<Self::Upload, Error>> + Send;

    /// True when `host` and `port` are those of our own HTTP doors.
    fn is_own_address(&self, host: &str, port: Option<u16>) -> bool;

    /// Moves a file or directory.
    fn move_to(
        &self,
        who: &Identity,
        from: &Stfn,
        to: &Stfn,
        carry: Carry,
    ) -> impl Future<Output = Result<Carried, Error>> + Send;

    /// Copies a file or directory.
    fn copy_to(
        &self,
        who: &Identity,
        from: &Stfn,
        to: &Stfn,
        carry: Carry,
    ) -> impl Future<Output = Result<Carried, Error>> + Send;

    /// Removes a file, where that is as the precondition wants it, or a directory with all below it.
    fn remove(
        &self,
        who: &Identity,
        target: &Target,
        precondition: Option<Precondition>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Makes a directory.
    fn make_directory(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// For a request that came with these lock tokens.
    fn submitting(self: &Arc<Self>, who: &Identity, tokens: Vec<Arc<str>>) -> Arc<Self>;

    /// The locks that hold for `target`.
    fn locks_over(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Vec<Arc<DavLock>>> + Send;

    /// StFNs of the locks that may stand in the way of a change of `target`.
    fn locks_about(
        &self,
        who: &Identity,
        target: &Target,
    ) -> impl Future<Output = Vec<String>> + Send;

    /// Locks; true where an empty file was made for that.
    fn lock(
        &self,
        who: &Identity,
        target: &Target,
        wanted: LockWanted,
    ) -> impl Future<Output = Result<(Arc<DavLock>, bool), Error>> + Send;

    /// Lets a lock live on.
    fn refresh_lock(
        &self,
        who: &Identity,
        target: &Target,
        lifetime: Option<Duration>,
    ) -> impl Future<Output = Result<Arc<DavLock>, Error>> + Send;

    /// Unlocks.
    fn unlock(
        &self,
        who: &Identity,
        target: &Target,
        token: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// What PROPFIND tells beside what the file system knows.
    fn beside(
        &self,
        who: &Identity,
        target: &Target,
        wanted: Wanted,
    ) -> impl Future<Output = Besides> + Send;

    /// Sets and removes dead properties.
    fn patch_properties(
        &self,
        who: &Identity,
        target: &Target,
        patch: PropertyPatch,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A write under way. Dropped unpublished, it leaves nothing behind; it may be dropped on the
/// blocking pool.
pub trait UploadHandle: Send + 'static {
    /// Where the bytes go: open for writing, at its end. What is small is handed on whole to
    /// [`UploadHandle::publish`] instead.
    fn begin(&mut self) -> impl Future<Output = Result<Arc<File>, Error>> + Send;

    /// Makes `size` bytes with these checksums the content of the target: what was written, and `rest`.
    /// The checksums of a part are of no use.
    fn publish(
        self,
        rest: Vec<Bytes>,
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

    async fn browse(&self, who: &Identity, stfn: &Stfn, browse: Browse) -> Result<Browsed, Error> {
        Srm::browse(self, who, stfn, browse).await
    }

    async fn tree(&self, who: &Identity, target: &Target) -> Result<Tree, Error> {
        Srm::tree(self, who, target).await
    }

    async fn create(
        &self,
        who: &Identity,
        target: &Target,
        options: WriteOptions,
    ) -> Result<Upload, Error> {
        Srm::create(self, who, target, options).await
    }

    fn is_own_address(&self, host: &str, port: Option<u16>) -> bool {
        Srm::is_own_address(self, host, port)
    }

    async fn move_to(
        &self,
        who: &Identity,
        from: &Stfn,
        to: &Stfn,
        carry: Carry,
    ) -> Result<Carried, Error> {
        Srm::move_to(self, who, from, to, carry).await
    }

    async fn copy_to(
        &self,
        who: &Identity,
        from: &Stfn,
        to: &Stfn,
        carry: Carry,
    ) -> Result<Carried, Error> {
        Srm::copy_to(self, who, from, to, carry).await
    }

    async fn remove(
        &self,
        who: &Identity,
        target: &Target,
        precondition: Option<Precondition>,
    ) -> Result<(), Error> {
        Srm::remove(self, who, target, precondition).await
    }

    async fn make_directory(&self, who: &Identity, target: &Target) -> Result<(), Error> {
        Srm::make_directory(self, who, target).await
    }

    fn submitting(self: &Arc<Self>, who: &Identity, tokens: Vec<Arc<str>>) -> Arc<Self> {
        Arc::new(Srm::submitting(self, who, tokens))
    }

    async fn locks_over(&self, who: &Identity, target: &Target) -> Vec<Arc<DavLock>> {
        Srm::locks_over(self, who, target).await
    }

    async fn locks_about(&self, who: &Identity, target: &Target) -> Vec<String> {
        Srm::locks_about(self, who, target).await
    }

    async fn lock(
        &self,
        who: &Identity,
        target: &Target,
        wanted: LockWanted,
    ) -> Result<(Arc<DavLock>, bool), Error> {
        Srm::lock(self, who, target, wanted).await
    }

    async fn refresh_lock(
        &self,
        who: &Identity,
        target: &Target,
        lifetime: Option<Duration>,
    ) -> Result<Arc<DavLock>, Error> {
        Srm::refresh_lock(self, who, target, lifetime).await
    }

    async fn unlock(&self, who: &Identity, target: &Target, token: &str) -> Result<(), Error> {
        Srm::unlock(self, who, target, token).await
    }

    async fn beside(&self, who: &Identity, target: &Target, wanted: Wanted) -> Besides {
        Srm::beside(self, who, target, wanted).await
    }

    async fn patch_properties(
        &self,
        who: &Identity,
        target: &Target,
        patch: PropertyPatch,
    ) -> Result<(), Error> {
        Srm::patch_properties(self, who, target, patch).await
    }
}

impl UploadHandle for Upload {
    async fn begin(&mut self) -> Result<Arc<File>, Error> {
        Upload::begin(self).await
    }

    async fn publish(
        self,
        rest: Vec<Bytes>,
        size: u64,
        digests: Digests,
    ) -> Result<Published, Error> {
        Upload::publish(self, rest, size, digests).await
    }
}
