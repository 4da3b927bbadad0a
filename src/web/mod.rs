//! What a person with a browser sees: directories with what he may do there, and the health and
//! metrics of the admin port. Everything can be read without JavaScript.

pub mod admin;
pub mod control;
mod listing;
pub mod page;
mod query;
mod row;
mod text;

pub use listing::Page;
pub use query::browse;
pub use text::{clamp, encode_path, escape, http_date, human_size, rfc3339, utc};
