//! (to come)

/// What one request came to, for the access log. Doors put it into the response's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was asked, e.g. `PUT`.
    pub operation: String,
    /// The path as it came, percent-encoded.
    pub target: String,
    /// `201`, or `404 NotFound: there is no such file`.
    pub status: String,
}
