//! Messages that mean harm, and messages that got broken.

use super::*;

fn promptly<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = work();
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
    value
}

#[test]
fn a_million_nested_elements_are_refused() {
    let deep = "<a>".repeat(1_000_000);
    for text in [
        deep.clone(),
        request("srmRm", &deep),
        request("srmRm", &format!("<arrayOfSURLs><urlArray>{deep}")),
        request("srmRm", &format!("<x href='#y'/>{deep}")),
        format!("<E:Envelope xmlns:E='{SOAP_NAMESPACE}'><E:Header>{deep}"),
    ] {
        assert!(promptly(|| fault(&text)).len() < 200);
    }
    assert!(fault(&request("srmRm", &deep)).contains("more than 32 deep"));
}

#[test]
fn a_million_shallow_elements_are_no_harm() {
    let text = request("srmRm", &"<a href='#x'><b/></a>".repeat(300_000));
    promptly(|| decode(text.as_bytes())).unwrap();
    let attributes: String = (0..100_000).map(|n| format!(" a{n}='x'")).collect();
    let text = request("srmRm", &format!("<arrayOfSURLs{attributes}/>"));
    promptly(|| decode(text.as_bytes())).unwrap();
    for tag in ["Envelope", "Body", "srmRm"] {
        let text = request("srmRm", "").replacen(tag, &format!("{tag}{attributes}"), 1);
        promptly(|| decode(text.as_bytes())).unwrap();
    }
}

#[test]
fn a_list_without_end_is_refused_in_the_answer() {
    let list = format!("<arrayOfSURLs>{}</arrayOfSURLs>", "<urlArray/>".repeat(100_001));
    assert_eq!(
        promptly(|| problem("srmRm", &list)),
        "there are more than 100000 urlArray: ask for fewer at a time"
    );
}

#[test]
fn what_is_cut_off_does_nothing() {
    let whole = request("srmRm", "<arrayOfSURLs><urlArray>a&amp;b</urlArray></arrayOfSURLs>");
    assert!(decode(whole.as_bytes()).is_ok());
    for end in 0..whole.len() {
        assert!(decode(&whole.as_bytes()[..end]).is_err(), "{}", &whole[..end]);
    }
    let whole = include_bytes!("../../../tests/data/soap/axis-get.xml");
    for end in (0..whole.len() - 20).step_by(7) {
        assert!(decode(&whole[..end]).is_err(), "{end}");
    }
}

#[test]
fn bytes_that_were_changed_never_panic() {
    let whole = include_bytes!("../../../tests/data/soap/axis-get.xml");
    let mut seed = 1_u64;
    for _ in 0..3000 {
        let mut text = whole.to_vec();
        for _ in 0..3 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % text.len();
            text[at] = b"<>&;\"'/#= a!?-[]\0\xff"[(seed >> 20) as usize % 18];
        }
        let _ = decode(&text);
    }
}

#[test]
fn doctypes_and_entities_are_refused() {
    let ping = request("srmPing", "");
    assert!(fault(&format!("<!DOCTYPE x [<!ENTITY a 'b'>]>{ping}")).contains("DOCTYPE"));
    for entity in ["&a;", "&#0;", "&#xD800;", "&#xFFFE;", "&#x110000;", "&#1;"] {
        let text = request("srmMkdir", &format!("<SURL>{entity}</SURL>"));
        assert!(fault(&text).contains("no entity"), "{entity}");
        fault(&request("srmMkdir", &format!("<x>{entity}</x>")));
    }
}

#[test]
fn references_are_bounded_and_never_circles() {
    let body = |fields: &str, refs: &str| {
        request("srmRm", fields).replace("</E:Body>", &format!("{refs}</E:Body>"))
    };
    let list = "<arrayOfSURLs href='#a'/>";
    let one = body(list, "<m id='a'><urlArray>u</urlArray></m>");
    assert_eq!(surls(&decode(one.as_bytes()).unwrap().call.unwrap()), ["u"]);
    for refs in [
        "<m id='a' href='#a'/>",
        "<m id='a' href='#b'/><m id='b' href='#a'/>",
        "<m id='a'><urlArray href='#a'/></m>",
        "<m id='b'>u</m>",
        "<m id='a'>u</m><m id='a'>v</m>",
        "",
    ] {
        fault(&body(list, refs));
    }
    fault(&body("<arrayOfSURLs href='http://elsewhere/x'/>", ""));
    let shared =
        body(list, "<m id='a'><urlArray href='#b'/><urlArray href='#b'/></m><m id='b'>u</m>");
    assert_eq!(surls(&decode(shared.as_bytes()).unwrap().call.unwrap()), ["u", "u"]);
    let long = "u".repeat(100_000);
    let many = "<urlArray href='#b'/>".repeat(1000);
    let doubling = body(list, &format!("<m id='a'>{many}</m><m id='b'>{long}</m>"));
    assert!(promptly(|| fault(&doubling)).contains("too often"));
    let laughs: String = (0..30)
        .map(|n| {
            format!("<m id='l{n}'><urlArray href='#l{0}'/><urlArray href='#l{0}'/></m>", n + 1)
        })
        .collect();
    promptly(|| decode(body("<arrayOfSURLs href='#l0'/>", &laughs).as_bytes())).unwrap();
    let nested = (0..12)
        .map(|n| format!("<m id='l{n}'><pathDetailArray><arrayOfSubPaths href='#l{0}'/></pathDetailArray><pathDetailArray><arrayOfSubPaths href='#l{0}'/></pathDetailArray></m>", n + 1))
        .collect::<String>();
    let reply = format!(
        "<E:Envelope xmlns:E='{SOAP_NAMESPACE}'><E:Body><s:srmLsResponse xmlns:s='{SRM_NAMESPACE}'>\
         <r><details href='#l0'/></r></s:srmLsResponse>{nested}<m id='l12'/></E:Body></E:Envelope>"
    );
    let why = promptly(|| decode_reply(Operation::Ls, reply.as_bytes())).unwrap_err().text;
    assert!(why.contains("too often"), "{why}");
    let chain: String =
        (0..200_000).map(|n| format!("<m id='i{n}' href='#i{}'/>", n + 1)).collect();
    let text = body("<arrayOfSURLs href='#i0'/>", &chain);
    assert!(promptly(|| fault(&text)).contains("deep"));
}

#[test]
fn what_is_no_request_is_told_so() {
    let ping = request("srmPing", "");
    for (text, word) in [
        (String::new(), "empty"),
        ("hello".to_owned(), "no SOAP message"),
        ("<html/>".to_owned(), "no SOAP message"),
        (ping.replace(SOAP_NAMESPACE, "urn:x"), "no SOAP message"),
        (ping.replace(SRM_NAMESPACE, "urn:srm1"), "namespace"),
        (ping.replace(" xmlns:s=", " xmlns:t="), "prefix s is not declared"),
        (request("srmFly", ""), "srmFly is no operation"),
        (format!("<Envelope xmlns='{SOAP_NAMESPACE}'/>"), "no Body"),
        (format!("<Envelope xmlns='{SOAP_NAMESPACE}'><Body/></Envelope>"), "Body is empty"),
        (format!("{ping}{ping}"), "behind"),
        (format!("{ping}x"), "behind"),
        (ping.replace("</s:srmPing>", "</s:srmPing><b/>"), "more than one"),
        (ping.replace("</s:srmPing>", "</s:srmPong>"), "well-formed"),
        (request("srmLs", "<count x y=>1</count>"), "attributes"),
    ] {
        let why = fault(&text);
        assert!(why.contains(word), "{text}: {why}");
    }
    assert!(decode(b"\xff\xfe<\0").unwrap_err().text.contains("UTF-8"));
    assert!(decode(format!("\u{feff}{ping}\r\n\r\n").as_bytes()).is_ok());
}
