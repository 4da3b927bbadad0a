//! What a person with a browser sees: directory listings with a word of help, and the health and
//! metrics of the admin port. No JavaScript.

pub mod admin;
pub mod control;
mod dates;
mod listing;
mod text;

pub use dates::Dates;
pub use listing::{CONTENT_SECURITY_POLICY, Page};
pub use text::{
    clamp, encode_path, escape, http_date, human_size, rfc3339, utc, write_escaped, write_path,
};
