//! What a person with a browser sees: directories with what he may do there, how to mount, app passwords,
//! and the health and metrics of the admin port. Everything can be read without JavaScript.

pub mod admin;
pub mod control;
mod dates;
mod form;
pub mod help;
mod listing;
mod own_pages;
pub mod page;
mod passwords;
mod query;
mod row;
mod sign_in;
mod text;

pub use dates::Dates;
#[cfg(any(test, fuzzing))]
pub use form::fuzz as fuzz_form;
pub use listing::Page;
pub use own_pages::{OwnPages, is_host};
pub use query::browse;
pub use sign_in::ask_to_sign_in;
pub use text::{
    clamp, encode_path, escape, http_date, human_size, rfc3339, utc, utc_of_ms, write_escaped,
    write_path,
};
