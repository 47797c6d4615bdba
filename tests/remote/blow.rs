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
    /// It is answered with this status, and not done.
    Status(u16),
    /// The connection ends when half of it has arrived; it is not done.
    HalfRequest,
    /// It is done, and the connection ends when half of the answer is on its way.
    HalfAnswer,
    /// It is done, and the connection ends before there is an answer.
    NoAnswer,
    /// It is not done, and never answered.
    Hangs,
    /// It is done, and never answered.
    DoneAndHangs,
    /// It is not done, and a page in HTML comes with this status.
    Page(u16),
    /// It is not done, and the answer says that all is well.
    Swallowed,
    /// It is not done: the server wants no requests for so many seconds.
    Busy(u64),
    /// It is done, and a bit of the answer is another one.
    Flipped,
    /// It is done, and the answer lacks its second half and does not say so.
    Shortened,
    /// It is done, and so many bytes of the answer come at a time, every 20 ms.
    Trickles(usize),
}

impl Blow {
    /// All that can happen to a request of a server that means well.
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

/// Which requests it happens to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) blow: Blow,
    /// The number of the first one, from 0.
    pub(crate) from: u64,
    /// To how many in a row.
    pub(crate) times: u64,
}

/// Counts requests, and tells which of them are struck.
#[derive(Debug, Default)]
pub(crate) struct Strikes(Mutex<(Option<Strike>, u64)>);

impl Strikes {
    /// Begins to count again.
    pub(crate) fn begin(&self, strike: Option<Strike>) {
        *self.0.lock().unwrap() = (strike, 0);
    }

    /// How many requests there were since.
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

/// The same answer, whose second half never comes. `None` if there is nothing to it but its head.
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

/// The answer of a captive portal, or of what else stands between.
pub(crate) fn page(status: u16) -> Response<s3s::Body> {
    let body = "<html><body>Log in to the network</body></html>".to_owned();
    let mut response = Response::new(s3s::Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", "text/html; charset=utf-8".parse().unwrap());
    response
}

/// The answer of a server that has too much to do.
pub(crate) fn busy(seconds: u64, method: &Method) -> Response<s3s::Body> {
    let mut response = refusal(503, method);
    response.headers_mut().insert("retry-after", seconds.into());
    response
}

/// The same answer with other bytes. One without a body stays as it is.
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

/// The same answer, so many bytes at a time.
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

/// A body that takes its time.
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
