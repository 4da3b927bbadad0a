//! The SOAP codec on a srmPrepareToPut of 1000 files, against a bare pass of quick-xml's NsReader
//! over the same bytes: decoding and encoding are to reach 0.35 of its MB/s.

mod support;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use quick_xml::NsReader;
use quick_xml::events::Event;
use stormd::model::StatusCode;
use stormd::soap::responses::SrmPrepareToPutResponse;
use stormd::soap::types::{ArrayOfTPutRequestFileStatus, TPutRequestFileStatus, TReturnStatus};
use stormd::soap::{Reply, SRM_NAMESPACE, decode, encode};

use support::Bounds;

const FILES: usize = 1000;
const LEAST_OF_BARE: f64 = 0.35;

fn main() -> ExitCode {
    let (request, answer) = (request(), answer());
    let written = encode(&answer).len();
    let bare = rate(request.len(), || walk(&request));
    let decoding = rate(request.len(), || decode(request.as_bytes()).is_ok());
    let encoding = rate(written, || !encode(&answer).is_empty());
    println!("bare NsReader pass: {bare:.0} MB/s over {} bytes", request.len());
    println!("decode: {decoding:.0} MB/s; encode: {encoding:.0} MB/s of {written} bytes");
    let mut bounds = Bounds::default();
    bounds.at_least("SOAP decode against a bare NsReader pass", decoding / bare, LEAST_OF_BARE);
    bounds.at_least("SOAP encode against a bare NsReader pass", encoding / bare, LEAST_OF_BARE);
    bounds.exit_code()
}

/// MB/s of the best of many runs: the others were disturbed.
fn rate<T>(bytes: usize, mut work: impl FnMut() -> T) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        black_box(work());
        best = best.min(start.elapsed());
    }
    bytes as f64 / best.as_secs_f64() / 1e6
}

fn walk(text: &str) -> usize {
    let mut reader = NsReader::from_str(text);
    let mut elements = 0;
    loop {
        match reader.read_resolved_event() {
            Ok((_, Event::Start(_))) => elements += 1,
            Ok((_, Event::Eof)) | Err(_) => return elements,
            Ok(_) => {}
        }
    }
}

fn surl(n: usize) -> String {
    format!("srm://se.example.org:8444/srm/managerv2?SFN=/atlas/run/{n:05}.root")
}

fn request() -> String {
    let mut files = String::new();
    for n in 0..FILES {
        files.push_str(&format!(
            "<requestArray><targetSURL>{}</targetSURL>\
             <expectedFileSize>{}</expectedFileSize></requestArray>",
            surl(n),
            1_000_000 + n
        ));
    }
    format!(
        "<E:Envelope xmlns:E=\"http://schemas.xmlsoap.org/soap/envelope/\"><E:Body>\
         <s:srmPrepareToPut xmlns:s=\"{SRM_NAMESPACE}\"><srmPrepareToPutRequest>\
         <arrayOfFileRequests>{files}</arrayOfFileRequests>\
         </srmPrepareToPutRequest></s:srmPrepareToPut></E:Body></E:Envelope>"
    )
}

fn answer() -> Reply {
    let status = |status_code, explanation: &str| TReturnStatus {
        status_code,
        explanation: Some(explanation.to_owned()),
    };
    let file = |n| TPutRequestFileStatus {
        surl: surl(n),
        status: status(StatusCode::SpaceAvailable, "srmPrepareToPut successfully handled!"),
        file_size: Some(1_000_000),
        estimated_wait_time: None,
        remaining_pin_lifetime: Some(259_200),
        remaining_file_lifetime: Some(-1),
        transfer_url: Some(format!(
            "https://se.example.org:8443/fileTransfer/atlas/run/{n:05}.root"
        )),
        transfer_protocol_info: None,
    };
    Reply::PrepareToPut(SrmPrepareToPutResponse {
        return_status: status(StatusCode::Success, "All chunks successfully handled!"),
        request_token: Some("7a5d3c2e-0000-4000-8000-000000000000".to_owned()),
        array_of_file_statuses: Some(ArrayOfTPutRequestFileStatus {
            items: (0..FILES).map(file).collect(),
        }),
        remaining_total_request_time: None,
    })
}
