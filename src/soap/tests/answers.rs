//! What goes out: to the letter of the WSDL.

use quick_xml::events::Event;

use super::*;

fn text(reply: &Reply) -> String {
    String::from_utf8(encode(reply)).unwrap()
}

#[test]
fn a_whole_answer() {
    let reply = Reply::StatusOfPutRequest(responses::SrmStatusOfPutRequestResponse {
        return_status: ReturnStatus::success("All done").into(),
        array_of_file_statuses: Some(ArrayOfTPutRequestFileStatus {
            items: vec![TPutRequestFileStatus {
                surl: "srm://h/a&b".to_owned(),
                status: ReturnStatus::new(StatusCode::SpaceAvailable, "ready").into(),
                file_size: Some(0),
                estimated_wait_time: None,
                remaining_pin_lifetime: Some(60),
                remaining_file_lifetime: Some(-1),
                transfer_url: Some("https://h:8443/fileTransfer/a".to_owned()),
                transfer_protocol_info: None,
            }],
        }),
        remaining_total_request_time: None,
    });
    let golden = include_str!("../../../tests/data/soap/answer-status-of-put.xml");
    assert_eq!(text(&reply), golden.trim_end());
}

#[test]
fn a_status_alone_and_a_fault() {
    let status = ReturnStatus::not_supported("srmCopy operation is not supported");
    let golden = include_str!("../../../tests/data/soap/answer-not-supported.xml");
    assert_eq!(text(&Reply::StatusOnly(Operation::Copy, status.into())), golden.trim_end());
    let fault = String::from_utf8(encode_fault(&SoapFault::client("a < b"))).unwrap();
    let golden = include_str!("../../../tests/data/soap/answer-fault.xml");
    assert_eq!(fault, golden.trim_end());
}

/// Reads a response that holds every field, in the wrong order, and looks whether it is written with
/// every field in the right one.
#[test]
fn every_operation_answers_in_the_order_of_the_wsdl() {
    for &op in Operation::ALL {
        let fields: String = op.response_info().fields.iter().rev().map(sample).collect();
        let name = op.response_name();
        let wrong = format!(
            "<E:Envelope xmlns:E='{SOAP_NAMESPACE}'><E:Body><s:{name} xmlns:s='{SRM_NAMESPACE}'>\
             <{name}>{fields}</{name}></s:{name}></E:Body></E:Envelope>"
        );
        let reply = decode_reply(op, wrong.as_bytes()).unwrap();
        let text = text(&reply);
        let tree = tree(&text);
        assert_eq!(tree.find(name).check(&op.response_info(), true), Ok(()), "{name}");
        assert_eq!(decode_reply(op, text.as_bytes()), Ok(reply), "{name}");
    }
}

#[test]
fn every_operation_can_be_refused() {
    for &op in Operation::ALL.iter().filter(|op| **op != Operation::Ping) {
        let status: TReturnStatus = ReturnStatus::not_supported("no").into();
        let text = text(&Reply::StatusOnly(op, status.clone()));
        let reply = decode_reply(op, text.as_bytes()).unwrap();
        assert_eq!(reply.return_status(), Some(&status), "{op:?}");
        let tree = tree(&text);
        assert_eq!(tree.find(op.response_name()).check(&op.response_info(), false), Ok(()));
    }
}

#[test]
fn what_no_document_may_hold_is_replaced() {
    let evil: String = (0..0x20)
        .map(|n| char::from(n as u8))
        .chain("\u{fffe}\u{ffff}\u{7f}é<&>\"'".chars())
        .collect();
    let reply = Reply::StatusOnly(
        Operation::Rm,
        TReturnStatus { status_code: StatusCode::Failure, explanation: Some(evil.clone()) },
    );
    let read = decode_reply(Operation::Rm, &encode(&reply)).unwrap();
    let explanation = read.return_status().unwrap().explanation.clone().unwrap();
    let wanted: String =
        evil.chars().map(|c| if text::is_xml_char(c) { c } else { '\u{fffd}' }).collect();
    assert_eq!(explanation, wanted);
    assert!(explanation.contains("\t\n") && explanation.contains('\r'));
    let fault = encode_fault(&SoapFault::client(evil));
    assert_eq!(decode_reply(Operation::Rm, &fault).unwrap_err().text, wanted);
}

/// An element for a field, with every field inside, in the wrong order.
fn sample(field: &FieldInfo) -> String {
    let enums = enums();
    let inner = match field.xsd.split_once(':') {
        Some(("impl", "ArrayOfTMetaDataPathDetail")) if field.name == "arrayOfSubPaths" => {
            "<pathDetailArray><path>/x</path></pathDetailArray>".to_owned()
        }
        Some(("impl", name)) => match enums.iter().find(|info| info.name == name) {
            Some(info) => info.values[info.values.len() - 1].to_owned(),
            None => {
                let info = TYPES.iter().find(|info| info.name == name).unwrap();
                info.fields.iter().rev().map(sample).collect()
            }
        },
        Some((_, "int")) => "-1".to_owned(),
        Some((_, "unsignedLong")) => u64::MAX.to_string(),
        Some((_, "boolean")) => "true".to_owned(),
        Some((_, "dateTime")) => "2026-01-02T03:04:05Z".to_owned(),
        _ => "text".to_owned(),
    };
    let element = format!("<{0}>{inner}</{0}>", field.name);
    if field.many { element.repeat(2) } else { element }
}

/// An element without its attributes.
#[derive(Debug, Default)]
struct Node {
    name: String,
    children: Vec<Node>,
}

fn tree(text: &str) -> Node {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open = vec![Node::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                open.push(Node { name: tag.name().as_ref().to_owned(), children: Vec::new() });
            }
            Event::End(_) => {
                let node = open.pop().unwrap();
                open.last_mut().unwrap().children.push(node);
            }
            Event::Eof => return open.pop().unwrap(),
            _ => {}
        }
    }
}

impl Node {
    fn find(&self, name: &str) -> &Node {
        self.search(name).unwrap()
    }

    fn search(&self, name: &str) -> Option<&Node> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.search(name))
    }

    /// Order, required elements and nothing else, all the way down. With `full`, the optional ones
    /// too, except below a sub path, whose sample is short.
    fn check(&self, info: &TypeInfo, full: bool) -> Result<(), String> {
        let mut children = self.children.iter().peekable();
        for field in info.fields {
            let mut count = 0;
            while let Some(child) = children.next_if(|child| child.name == field.name) {
                count += 1;
                let name = field.xsd.strip_prefix("impl:").unwrap_or_default();
                let full = full && field.name != "arrayOfSubPaths";
                if let Some(inner) = TYPES.iter().find(|info| info.name == name) {
                    child.check(inner, full)?;
                } else if !child.children.is_empty() {
                    return Err(format!("{} has children", child.name));
                }
            }
            let least = u32::from(full || (field.min == 1 && !field.nillable));
            if count < least || (count > 1 && !field.many) {
                return Err(format!("{} {} in {}", count, field.name, info.name));
            }
        }
        match children.next() {
            Some(more) => Err(format!("{} is out of place in {}", more.name, info.name)),
            None => Ok(()),
        }
    }
}

#[test]
fn the_check_sees_disorder() {
    let text =
        "<srmMvResponse><returnStatus><explanation/><statusCode/></returnStatus></srmMvResponse>";
    let info = Operation::Mv.response_info();
    assert!(tree(text).find("srmMvResponse").check(&info, false).is_err());
    assert!(tree("<srmMvResponse/>").find("srmMvResponse").check(&info, false).is_err());
}
