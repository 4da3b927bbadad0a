//! How to mount: the page and the command tell the same, with the address filled in.

use super::*;

#[test]
fn the_page_is_for_everybody() {
    let storm = site();
    let page = curl(Who::Nobody, &storm.url("/.storm/help"), &[]);
    assert_eq!(page.status, 200);
    let address = storm.url("/open/");
    for words in [
        address.as_str(),
        "FileSizeLimitInBytes",
        "FileAttributesLimitInBytes",
        "BasicAuthLevel",
        "net use",
        "davfs2",
        "rclone mount",
        "webdavs://",
        "/.storm/passwords",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    // What one may see is the example.
    let mine = curl(Who::Proxy("voms"), &storm.url("/.storm/help"), &[]);
    assert_eq!(mine.status, 200);
    // No Host gets in that is none.
    for host in ["<script>", "a\"b", ""] {
        let header = format!("Host: {host}");
        let odd = curl(Who::Nobody, &storm.url("/.storm/help"), &["-H", &header]);
        assert!(!odd.body.contains("<script") && !odd.body.contains("a\"b"), "{}", odd.body);
        assert!(odd.status == 400 || odd.body.contains("https://localhost:"), "{}", odd.body);
    }
    // Every list leads there.
    let list = curl(Who::Nobody, &storm.url("/open/"), &[]);
    assert!(
        list.body.contains("href=\"/.storm/help\"")
            && list.body.contains("href=\"/.storm/passwords\"")
    );
    assert_eq!(curl(Who::Nobody, &storm.url("/.storm/help"), &["-X", "DELETE"]).status, 405);
}

#[test]
fn the_command_fills_the_address_in() {
    let mut storm = site();
    storm.restart();
    let (code, text, _) = stormd(&storm, &["help", "mount", "/test.vo"], "");
    assert_eq!(code, 0);
    let address = storm.url("/test.vo/");
    for words in [
        address.as_str(),
        "FileAttributesLimitInBytes",
        "net use S: \\\\localhost@SSL@",
        "rclone config create",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (code, text, _) = stormd(&storm, &["help"], "");
    assert!(code == 0 && text.contains("passwd") && text.contains("app-password"), "{text}");
    let (code, text, _) = stormd(&storm, &["help", "app-password", "create"], "");
    assert!(code == 0 && text.contains("--days"), "{text}");
    assert_eq!(stormd(&storm, &["help", "nothing"], "").0, 2);
}
