//! What a request wants of a file that it changes.

use super::{Entry, Error, ErrorKind, Precondition, Touch};

/// What a write does to what stands there.
pub(super) fn touch(existing: Option<&Entry>) -> Touch {
    if existing.is_some() { Touch::Content } else { Touch::Member }
}

/// Whether what stands there is as the request wants it.
pub(super) fn judge(
    precondition: Option<&Precondition>,
    existing: Option<&Entry>,
) -> Result<(), Error> {
    match precondition {
        Some(holds) if !holds(existing) => Err(unmet()),
        _ => Ok(()),
    }
}

/// See [`judge`].
pub(super) fn unmet() -> Error {
    Error::new(ErrorKind::Precondition, "a condition of the request does not hold")
}
