//! srmCopy and srmStatusOfCopyRequest, within this site: what is asked, and what is told.

use std::collections::HashMap;
use std::sync::Arc;

use super::access::owner;
use super::answer::{bare, estimated_wait, refused};
use super::checks::not_in_request;
use super::live::Live;
use super::requests::now;
use super::submit::{deadline, fqans, new_token, queued};
use super::transition::file_status;
use super::{CopyAnswer, CopyFileStatus, CopyRequest, Error, ErrorKind, Site, Srm};
use crate::model::{
    FileState, FileStorageType, Identity, RequestKind, ReturnStatus, Surl, SurlError,
};
use crate::store::{FileRow, RequestRow};

impl Srm {
    /// srmCopy. The answer waits up to `answer_wait` for what is done meanwhile.
    pub async fn copy(&self, who: &Identity, request: CopyRequest) -> CopyAnswer {
        let submitted = self.submit_copy(who, request).await;
        self.answer_first(submitted, copy_status).await
    }

    /// srmStatusOfCopyRequest: of these sources, these targets, or these pairs.
    pub async fn status_of_copy(
        &self,
        who: &Identity,
        token: &str,
        sources: Option<Vec<String>>,
        targets: Option<Vec<String>>,
    ) -> CopyAnswer {
        let live = match self.find_request(who, token, Some(RequestKind::Copy)).await {
            Ok(live) => live,
            Err(status) => return refused(status),
        };
        // Before its files: none that goes on is told of beside an end.
        let told = bare(&live);
        match self.asked_copies(&live, sources, targets) {
            Ok(files) => CopyAnswer { files: Some(files), ..told },
            Err(status) => refused(status),
        }
    }

    fn asked_copies(
        &self,
        live: &Live,
        sources: Option<Vec<String>>,
        targets: Option<Vec<String>>,
    ) -> Result<Vec<CopyFileStatus>, ReturnStatus> {
        let files = live.files();
        let (by_source, by_target) = (sources.is_some(), targets.is_some());
        if !by_source && !by_target {
            let all = files.iter().map(|file| copy_status(live, file.surl.clone(), Some(file)));
            return Ok(all.collect());
        }
        let (sources, targets) = (sources.unwrap_or_default(), targets.unwrap_or_default());
        self.check_count(sources.len().max(targets.len()))?;
        if by_source && by_target && sources.len() != targets.len() {
            return Err(ReturnStatus::invalid_request(
                "arrayOfSourceSURLs and arrayOfTargetSURLs go in pairs: their lengths differ",
            ));
        }
        let site = self.site();
        let form = |surl: &str| site.canonical(surl).unwrap_or_else(|| surl.to_owned());
        let name = |source: &str, target: &str| {
            (by_source.then(|| form(source)), by_target.then(|| form(target)))
        };
        let mut known: HashMap<_, &Arc<FileRow>> = HashMap::with_capacity(files.len());
        for file in &files {
            let source = file.source.as_deref().unwrap_or_default();
            known.entry(name(source, &file.surl)).or_insert(file);
        }
        let text = |list: &[String], at: usize| list.get(at).cloned().unwrap_or_default();
        let one = |at| {
            let (source, target) = (text(&sources, at), text(&targets, at));
            match known.get(&name(&source, &target)) {
                Some(file) => {
                    let told = copy_status(live, file.surl.clone(), Some(file));
                    // In the words of who asks.
                    let said = |asked: bool, text, own| if asked { text } else { own };
                    CopyFileStatus {
                        source: said(by_source, source, told.source),
                        target: said(by_target, target, told.target),
                        ..told
                    }
                }
                None => CopyFileStatus { source, ..copy_status(live, target, None) },
            }
        };
        Ok((0..sources.len().max(targets.len())).map(one).collect())
    }

    async fn submit_copy(
        &self,
        who: &Identity,
        request: CopyRequest,
    ) -> Result<Arc<Live>, ReturnStatus> {
        self.check_person(who).await?;
        let site = self.site();
        if request.files.is_empty() {
            return Err(ReturnStatus::invalid_request("arrayOfFileRequests is empty or missing"));
        }
        self.check_count(request.files.len())?;
        let targets = || request.files.iter().map(|file| file.target.as_str());
        let token = request.space_token.as_deref();
        self.check_targets(who, token, request.retention, targets).await?;
        let file_lifetime = site.file_lifetime(who, targets().next(), request.file_lifetime)?;
        let mut files = Vec::with_capacity(request.files.len());
        for file in request.files {
            let levels = file.directory.map(|levels| levels.count()).transpose()?;
            let row = queued(file.target, None);
            files.push(FileRow { source: Some(file.source), levels, ..row });
        }
        let created = now();
        let row = RequestRow {
            fqans: fqans(who),
            description: request.description,
            deadline: deadline(created, request.total_time)?,
            file_lifetime: Some(file_lifetime),
            storage_type: Some(request.storage_type.unwrap_or(FileStorageType::Permanent)),
            overwrite: Some(request.overwrite.unwrap_or(site.config.srm.overwrite_default)),
            space_token: request.space_token,
            ..RequestRow::new(new_token()?, RequestKind::Copy, owner(who).to_owned(), created)
        };
        self.submit(who, row, files).await
    }
}

/// What is told of one file; `None` for a target that is not in the request.
fn copy_status(live: &Live, target: String, file: Option<&FileRow>) -> CopyFileStatus {
    let Some(file) = file else {
        return CopyFileStatus {
            source: String::new(),
            target,
            status: not_in_request(),
            size: None,
            estimated_wait: None,
            remaining_lifetime: None,
        };
    };
    let lifetime = match live.request.storage_type {
        Some(FileStorageType::Volatile | FileStorageType::Durable) => {
            live.request.file_lifetime.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX))
        }
        _ => Some(-1),
    };
    let done = file.state == FileState::Success && file.levels.is_none();
    CopyFileStatus {
        source: file.source.clone().unwrap_or_default(),
        target,
        status: file_status(file),
        size: file.size,
        estimated_wait: estimated_wait(file),
        remaining_lifetime: lifetime.filter(|_| done),
    }
}

/// Both sides lie here.
pub(super) fn check_site(site: &Site, surl: &str) -> Result<(), Error> {
    let elsewhere = || {
        let why = format!(
            "{surl} is not of this site: copies from and to other sites are not offered, let the \
             client carry it (gfal-copy does)"
        );
        Error::new(ErrorKind::NotSupported, why)
    };
    match Surl::parse(surl) {
        Ok(surl) => site.namespace.check_local(&surl).map_err(|_| elsewhere()),
        Err(SurlError::Scheme) if surl.contains("://") => Err(elsewhere()),
        Err(error) => Err(error.into()),
    }
}
