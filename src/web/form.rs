//! Forms that a browser sends (`application/x-www-form-urlencoded`), and the mark by which we know our own.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;

/// Largest form, in bytes.
pub(super) const FORM_MAX: usize = 64 << 10;

/// What a form holds, in its order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form; what is no UTF-8 becomes U+FFFD.
    pub(super) fn parse(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let fields = text.split('&').filter(|field| !field.is_empty()).map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (decode(name), decode(value))
        });
        Self(fields.collect())
    }

    /// The first value of that name; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// All values of that name.
    pub(super) fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// For the fuzzer.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let _ = Form::parse(bytes).get("name");
}

/// Makes marks for forms. Another site's page can have a browser send us a form, with the reader's
/// certificate or password; but it cannot read our page, where the mark stands. It holds for as long as
/// this process lives.
pub(super) struct Marks {
    /// `None` where the system gives no random bytes: then no form is taken.
    key: Option<Key>,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self { key: Key::generate(HMAC_SHA256, &SystemRandom::new()).ok() }
    }

    /// The mark of this reader's forms.
    pub(super) fn of(&self, dn: &str) -> String {
        let Some(key) = &self.key else { return String::new() };
        URL_SAFE_NO_PAD.encode(sign(key, dn.as_bytes()))
    }

    /// True for the mark of this reader.
    pub(super) fn holds(&self, dn: &str, mark: &str) -> bool {
        let own = self.of(dn);
        !own.is_empty() && verify_slices_are_equal(own.as_bytes(), mark.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_once() {
        let form =
            Form::parse(b"name=my+lap%74op&paths=%2Fa%0D%0A%2Fb%2Bc&empty&name=2&x=%ff&%zz=1&&==");
        assert_eq!(form.get("name"), "my laptop");
        assert_eq!(form.all("name").collect::<Vec<_>>(), ["my laptop", "2"]);
        assert_eq!(form.get("paths"), "/a\r\n/b+c");
        assert_eq!((form.get("empty"), form.get("none"), form.get("x")), ("", "", "\u{fffd}"));
    }

    #[test]
    fn a_mark_is_one_readers() {
        let marks = Marks::new();
        let mark = marks.of("/CN=a");
        assert!(marks.holds("/CN=a", &mark) && !marks.holds("/CN=b", &mark));
        assert!(!marks.holds("/CN=a", "") && !Marks::new().holds("/CN=a", &mark));
    }
}
