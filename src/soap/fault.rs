//! SOAP faults: what cannot be said in an operation's own response.

use crate::model::told;

/// Who is to blame (SOAP 1.1, section 4.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultCode {
    /// The message is no good: sent again as it is, it will fail again.
    Client,
    /// It could not be served.
    Server,
}

impl FaultCode {
    /// The local name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            FaultCode::Client => "Client",
            FaultCode::Server => "Server",
        }
    }
}

/// A SOAP 1.1 fault. Clients of SRM show its text to the user when it comes with HTTP 500.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SoapFault {
    /// Who is to blame.
    pub code: FaultCode,
    /// For people. One line.
    pub text: String,
}

impl SoapFault {
    /// The client's fault.
    pub fn client(text: impl Into<String>) -> Self {
        Self { code: FaultCode::Client, text: told(text.into()) }
    }

    /// The server's fault.
    pub fn server(text: impl Into<String>) -> Self {
        Self { code: FaultCode::Server, text: told(text.into()) }
    }
}
