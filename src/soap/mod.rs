//! The SOAP door: SRM v2.2 in rpc/encoded SOAP 1.1. It decodes, calls the core, encodes; no rule of
//! SRM lives here.
//!
//! The WSDL's structures are declared once (`wire!`, in [`types`], [`requests`], [`responses`]);
//! reading, writing and the WSDL document come from those tables. Reading is lenient and bounded
//! (`cursor`), writing is strict. What makes sense only to a part of the clients out there (`href`
//! from Axis, `xsi:nil` from gSOAP, prefixes, order, unknown elements) is read; what goes out is the
//! WSDL to the letter.

mod body;
mod convert;
mod cursor;
mod dispatch;
mod door;
mod enums;
mod envelope;
mod fault;
mod logged;
mod operation;
pub mod requests;
pub mod responses;
mod text;
pub mod types;
mod value;
mod wire;
mod wsdl;

pub use door::{SoapLimits, busy, door};
pub use enums::{
    AccessPattern, ConnectionType, EnumInfo, FileType, PermissionMode, PermissionType, RequestType,
    enums,
};
pub use envelope::{
    Decoded, ENCODING_NAMESPACE, SOAP_NAMESPACE, SRM_NAMESPACE, decode, decode_reply, encode,
    encode_call, encode_fault,
};
pub use fault::{FaultCode, SoapFault};
pub use operation::{Call, Operation, Reply};
pub use value::{FieldInfo, TypeInfo};
pub use wsdl::wsdl;

use bytes::Bytes;

use crate::listener::Outcome;
use crate::model::Identity;
use crate::srm::Srm;

/// A message of more bytes gives way to others.
const BULKY: usize = 16 * 1024;
/// From this size on a message is read and written on the blocking pool, in bytes.
const LARGE: usize = 256 * 1024;

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200, or 500 for a fault (SOAP 1.1, section 6.2).
    pub status: http::StatusCode,
    /// The envelope.
    pub body: Bytes,
    /// For the access log.
    pub logged: Outcome,
}

impl Answer {
    /// A fault for a message whose operation is not known.
    pub fn fault(fault: &SoapFault) -> Self {
        Self::failed(fault, logged::begun(None, "-".to_owned()))
    }

    fn failed(fault: &SoapFault, logged: Outcome) -> Self {
        let logged = Outcome { why: Some(fault.text.clone()), ..logged };
        let status = http::StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, body: Bytes::from(encode_fault(fault)), logged }
    }

    fn ok(body: Vec<u8>, logged: Outcome) -> Self {
        Self { status: http::StatusCode::OK, body: Bytes::from(body), logged }
    }
}

/// Answers one envelope. The caller has bounded its size.
pub async fn answer(srm: &Srm, who: &Identity, body: Bytes) -> Answer {
    let size = body.len();
    if size > BULKY {
        let (inner, who) = (srm.clone(), who.clone());
        let call = async move {
            match apart(size > LARGE, move || decode(&body)).await {
                Ok(decoded) => answer_call(&inner, &who, decoded, size > LARGE).await,
                Err(fault) => Answer::fault(&fault),
            }
        };
        return srm.in_bulk(call).await;
    }
    match decode(&body) {
        Ok(decoded) if gives_way(srm, who, &decoded) => {
            let (inner, who) = (srm.clone(), who.clone());
            srm.in_bulk(async move { answer_call(&inner, &who, decoded, false).await }).await
        }
        Ok(decoded) => answer_call(srm, who, decoded, false).await,
        Err(fault) => Answer::fault(&fault),
    }
}

/// A small envelope may ask for much, too.
fn gives_way(srm: &Srm, who: &Identity, decoded: &Decoded) -> bool {
    match &decoded.call {
        // A page of a directory.
        Ok(Call::Ls(ls)) if ls.num_of_levels != Some(0) => true,
        Ok(call) => srm.gives_way(who, logged::token(call), logged::surls(call).1),
        Err(_) => false,
    }
}

async fn answer_call(srm: &Srm, who: &Identity, decoded: Decoded, large: bool) -> Answer {
    let logged = logged_of(&decoded);
    match srm.in_turn(who, dispatch::dispatch(srm, who, decoded)).await {
        Ok(reply) => apart(large, move || Ok(finish(&reply, logged))).await,
        Err(fault) => Ok(Answer::failed(&fault, logged)),
    }
    .unwrap_or_else(|fault| Answer::fault(&fault))
}

fn logged_of(decoded: &Decoded) -> Outcome {
    let target = decoded.call.as_ref().map_or_else(|_| "-".to_owned(), logged::target);
    logged::begun(Some(decoded.operation), target)
}

fn finish(reply: &Reply, logged: Outcome) -> Answer {
    Answer::ok(encode(reply), logged::answered(logged, reply))
}

/// Runs `work` here, or on the blocking pool when the message is large.
async fn apart<T: Send + 'static>(
    large: bool,
    work: impl FnOnce() -> Result<T, SoapFault> + Send + 'static,
) -> Result<T, SoapFault> {
    if !large {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(SoapFault::server("the daemon is stopping: try again later")),
    }
}

#[cfg(test)]
mod tests;
