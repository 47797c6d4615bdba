//! HTTP for OpenDAL's services, with every request counted.

use std::sync::Arc;

use futures::TryStreamExt;
use http::{Request, Response, StatusCode};
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
        let response = self.inner.fetch(request).await?;
        if let Some(error) = clear_answer(response.status()) {
            return Err(error);
        }
        let traffic = Arc::clone(&self.traffic);
        let count = move |bytes: &Buffer| traffic.answer(bytes.len() as u64);
        Ok(response.map(|body| body.map_inner(|stream| Box::new(stream.inspect_ok(count)))))
    }
}

/// The error for a status that means one thing on every service, but that OpenDAL's services know
/// from the text that comes with it, or not at all.
fn clear_answer(status: StatusCode) -> Option<Error> {
    let kind = match status {
        StatusCode::UNAUTHORIZED => ErrorKind::PermissionDenied,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            ErrorKind::RateLimited
        }
        _ => return None,
    };
    let error = Error::new(kind, format!("the server answered {status}"));
    Some(if kind == ErrorKind::RateLimited { error.set_temporary() } else { error })
}
