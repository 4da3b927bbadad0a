//! SRM's envelopes: as much as the tests send and read. Answers are read by looking for element
//! names; that every client can decode them is shown by real clients elsewhere.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;

use super::wire::{Conn, Response};

/// An answer to an SRM operation.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Request-level code, or `FAULT`.
    pub code: String,
    /// Request-level explanation, or the fault's text.
    pub explanation: String,
    /// `requestToken`.
    pub token: Option<String>,
    /// Per file.
    pub files: Vec<File>,
    /// The whole document.
    pub xml: String,
}

/// What an answer says of one file.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub surl: String,
    pub code: String,
    pub explanation: String,
    pub turl: Option<String>,
}

impl Answer {
    /// The code that matters to a caller who asked for one file: the file's, else the request's.
    pub fn file_code(&self) -> &str {
        self.files.first().map_or(&self.code, |f| &f.code)
    }

    /// The explanation beside [`Answer::file_code`].
    pub fn file_explanation(&self) -> &str {
        self.files.first().map_or(&self.explanation, |f| &f.explanation)
    }

    /// Fails the test unless the one file has this code, with a text beside it.
    #[track_caller]
    pub fn expect(self, code: &str) -> Self {
        assert_eq!(self.file_code(), code, "{}", self.xml);
        assert!(!self.file_explanation().trim().is_empty(), "no explanation: {}", self.xml);
        self
    }
}

/// Sends `operation` with `inner` as its request and reads the answer.
pub async fn call(conn: &mut Conn, operation: &str, inner: &str) -> io::Result<Answer> {
    let body = envelope(operation, inner);
    let headers = [("content-type", "text/xml; charset=utf-8"), ("soapaction", "\"\"")];
    let response = conn.request("POST", "/srm/managerv2", &headers, body.as_bytes()).await?;
    let answer = read(&response);
    super::codes::record(operation, &answer.xml);
    Ok(answer)
}

/// [`call`] on a connection of its own.
pub async fn once(
    config: &Arc<ClientConfig>,
    port: u16,
    operation: &str,
    inner: &str,
) -> io::Result<Answer> {
    call(&mut Conn::tls(config, port).await?, operation, inner).await
}

/// The envelope of a request.
pub fn envelope(operation: &str, inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:srm=\"http://srm.lbl.gov/StorageResourceManager\">\
         <SOAP-ENV:Body SOAP-ENV:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\">\
         <srm:{operation}><{operation}Request>{inner}</{operation}Request></srm:{operation}>\
         </SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
}

/// What an HTTP answer holds.
pub fn read(response: &Response) -> Answer {
    let xml = response.text();
    if let Some(fault) = text(&xml, "faultstring") {
        return Answer { code: "FAULT".to_owned(), explanation: fault, xml, ..Answer::default() };
    }
    // The files stand in an array; what is outside it belongs to the request.
    let (mut request, mut files) = (xml.clone(), Vec::new());
    for item in ["statusArray", "pathDetailArray", "surlPermissionArray", "permissionArray"] {
        let (open, close) = (format!("<{item}"), format!("</{item}>"));
        if let (Some(from), Some(to)) = (xml.find(&open), xml.rfind(&close)) {
            // Paths below a listed directory are no files of the request: the first level is
            // enough here.
            let items = xml[from..to].split(&open).skip(1).map(read_file);
            files.extend(items);
            request.replace_range(from..to, "");
            break;
        }
    }
    Answer {
        code: text(&request, "statusCode").unwrap_or_default(),
        explanation: text(&request, "explanation").unwrap_or_default(),
        token: text(&request, "requestToken"),
        files,
        xml,
    }
}

fn read_file(xml: &str) -> File {
    let surl = ["SURL", "sourceSURL", "surl", "path"].iter().find_map(|tag| text(xml, tag));
    File {
        surl: surl.unwrap_or_default(),
        code: text(xml, "statusCode").unwrap_or_default(),
        explanation: text(xml, "explanation").unwrap_or_default(),
        turl: text(xml, "transferURL"),
    }
}

/// The text of the first element of that name.
pub fn text(xml: &str, name: &str) -> Option<String> {
    let mut rest = xml;
    loop {
        rest = &rest[rest.find(&format!("<{name}"))? + name.len() + 1..];
        // `<path>` is not `<pathDetailArray>`.
        if !rest.starts_with([' ', '>', '/', '\n']) {
            continue;
        }
        let (tag, after) = rest.split_once('>')?;
        if tag.ends_with('/') {
            return None;
        }
        return Some(unescape(&after[..after.find('<')?]));
    }
}

/// Text for an element.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

/// `<arrayOfSURLs>`.
pub fn surls<S: AsRef<str>>(surls: &[S]) -> String {
    let list: String =
        surls.iter().map(|s| format!("<urlArray>{}</urlArray>", escape(s.as_ref()))).collect();
    format!("<arrayOfSURLs>{list}</arrayOfSURLs>")
}

/// `<requestToken>`.
pub fn token(token: &str) -> String {
    format!("<requestToken>{}</requestToken>", escape(token))
}

/// srmPrepareToPut over https.
pub fn prepare_to_put<S: AsRef<str>>(surls: &[S], size: Option<u64>) -> String {
    let size = size.map_or(String::new(), |s| format!("<expectedFileSize>{s}</expectedFileSize>"));
    let list: String = surls
        .iter()
        .map(|s| {
            let surl = escape(s.as_ref());
            format!("<requestArray><targetSURL>{surl}</targetSURL>{size}</requestArray>")
        })
        .collect();
    format!("<arrayOfFileRequests>{list}</arrayOfFileRequests>{HTTPS}")
}

/// srmPrepareToGet over https.
pub fn prepare_to_get<S: AsRef<str>>(surls: &[S]) -> String {
    let list: String = surls
        .iter()
        .map(|s| {
            let surl = escape(s.as_ref());
            format!("<requestArray><sourceSURL>{surl}</sourceSURL></requestArray>")
        })
        .collect();
    format!("<arrayOfFileRequests>{list}</arrayOfFileRequests>{HTTPS}")
}

const HTTPS: &str = "<transferParameters><arrayOfTransferProtocols><stringArray>https</stringArray>\
     </arrayOfTransferProtocols></transferParameters>";
