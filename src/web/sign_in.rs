//! What an answer says to somebody who may sign in: the same at the doors of files and of pages.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::model::Identity;

/// RFC 7617 2.1.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"stormd\", charset=\"UTF-8\"");

/// A 401 asks for user name and password where these can cross the network (`secure`) and the client has not
/// shown who he is; somebody who was wrong too often gets 429 and the seconds to wait instead.
pub fn ask_to_sign_in(response: &mut Response, who: &Identity, secure: bool) {
    if response.status() != StatusCode::UNAUTHORIZED {
        return;
    }
    let wait = match who {
        Identity::Person(_) => return,
        Identity::Anonymous => None,
        Identity::Refused(refusal) => refusal.retry_after,
    };
    if let Some(wait) = wait {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    } else if secure {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, BASIC);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::Body;

    use super::*;
    use crate::model::Refusal;

    #[test]
    fn who_is_asked_for_a_password() {
        let answer = |who: &Identity, secure, status: u16| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            ask_to_sign_in(&mut response, who, secure);
            let asks = response.headers().contains_key(header::WWW_AUTHENTICATE);
            (response.status().as_u16(), asks, response.headers().contains_key(header::RETRY_AFTER))
        };
        let refused = |refusal| Identity::Refused(Arc::new(refusal));
        let wrong = refused(Refusal::new(None, String::new()));
        let often = refused(Refusal::later(String::new(), Duration::from_secs(9)));
        assert_eq!(answer(&Identity::Anonymous, true, 401), (401, true, false));
        assert_eq!(answer(&Identity::Anonymous, false, 401), (401, false, false));
        assert_eq!(answer(&Identity::Anonymous, true, 404), (404, false, false));
        assert_eq!(answer(&wrong, true, 401), (401, true, false));
        assert_eq!(answer(&often, true, 401), (429, false, true));
    }
}
