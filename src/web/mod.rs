//! What a person with a browser sees: directory listings with a word of help, and the health and
//! metrics of the admin port. No JavaScript.

pub mod admin;
pub mod control;
mod listing;
pub mod page;
mod text;

pub use listing::Page;
pub use text::{clamp, encode_path, escape, http_date, human_size, rfc3339, utc};
