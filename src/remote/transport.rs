//! HTTP for OpenDAL's services, with every request counted.

use std::sync::Arc;

use futures::TryStreamExt;
use http::{Method, Request, Response, StatusCode};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};

use super::traffic::Traffic;

/// Passes requests on and counts them, what they carry and what comes back.
pub(super) struct CountedTransport {
    pub(super) inner: HttpTransporter,
    pub(super) traffic: Arc<Traffic>,
}

impl HttpTransport for CountedTransport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        self.traffic.request(request.body().len() as u64);
        let asks = Asks::of(&request);
        let response = self.inner.fetch(request).await?;
        if let Some(error) = clear_answer(response.status(), &asks) {
            return Err(error);
        }
        let traffic = Arc::clone(&self.traffic);
        let count = move |bytes: &Buffer| traffic.answer(bytes.len() as u64);
        Ok(response.map(|body| body.map_inner(|stream| Box::new(stream.inspect_ok(count)))))
    }
}

/// What a request is, as far as that makes a difference to what its answer means.
struct Asks {
    /// It changes nothing.
    reads: bool,
    /// It is to be done on a condition only.
    has_condition: bool,
}

impl Asks {
    fn of<B>(request: &Request<B>) -> Self {
        Asks {
            reads: matches!(*request.method(), Method::GET | Method::HEAD),
            has_condition: request.headers().keys().any(|name| name.as_str().contains("if-")),
        }
    }
}

/// The error for a status that means one thing on every service, but that OpenDAL's services know
/// from the text that comes with it, or not at all.
fn clear_answer(status: StatusCode, asks: &Asks) -> Option<Error> {
    let kind = match status {
        StatusCode::UNAUTHORIZED => ErrorKind::PermissionDenied,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            ErrorKind::RateLimited
        }
        // There was no condition, or nothing to be in conflict with: it says nothing of the object.
        StatusCode::PRECONDITION_FAILED if !asks.has_condition => ErrorKind::RateLimited,
        StatusCode::CONFLICT if asks.reads => ErrorKind::RateLimited,
        _ => return None,
    };
    let error = Error::new(kind, format!("the server answered {status}"));
    Some(if kind == ErrorKind::RateLimited { error.set_temporary() } else { error })
}
