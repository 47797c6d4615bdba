//! Faults of single requests to an S3 server, before or after the server handles them.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use s3s::stream::{ByteStream, DynByteStream};

/// A fault of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The answer has this status. The request is not done.
    Status(u16),
    /// The connection ends after half of the request. The request is not done.
    HalfRequest,
    /// The request is done, and the connection ends after half of the answer.
    HalfAnswer,
    /// The request is done, and the connection ends before the answer.
    NoAnswer,
    /// The request is not done and never answered.
    Hangs,
    /// The request is done and never answered.
    DoneAndHangs,
    /// The request is not done. The answer is a page in HTML with this status.
    Page(u16),
    /// The request is not done, and the answer reports success.
    Swallowed,
    /// The request is not done. The server asks to wait for this number of seconds.
    Busy(u64),
    /// The request is done, and one bit of the answer is flipped.
    Flipped,
    /// The request is done, and the answer silently lacks its second half.
    Shortened,
    /// The request is done, and this number of bytes of the answer arrives every 20 ms.
    Trickles(usize),
}

impl Blow {
    /// All faults of an honest server.
    pub(crate) const ALL: [Blow; 10] = [
        Blow::Status(409),
        Blow::Status(412),
        Blow::Status(429),
        Blow::Status(500),
        Blow::Status(503),
        Blow::HalfRequest,
        Blow::HalfAnswer,
        Blow::NoAnswer,
        Blow::Hangs,
        Blow::DoneAndHangs,
    ];

    /// Returns true if the client waits until its timeout.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Blow::Hangs | Blow::DoneAndHangs)
    }
}

/// The requests with a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) blow: Blow,
    /// The number of the first request with the fault, from 0.
    pub(crate) from: u64,
    /// The number of successive requests with the fault.
    pub(crate) times: u64,
}

/// Counts requests, and selects those with a fault.
#[derive(Debug, Default)]
pub(crate) struct Strikes(Mutex<(Option<Strike>, u64)>);

impl Strikes {
    /// Resets the counter.
    pub(crate) fn begin(&self, strike: Option<Strike>) {
        *self.0.lock().unwrap() = (strike, 0);
    }

    /// The number of requests since the last reset.
    pub(crate) fn asked(&self) -> u64 {
        self.0.lock().unwrap().1
    }

    /// The fault of the current request.
    pub(crate) fn next(&self) -> Option<Blow> {
        let mut now = self.0.lock().unwrap();
        let number = now.1;
        now.1 += 1;
        let strike = now.0?;
        let is_struck = number >= strike.from && number - strike.from < strike.times;
        is_struck.then_some(strike.blow)
    }
}

/// The answer of Amazon with a status.
pub(crate) fn refusal(status: u16, method: &Method) -> Response<s3s::Body> {
    let code = match status {
        409 => "ConditionalRequestConflict",
        412 => "PreconditionFailed",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "SlowDown",
        _ => "",
    };
    let body = if code.is_empty() || method == Method::HEAD {
        String::new()
    } else {
        format!("<Error><Code>{code}</Code><Message>rehearsed</Message></Error>")
    };
    let mut response = Response::new(s3s::Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Reads half of a request.
pub(crate) async fn read_half(request: Request<Incoming>) {
    let length = request.headers().get("content-length");
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    let (mut body, mut come) = (s3s::Body::from(request.into_body()), 0);
    while come < length / 2 {
        let Some(Ok(bytes)) = body.next().await else { return };
        come += bytes.len();
    }
}

/// The same answer without its second half. `None` if the answer has no body.
pub(crate) async fn half(response: Response<s3s::Body>) -> Option<Response<s3s::Body>> {
    let (mut head, body) = response.into_parts();
    let pieces: Vec<Bytes> = body.try_collect().await.ok()?;
    let whole = Bytes::from(pieces.concat());
    if whole.len() < 2 {
        return None;
    }
    head.headers.insert("content-length", whole.len().into());
    let first = whole.slice(..whole.len() / 2);
    let stream: DynByteStream = Box::pin(Cut { first: Some(first), waited: false });
    Some(Response::from_parts(head, s3s::Body::from(stream)))
}

/// A body that ends with its connection.
struct Cut {
    first: Option<Bytes>,
    waited: bool,
}

impl Stream for Cut {
    type Item = Result<Bytes, s3s::StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if !self.waited {
            // The available bytes are sent first.
            self.waited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err("rehearsed".into())))
    }
}

impl ByteStream for Cut {}

/// The answer of a captive portal or of another proxy.
pub(crate) fn page(status: u16) -> Response<s3s::Body> {
    let body = "<html><body>Log in to the network</body></html>".to_owned();
    let mut response = Response::new(s3s::Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", "text/html; charset=utf-8".parse().unwrap());
    response
}

/// The answer of an overloaded server.
pub(crate) fn busy(seconds: u64, method: &Method) -> Response<s3s::Body> {
    let mut response = refusal(503, method);
    response.headers_mut().insert("retry-after", seconds.into());
    response
}

/// The same answer with other bytes. An answer without a body is unchanged.
pub(crate) async fn changed(
    response: Response<s3s::Body>,
    change: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Option<Response<s3s::Body>> {
    let (mut head, body) = response.into_parts();
    let pieces: Vec<Bytes> = body.try_collect().await.ok()?;
    let whole = pieces.concat();
    if whole.is_empty() {
        return Some(Response::from_parts(head, s3s::Body::from(Bytes::new())));
    }
    let bytes = Bytes::from(change(whole));
    head.headers.insert("content-length", bytes.len().into());
    Some(Response::from_parts(head, s3s::Body::from(bytes)))
}

/// The same answer, with a limited number of bytes at a time.
pub(crate) async fn trickling(
    response: Response<s3s::Body>,
    step: usize,
) -> Option<Response<s3s::Body>> {
    let (mut head, body) = response.into_parts();
    let pieces: Vec<Bytes> = body.try_collect().await.ok()?;
    let whole = Bytes::from(pieces.concat());
    head.headers.insert("content-length", whole.len().into());
    let pause = Box::pin(tokio::time::sleep(PAUSE));
    let stream: DynByteStream = Box::pin(Trickle { left: whole, step, pause });
    Some(Response::from_parts(head, s3s::Body::from(stream)))
}

const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// A body that arrives slowly.
struct Trickle {
    left: Bytes,
    step: usize,
    pause: Pin<Box<tokio::time::Sleep>>,
}

impl Stream for Trickle {
    type Item = Result<Bytes, s3s::StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        std::task::ready!(self.pause.as_mut().poll(context));
        self.pause.as_mut().reset(tokio::time::Instant::now() + PAUSE);
        let length = self.step.min(self.left.len());
        Poll::Ready(Some(Ok(self.left.split_to(length))))
    }
}

impl ByteStream for Trickle {}
