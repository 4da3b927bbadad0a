//! What a file is, judged by its name.

/// The media type of a file of that name; `application/octet-stream` when it is not known.
pub(super) fn content_type(name: &str) -> &'static str {
    let Some((_, extension)) = name.rsplit_once('.') else { return UNKNOWN };
    TABLE
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(extension))
        .map(|(_, kind)| *kind)
        .or_else(|| mime_guess::from_ext(extension).first_raw())
        .unwrap_or(UNKNOWN)
}

/// True for content that could act in the reader's name in a browser, were it let: it comes from
/// users, and is served from the same origin as everything else.
pub(super) fn is_active(content_type: &str) -> bool {
    content_type.starts_with("text/html") || content_type.contains("xml")
}

const UNKNOWN: &str = "application/octet-stream";

/// What the library does not know, calls by another name, or leaves without a character set.
const TABLE: [(&str, &str); 21] = [
    ("bz2", "application/x-bzip2"),
    ("c", "text/plain; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("fits", "application/fits"),
    ("h5", "application/x-hdf5"),
    ("hdf5", "application/x-hdf5"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("py", "text/plain; charset=utf-8"),
    ("root", "application/octet-stream"),
    ("sh", "text/plain; charset=utf-8"),
    ("tgz", "application/gzip"),
    ("txt", "text/plain; charset=utf-8"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zst", "application/zstd"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_last_extension() {
        assert_eq!(content_type("a.tar.GZ"), "application/gzip");
        assert_eq!(content_type("AOD.123.root.1"), UNKNOWN);
        assert_eq!(content_type("none"), UNKNOWN);
        assert_eq!(content_type("a.PNG"), "image/png");
        assert_eq!(content_type("a.docx").rsplit('.').next(), Some("document"));
        assert!(is_active(content_type("x.HTML")) && is_active(content_type("x.svg")));
        assert!(!is_active(content_type("x.txt")));
    }
}
