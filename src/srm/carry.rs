//! MOVE and COPY of the HTTP doors (RFC 4918 9.8 and 9.9), within one storage area.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::access::{Needs, driver_error, owner};
use super::aside::Aside;
use super::conditions::unmet;
use super::copy_data::copy_file;
use super::files::look_soon;
use super::mv::judge_both;
use super::{BothEnds, Entry, Error, ErrorKind, Srm, Target, WriteOptions, blocking, to_the_end};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Algorithm, Identity, Stfn};
use crate::namespace::Located;

mod tree;

/// How a MOVE or COPY is meant.
#[derive(Clone)]
pub struct Carry {
    /// What stands at the destination goes, with all below it.
    pub overwrite: bool,
    /// A directory is copied with all below it; else it alone, empty.
    pub deep: bool,
    /// Judged at the moment of the change; where a directory is copied, or copied onto, before anything is.
    pub precondition: Option<BothEnds>,
}

/// What a MOVE or COPY came to.
#[derive(Debug)]
pub enum Carried {
    /// It is there.
    Done {
        /// Nothing stood there before.
        created: bool,
        /// What lies below the source, or the destination, and could not be copied. The rest was.
        failed: Vec<(Stfn, Error)>,
    },
    /// Source and destination are the same. Nothing was changed.
    Same,
    /// The one lies in the other. Nothing was changed.
    Nested,
}

/// Where it leads.
struct Way {
    source: Located,
    target: Located,
    /// What stands at the target by now.
    existing: Option<Kind>,
    /// What stands there when it comes to it may be replaced.
    replace: bool,
    precondition: Option<BothEnds>,
}

impl Srm {
    /// True when `host` and `port` are those of our own HTTP doors.
    pub fn is_own_address(&self, host: &str, port: Option<u16>) -> bool {
        self.site().namespace.owns_http(host, port)
    }

    /// MOVE: as srmMv, onto the destination itself. Whatever cuts it short, the old or the new stands
    /// there.
    pub async fn move_to(
        &self,
        who: &Identity,
        from: &Stfn,
        to: &Stfn,
        carry: Carry,
    ) -> Result<Carried, Error> {
        self.admit(who).await?;
        let site = self.site();
        let source = site.locate(who, from, Needs::MOVE_FROM.access)?;
        site.permit_tree(who, &source, Needs::MOVE_FROM)?;
        if source.path.is_root() {
            return Err(Error::new(ErrorKind::Denied, "the root of a storage area is not moved"));
        }
        let way = match self.way(who, source, to, Needs::MOVE_TO, carry).await? {
            Ok(way) => way,
            Err(nowhere) => return Ok(nowhere),
        };
        let Way { source, target, replace, precondition, .. } = way;
        let created = self.move_located(source, target, replace, precondition).await?;
        Ok(Carried::Done { created, failed: Vec::new() })
    }

    /// COPY, by the means of srmCopy. It ends with the future, between two pieces of a file.
    pub async fn copy_to(
        &self,
        who: &Identity,
        from: &Stfn,
        to: &Stfn,
        carry: Carry,
    ) -> Result<Carried, Error> {
        self.admit(who).await?;
        let site = self.site();
        let source = site.locate(who, from, Needs::READ.access)?;
        // Who may neither read nor list is not told what it is.
        if site.permit(who, &source, Needs::LIST).is_err() {
            site.permit(who, &source, Needs::READ)?;
        }
        let looked = source.clone();
        let stat = blocking(move || {
            let stat = looked.area.driver.stat(&looked.path);
            stat.map_err(|error| driver_error(error, &looked.stfn))
        });
        let stat = stat.await?;
        let (reads, needs) = match stat.kind {
            Kind::Directory => (Needs::LIST, Needs::MAKE_DIRECTORY),
            Kind::File | Kind::Other => (Needs::READ, Needs::CREATE),
        };
        site.permit(who, &source, reads)?;
        let deep = carry.deep;
        let way = match self.way(who, source, to, needs, carry).await? {
            Ok(way) => way,
            Err(nowhere) => return Ok(nowhere),
        };
        // Nobody reads an answer whose future is gone.
        let stop = self.core.stopping.child_token();
        let _hung_up = stop.clone().drop_guard();
        let (srm, who) = (self.clone(), who.clone());
        to_the_end(async move {
            let work = Copying { srm, who, stop };
            judge_both(way.precondition.as_ref(), &way.source, &way.target).await?;
            match stat.kind {
                Kind::Directory => work.directory(way, deep).await,
                Kind::File | Kind::Other => work.file_onto(way).await,
            }
        })
        .await
    }

    /// Judges both ends, or says why there is nothing to do.
    async fn way(
        &self,
        who: &Identity,
        source: Located,
        to: &Stfn,
        needs: Needs,
        carry: Carry,
    ) -> Result<Result<Way, Carried>, Error> {
        let site = self.site();
        let target = site.locate(who, to, needs.access).map_err(|error| match error.kind {
            ErrorKind::NotFound | ErrorKind::InvalidPath => Error {
                kind: ErrorKind::ParentMissing,
                explanation: format!("the destination: {}", error.explanation),
            },
            _ => error,
        })?;
        let (from, into) = (source.key(), target.key());
        if from == into {
            return Ok(Err(Carried::Same));
        }
        if from.area != into.area {
            let why = "source and destination lie in different storage areas: get the file here, and put \
                       it there";
            return Err(Error::new(ErrorKind::InvalidRequest, why));
        }
        if from.path.is_within(&into.path) || (carry.deep && into.path.is_within(&from.path)) {
            return Ok(Err(Carried::Nested));
        }
        site.permit(who, &target, needs)?;
        let looked = target.clone();
        let found = blocking(move || match looked.area.driver.stat(&looked.path) {
            Ok(stat) => Ok(Some(stat.kind)),
            Err(DriverError::NotFound | DriverError::NotADirectory) => Ok(None),
            Err(error) => Err(driver_error(error, &looked.stfn)),
        });
        let existing = found.await?;
        if existing.is_some() && !carry.overwrite {
            let why = format!(
                "{} is there already, and is not to be replaced (Overwrite: F)",
                target.stfn
            );
            return Err(Error::new(ErrorKind::Exists, why));
        }
        let may_go = site.permit_tree(who, &target, Needs::DELETE);
        let replace = carry.overwrite && may_go.is_ok();
        if existing.is_some() {
            may_go?;
        }
        let precondition = carry.precondition;
        Ok(Ok(Way { source, target, existing, replace, precondition }))
    }
}

/// A COPY under way.
struct Copying {
    srm: Srm,
    who: Identity,
    /// The client hung up, or the daemon stops.
    stop: CancellationToken,
}

impl Copying {
    /// A file that was asked for by name.
    async fn file_onto(&self, way: Way) -> Result<Carried, Error> {
        let Way { source, target, existing, replace, precondition } = way;
        if existing != Some(Kind::Directory) {
            let created = self.file(source, &target, replace, precondition).await?;
            return Ok(Carried::Done { created, failed: Vec::new() });
        }
        let aside = self.step_aside(&target).await?;
        match self.file(source, &target, false, None).await {
            Ok(_) => self.replaced(&target, aside).await,
            Err(error) => {
                self.step_back(&target, aside).await;
                return Err(error);
            }
        }
        Ok(Carried::Done { created: false, failed: Vec::new() })
    }

    /// A file, onto a free name or another file. True when nothing was there.
    async fn file(
        &self,
        source: Located,
        target: &Located,
        replace: bool,
        both: Option<BothEnds>,
    ) -> Result<bool, Error> {
        let from = look_soon(&source).await?;
        let from = from.ok_or_else(|| driver_error(DriverError::NotFound, &source.stfn))?;
        // What is copied has to be what the condition was judged by.
        let judged = both.is_some().then(|| from.etag.clone());
        let options = WriteOptions {
            expected_size: Some(from.size),
            precondition: Some(Box::new(move |there: Option<&Entry>| {
                let wanted = both.as_ref().is_none_or(|holds| holds(Some(&from), there));
                wanted && (replace || there.is_none())
            })),
            ..WriteOptions::default()
        };
        let place = Target::Stfn(target.stfn.clone());
        let mut upload = self.srm.create(&self.who, &place, options).await?;
        let file = upload.begin().await?;
        let keys = (source.key(), target.key());
        let (srm, stop, to) = (self.srm.clone(), self.stop.clone(), target.clone());
        let copied = blocking(move || {
            let mut go_on = || !stop.is_cancelled();
            let copied = copy_file(&srm, &source, &to, &file, &mut go_on)?;
            Ok((upload, copied.ok_or_else(stopped)?))
        });
        let (upload, copied) = copied.await?;
        if judged.is_some_and(|version| version != copied.version) {
            return Err(unmet());
        }
        let has_sum = copied.adler32.is_some();
        let digests = copied.adler32.map(|sum| (Algorithm::Adler32, sum));
        let published = upload.run(Vec::new(), copied.size, digests.into_iter().collect()).await?;
        if !has_sum {
            let place = (Arc::clone(&target.area), target.path.clone());
            self.srm.checksum_later(owner(&self.who), vec![place]);
        }
        self.srm.copy_properties(&keys.0, &keys.1).await?;
        Ok(published.created)
    }

    async fn step_aside(&self, target: &Located) -> Result<Aside, Error> {
        let _guard = self.srm.core.locks.lock(&target.key()).await;
        self.srm.step_aside(target).await
    }

    async fn step_back(&self, target: &Located, aside: Aside) {
        let _guard = self.srm.core.locks.lock(&target.key()).await;
        self.srm.step_back(aside).await;
    }

    async fn replaced(&self, target: &Located, aside: Aside) {
        let guard = self.srm.core.locks.lock(&target.key()).await;
        let left = self.srm.let_go(aside).await;
        drop(guard);
        self.srm.remove_left(left).await;
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Overloaded, "the copy was stopped: the server stops, copy it again later")
}
