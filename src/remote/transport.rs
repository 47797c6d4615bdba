//! HTTP for OpenDAL's services, with every request counted.

use std::sync::Arc;

use futures::TryStreamExt;
use http::{Request, Response};
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter, Result};

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
        let traffic = Arc::clone(&self.traffic);
        let count = move |bytes: &Buffer| traffic.answer(bytes.len() as u64);
        Ok(response.map(|body| body.map_inner(|stream| Box::new(stream.inspect_ok(count)))))
    }
}
