//! The codec as a whole: requests as clients write them, hostile ones, answers as the WSDL has them.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Method, Request, StatusCode as Http};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::model::{OverwriteMode, RetentionPolicy, ReturnStatus, StatusCode};

use super::convert::{get_request, ls_request, put_request};
use super::types::*;
use super::*;

mod answers;
mod door;
mod hostile;

/// A whole request around the fields of an accessor.
fn request(operation: &str, fields: &str) -> String {
    format!(
        "<E:Envelope xmlns:E='{SOAP_NAMESPACE}'><E:Body><s:{operation} xmlns:s='{SRM_NAMESPACE}'>\
         <{operation}Request>{fields}</{operation}Request></s:{operation}></E:Body></E:Envelope>"
    )
}

fn call(operation: &str, fields: &str) -> Call {
    decode(request(operation, fields).as_bytes()).unwrap().call.unwrap()
}

fn problem(operation: &str, fields: &str) -> String {
    decode(request(operation, fields).as_bytes()).unwrap().call.unwrap_err()
}

fn fault(text: &str) -> String {
    let fault = decode(text.as_bytes()).unwrap_err();
    assert_eq!(fault.code, FaultCode::Client);
    assert!(!fault.text.contains('\n'), "{}", fault.text);
    fault.text
}

fn surls(call: &Call) -> Vec<String> {
    match call {
        Call::Rm(request) => request.array_of_surls.items.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_listing_as_gsoap_writes_it() {
    let decoded = decode(include_bytes!("../../tests/data/soap/gsoap-ls.xml")).unwrap();
    assert_eq!(decoded.operation, Operation::Ls);
    let Call::Ls(request) = decoded.call.unwrap() else { panic!() };
    assert_eq!(request.storage_system_info, None);
    let request = ls_request(request);
    assert_eq!(
        request.surls,
        ["srm://se.example/atlas/a&b", "srm://se.example:8444/srm/managerv2?SFN=/atlas/c"]
    );
    assert_eq!(request.full_detailed, Some(true));
    assert_eq!((request.levels, request.offset, request.count), (Some(0), Some(0), None));
    assert_eq!(request.all_level_recursive, None);
}

#[test]
fn a_put_as_gsoap_writes_it() {
    let decoded = decode(include_bytes!("../../tests/data/soap/gsoap-put.xml")).unwrap();
    let Call::PrepareToPut(request) = decoded.call.unwrap() else { panic!() };
    let request = put_request(request);
    let files = request.files.unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].surl.as_deref(), Some("srm://se.example/atlas/one"));
    assert_eq!(files[0].expected_size, Some(u64::MAX));
    assert_eq!(files[1].surl.as_deref(), Some("srm://se.example/atlas/two&three"));
    assert_eq!(files[1].expected_size, None);
    assert_eq!(request.description, None);
    assert_eq!(request.overwrite, Some(OverwriteMode::WhenFilesAreDifferent));
    assert_eq!(request.pin_lifetime, Some(-1));
    let retention = request.retention.unwrap();
    assert_eq!(retention.retention_policy, RetentionPolicy::Replica);
    assert_eq!(retention.access_latency, None);
    assert_eq!(request.protocols.unwrap(), ["gsiftp", "https"]);
}

#[test]
fn a_get_as_axis_writes_it() {
    let decoded = decode(include_bytes!("../../tests/data/soap/axis-get.xml")).unwrap();
    let Call::PrepareToGet(request) = decoded.call.unwrap() else { panic!() };
    let request = get_request(request);
    let surls: Vec<_> = request.files.unwrap().into_iter().map(|f| f.surl.unwrap()).collect();
    assert_eq!(surls, ["srm://se.example/a", "srm://se.example/b?href=x"]);
    assert_eq!(request.pin_lifetime, Some(600));
    assert_eq!(request.protocols, None);
}

#[test]
fn values_that_gsoap_shares() {
    let decoded = decode(include_bytes!("../../tests/data/soap/gsoap-shared.xml")).unwrap();
    let Call::PrepareToPut(request) = decoded.call.unwrap() else { panic!() };
    let files = put_request(request).files.unwrap();
    let sizes: Vec<_> = files.iter().map(|file| file.expected_size).collect();
    assert_eq!(sizes, [Some(42), Some(42)]);
}

#[test]
fn every_request_reads_back_as_it_was_written() {
    for name in ["gsoap-ls.xml", "gsoap-put.xml", "gsoap-shared.xml", "axis-get.xml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/soap");
        let call = decode(&std::fs::read(path.join(name)).unwrap()).unwrap().call.unwrap();
        let again = decode(&encode_call(&call)).unwrap();
        assert_eq!(again.call, Ok(call), "{name}");
    }
}

#[test]
fn order_prefixes_and_strange_elements_do_not_matter() {
    let plain = call("srmMv", "<fromSURL>a</fromSURL><toSURL>b</toSURL>");
    let turned = "<x>1</x><s:toSURL id='i'>b</s:toSURL><!-- c --><fromSURL>a</fromSURL>text";
    assert_eq!(call("srmMv", turned), plain);
    let soap12 =
        request("srmMv", turned).replace(SOAP_NAMESPACE, "http://www.w3.org/2003/05/soap-envelope");
    assert_eq!(decode(soap12.as_bytes()).unwrap().call, Ok(plain));
}

#[test]
fn text_comes_in_pieces() {
    let surls = surls(&call(
        "srmRm",
        "<arrayOfSURLs><urlArray>a&lt;<![CDATA[<b>]]><!-- x -->&#x263a;c\r\nd</urlArray>\
         <urlArray/><urlArray xsi:nil='true'>x</urlArray></arrayOfSURLs>",
    ));
    assert_eq!(surls, ["a<<b>\u{263a}c\nd", "", ""]);
}

#[test]
fn nil_absent_and_empty_are_one() {
    let wanted = call("srmLs", "<arrayOfSURLs><urlArray>a</urlArray></arrayOfSURLs>");
    for fields in
        ["<count/>", "<count> </count>", "<count i:nil='true'>7</count>", "<count i:nil='1'/>"]
    {
        let fields = format!("{fields}<arrayOfSURLs><urlArray>a</urlArray></arrayOfSURLs>");
        assert_eq!(call("srmLs", &fields), wanted);
    }
    let Call::PrepareToPut(put) =
        call("srmPrepareToPut", "<arrayOfFileRequests/><transferParameters/>")
    else {
        panic!()
    };
    assert_eq!(put.array_of_file_requests, None);
    assert_eq!(put.transfer_parameters, None);
}

#[test]
fn what_is_demanded_and_absent_is_empty_or_named() {
    assert!(surls(&call("srmRm", "")).is_empty());
    let Call::AbortRequest(abort) = call("srmAbortRequest", "") else { panic!() };
    assert_eq!(abort.request_token, "");
    assert_eq!(problem("srmReserveSpace", ""), "srmReserveSpaceRequest is missing or empty");
    assert_eq!(
        problem(
            "srmReserveSpace",
            "<desiredSizeOfGuaranteedSpace>1</desiredSizeOfGuaranteedSpace>"
        ),
        "retentionPolicyInfo is missing or empty"
    );
}

#[test]
fn a_request_without_an_accessor_is_an_empty_one() {
    let text = format!(
        "<Envelope xmlns='{SOAP_NAMESPACE}'><Body><srmPing xmlns='{SRM_NAMESPACE}'/></Body></Envelope>"
    );
    assert_eq!(decode(text.as_bytes()).unwrap().call, Ok(call("srmPing", "")));
}

#[test]
fn a_bad_value_names_its_element() {
    let put = |size: &str| {
        format!(
            "<arrayOfFileRequests><requestArray><targetSURL>a</targetSURL><expectedFileSize>{size}</expectedFileSize></requestArray></arrayOfFileRequests>"
        )
    };
    for bad in ["-1", "1.5", "x", "18446744073709551616", "<y/>z"] {
        let why = problem("srmPrepareToPut", &put(bad));
        assert!(why.starts_with("expectedFileSize is \""), "{why}");
    }
    for (fields, name) in [
        ("<count>99999999999</count>", "count"),
        ("<fullDetailedList>yes</fullDetailedList>", "fullDetailedList"),
        ("<fileStorageType>volatile</fileStorageType>", "fileStorageType"),
    ] {
        assert!(problem("srmLs", fields).starts_with(name));
    }
    let long = problem("srmLs", &format!("<count>{}</count>", "9".repeat(100_000)));
    assert!(long.len() < 200, "{long}");
}

#[test]
fn a_reply_and_a_fault_read_back() {
    let reply = Reply::Mkdir(responses::SrmMkdirResponse {
        return_status: ReturnStatus::new(StatusCode::FileBusy, "a & b < c\r").into(),
    });
    let text = encode(&reply);
    assert_eq!(decode_reply(Operation::Mkdir, &text), Ok(reply));
    assert!(decode_reply(Operation::Ls, &text).is_err());
    let fault = SoapFault::client("no <such> thing & more");
    assert_eq!(decode_reply(Operation::Ls, &encode_fault(&fault)), Err(fault));
}
