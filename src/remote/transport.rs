//! HTTP for OpenDAL's services.
//!
//! Every request passes through this module, including logins. The module counts requests, limits
//! concurrent requests, enforces the byte rate in both directions, and ends stalled connections. It
//! can read a body from a file while sending.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, RANGE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::outgoing_body::{OutgoingBody, Sent};
use super::throttle::Pace;
use super::traffic::Traffic;
use super::watch::{Lap, Watch, answer_time};
use crate::clock::{Clock, SystemClock};

/// The interval at which a wait checks its deadline.
const TICK: Duration = Duration::from_millis(100);
/// The maximum size of an answer that is not an object, in bytes: a listing of a very large
/// directory.
const LONGEST_ANSWER: u64 = 256 << 20;
/// The start of the message of this error, by which [`super::service_error`] recognizes it.
pub(super) const NOT_THIS_STORE: &str = "a proxy or login page answered";

/// The client of all stores without additional certificates, which share its connections.
pub(super) fn shared_client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    CLIENT.clone()
}

/// The state that all requests to one store share.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) client: reqwest::Client,
    pub(super) traffic: Arc<Traffic>,
    pub(super) pace: Arc<Pace>,
    /// One permit for each request that may be active.
    pub(super) permits: Arc<Semaphore>,
    /// The time limit for an answer, and the time over which the minimum rate is measured.
    pub(super) answer_timeout: Duration,
    pub(super) hold: Arc<Hold>,
}

/// The time until which the server asked to send no requests (`Retry-After`).
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<Instant>>);

impl Hold {
    /// The time of the next permitted request, if it is in the future.
    pub(super) fn until(&self) -> Option<Instant> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > Instant::now())
    }

    fn extend(&self, time: Duration) {
        let until = Instant::now().checked_add(time);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (*held).max(until);
    }
}

/// A body that is read while it is sent: its size and the source of its bytes.
pub(super) struct BodySource {
    size: u64,
    chunks: Mutex<Option<mpsc::Receiver<Bytes>>>,
}

impl BodySource {
    pub(super) fn new(size: u64, chunks: mpsc::Receiver<Bytes>) -> Self {
        BodySource { size, chunks: Mutex::new(Some(chunks)) }
    }
}

/// Sends requests.
pub(super) struct Transport {
    pub(super) wire: Wire,
    /// Replaces the body of the one `PUT` request of this transport.
    pub(super) source: Option<BodySource>,
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let source = self.source_for(request.method());
        let bytes = source.map_or(request.body().len() as u64, |source| source.size);
        let asks = Asks::of(&request, bytes);
        if let Some(until) = self.wire.hold.until() {
            tokio::time::sleep_until(until.into()).await;
        }
        let permit = Arc::clone(&self.wire.permits).acquire_owned().await;
        let permit = permit.map_err(|_| failed("the store was closed", false))?;
        let uri = request.uri().clone();
        let sent = Arc::new(Sent::default());
        let request = self.outgoing(request, &sent)?;
        let response = exchange(&self.wire, request, &sent).await?;
        self.check(&response, &asks)?;
        let mut answer = Response::builder()
            .status(response.status())
            .version(response.version())
            .extension(uri);
        if let Some(headers) = answer.headers_mut() {
            headers.clone_from(response.headers());
        }
        let length = if asks.is_head { None } else { content_length(response.headers()) };
        let limit = match response.status() {
            StatusCode::PARTIAL_CONTENT => asks.range.unwrap_or(u64::MAX),
            _ if asks.is_get => u64::MAX,
            _ => LONGEST_ANSWER,
        };
        let body = self.incoming(response, limit, permit);
        answer.body(HttpBody::new(body, length)).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the answer can't be read").set_source(error)
        })
    }
}

fn failed(message: impl Into<String>, is_temporary: bool) -> Error {
    Error::new(ErrorKind::Unexpected, message).with_temporary(is_temporary)
}

/// Converts an error. It is temporary if a retry may succeed.
fn of_reqwest(message: &'static str, error: reqwest::Error) -> Error {
    let is_temporary = error.is_request() || error.is_body() || error.is_decode();
    failed(message, is_temporary).set_source(error.without_url())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Transport {
    /// The separate source of the body of a request with `method`, if there is one.
    fn source_for(&self, method: &Method) -> Option<&BodySource> {
        self.source.as_ref().filter(|_| *method == Method::PUT)
    }

    /// Converts the request to the one that is sent.
    fn outgoing(&self, request: Request<Buffer>, sent: &Arc<Sent>) -> Result<reqwest::Request> {
        let (mut parts, body) = request.into_parts();
        let source = self.source_for(&parts.method);
        let (size, body) = if let Some(source) = source {
            let chunks = source.chunks.lock().unwrap_or_else(PoisonError::into_inner).take();
            let chunks = chunks.ok_or_else(|| failed("the body was sent already", true))?;
            parts.headers.insert(CONTENT_LENGTH, source.size.into());
            (source.size, OutgoingBody::of_channel(chunks, source.size, &self.wire.pace, sent))
        } else {
            let size = body.len() as u64;
            (size, OutgoingBody::of_buffer(body, &self.wire.pace, sent))
        };
        self.wire.traffic.request(size);
        sent.expect(size);
        let url = reqwest::Url::parse(&parts.uri.to_string()).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the address of a request is invalid")
                .set_source(error)
        })?;
        let mut outgoing = reqwest::Request::new(parts.method, url);
        *outgoing.headers_mut() = parts.headers;
        *outgoing.version_mut() = parts.version;
        if size > 0 {
            *outgoing.body_mut() = Some(reqwest::Body::wrap(body));
        }
        Ok(outgoing)
    }

    /// Fails if the status has the same meaning on every service, or if another server answered.
    fn check(&self, response: &reqwest::Response, asks: &Asks) -> Result<()> {
        let (status, headers) = (response.status(), response.headers());
        if let Some(time) = retry_after(headers).filter(|_| !status.is_success()) {
            self.wire.hold.extend(time);
        }
        if is_another_server(status, headers, asks) {
            return Err(failed(format!("{NOT_THIS_STORE} ({status})"), false));
        }
        clear_answer(status, asks).map_or(Ok(()), Err)
    }

    /// Streams at most `limit` bytes of an answer. The stream holds the permit until it ends.
    fn incoming(
        &self,
        response: reqwest::Response,
        limit: u64,
        permit: OwnedSemaphorePermit,
    ) -> impl futures::Stream<Item = Result<Buffer>> + Send + Sync + Unpin + 'static {
        let incoming = Incoming {
            stream: response.bytes_stream(),
            wire: self.wire.clone(),
            watch: Watch::new(self.wire.answer_timeout),
            left: limit,
            _permit: permit,
        };
        Box::pin(futures::stream::unfold(Some(incoming), |incoming| async {
            let mut incoming = incoming?;
            match incoming.next().await? {
                Ok(bytes) => Some((Ok(bytes), Some(incoming))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

/// Sends a request and waits for the head of the answer: while bytes move, and then for the time
/// that the server may need.
async fn exchange(
    wire: &Wire,
    request: reqwest::Request,
    sent: &Sent,
) -> Result<reqwest::Response> {
    let answer_timeout = wire.answer_timeout;
    let mut answer = std::pin::pin!(wire.client.execute(request));
    let (mut watch, mut lap) = (Watch::new(answer_timeout), Lap::start());
    let (mut waited, mut paused, mut seen) = (Duration::ZERO, Duration::ZERO, 0);
    loop {
        if let Ok(answer) = tokio::time::timeout(TICK, &mut answer).await {
            return answer.map_err(|error| of_reqwest("cannot send a request", error));
        }
        paused += sent.take_pauses();
        let elapsed = lap.next();
        let time = elapsed.saturating_sub(paused);
        paused = paused.saturating_sub(elapsed);
        let now = sent.bytes();
        if sent.is_done() {
            waited += time;
            if waited >= answer_time(answer_timeout, now) {
                return Err(failed("the server did not answer in time", true));
            }
        } else if watch.note(time, now - seen) {
            return Err(failed("the connection has stalled while sending", true));
        }
        seen = now;
    }
}

/// An incoming answer.
struct Incoming<S> {
    stream: S,
    wire: Wire,
    watch: Watch,
    left: u64,
    _permit: OwnedSemaphorePermit,
}

impl<S: futures::Stream<Item = reqwest::Result<Bytes>> + Unpin> Incoming<S> {
    async fn next(&mut self) -> Option<Result<Buffer>> {
        let mut lap = Lap::start();
        loop {
            match tokio::time::timeout(TICK, self.stream.next()).await {
                Ok(Some(Ok(bytes))) if bytes.is_empty() => {}
                Ok(Some(Ok(bytes))) => return Some(self.take(lap.next(), bytes).await),
                Ok(Some(Err(error))) => {
                    return Some(Err(of_reqwest("cannot read an answer", error)));
                }
                Ok(None) => return None,
                Err(_) => {
                    if self.watch.note(lap.next(), 0) {
                        return Some(Err(stalled()));
                    }
                }
            }
        }
    }

    async fn take(&mut self, time: Duration, bytes: Bytes) -> Result<Buffer> {
        let length = bytes.len() as u64;
        if self.watch.note(time, length) {
            return Err(stalled());
        }
        let left = self.left.checked_sub(length);
        self.left = left.ok_or_else(|| failed("the server sent more than was asked for", true))?;
        self.wire.traffic.answer(length);
        let wait = self.wire.pace.receiving.take(length);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(Buffer::from(bytes))
    }
}

fn stalled() -> Error {
    failed("the connection has stalled: the server sends almost no data", true)
}

/// The properties of a request that affect the meaning of its answer.
struct Asks {
    is_get: bool,
    is_head: bool,
    /// The number of bytes in the requested range.
    range: Option<u64>,
    /// True if the request changes nothing.
    reads: bool,
    /// True if the request has a condition.
    has_condition: bool,
    method: Method,
    /// The size of the request's body in bytes.
    bytes: u64,
}

impl Asks {
    fn of<B>(request: &Request<B>, bytes: u64) -> Self {
        let method = request.method();
        let (is_get, is_head) = (*method == Method::GET, *method == Method::HEAD);
        Asks {
            is_get,
            is_head,
            range: range_length(request.headers()),
            reads: is_get || is_head || method.as_str() == "PROPFIND",
            has_condition: request.headers().keys().any(|name| name.as_str().contains("if-")),
            method: request.method().clone(),
            bytes,
        }
    }
}

fn range_length(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    last.parse::<u64>().ok()?.checked_sub(first.parse().ok()?)?.checked_add(1)
}

/// Returns true if the answer is a web page, as from a captive portal or a proxy, and not from the
/// store. A store never returns a page as an object, status or list. However, some `WebDAV` servers
/// report "Created" (201) in HTML.
fn is_another_server(status: StatusCode, headers: &HeaderMap, asks: &Asks) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().trim_start().to_ascii_lowercase();
    let is_page =
        ["text/html", "application/xhtml"].iter().any(|one| content_type.starts_with(one));
    let is_login = status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED;
    let is_answer = status == StatusCode::OK || (asks.reads && status.is_success());
    // Some stores answer every write with this type and no body. Their answer has the tag of the
    // stored object, which a page has not.
    let is_stored = !asks.reads && headers.contains_key(http::header::ETAG);
    is_login || (is_page && is_answer && !is_stored)
}

/// The time for which the server asks to send no requests: seconds, or a date by its own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let value = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds.min(1 << 32)));
    }
    let date =
        |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp().as_second());
    let now = text(DATE).and_then(date).unwrap_or_else(|| SystemClock.now().seconds());
    Some(Duration::from_secs(date(value)?.saturating_sub(now).try_into().unwrap_or(0)))
}

/// The error for a status that has the same meaning on every service, but that OpenDAL's services
/// recognize only from its text or not at all.
fn clear_answer(status: StatusCode, asks: &Asks) -> Option<Error> {
    let kind = match status {
        StatusCode::UNAUTHORIZED => ErrorKind::PermissionDenied,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            ErrorKind::RateLimited
        }
        // Without a condition or a conflict, these statuses reveal nothing about the object.
        StatusCode::PRECONDITION_FAILED if !asks.has_condition => ErrorKind::RateLimited,
        StatusCode::CONFLICT if asks.reads => ErrorKind::RateLimited,
        // For MKCOL, this status means that the directory exists.
        StatusCode::METHOD_NOT_ALLOWED if asks.method.as_str() != "MKCOL" => {
            let message = format!("the server does not allow {} ({status})", asks.method);
            return Some(Error::new(ErrorKind::Unsupported, message));
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = match asks.bytes {
                0 => format!("the server refuses the request ({status})"),
                bytes => format!("the server refuses {bytes} bytes in one request ({status})"),
            };
            return Some(Error::new(ErrorKind::Unsupported, message));
        }
        _ => return None,
    };
    let error = Error::new(kind, format!("the server answered {status}"));
    Some(if kind == ErrorKind::RateLimited { error.set_temporary() } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |pairs: &[(http::HeaderName, &str)]| retry_after(&headers(pairs));
        assert_eq!(after(&[(RETRY_AFTER, "7")]), Some(Duration::from_secs(7)));
        let (now, then) = ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:09 GMT");
        assert_eq!(after(&[(DATE, now), (RETRY_AFTER, then)]), Some(Duration::from_secs(9)));
        assert_eq!(after(&[(DATE, then), (RETRY_AFTER, now)]), Some(Duration::ZERO));
        assert_eq!(after(&[(RETRY_AFTER, "soon")]), None);
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn a_web_page_is_not_taken_for_the_answer_of_a_store() {
        let asks = |method: &str| Asks::of(&Request::builder().method(method).body(()).unwrap(), 0);
        let is_page = |method: &str, status: u16, kind: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            is_another_server(status, &headers(&[(CONTENT_TYPE, kind)]), &asks(method))
        };
        for method in ["GET", "HEAD", "PROPFIND", "PUT", "DELETE", "MKCOL"] {
            assert!(is_page(method, 200, "Text/HTML; charset=utf-8"), "{method}");
            assert!(!is_page(method, 404, "text/html"), "{method}");
            assert!(!is_page(method, 200, "application/octet-stream"), "{method}");
        }
        assert!(!is_page("PUT", 201, "text/html"), "Apache answers so");
        let moto =
            headers(&[(CONTENT_TYPE, "text/html; charset=utf-8"), (http::header::ETAG, "\"1\"")]);
        assert!(!is_another_server(StatusCode::OK, &moto, &asks("PUT")));
        assert!(is_another_server(StatusCode::OK, &moto, &asks("GET")));
        assert!(is_page("GET", 206, "text/html"));
        assert!(is_page("GET", 511, "text/plain"));
    }

    #[test]
    fn a_range_limits_the_answer() {
        let length = |range: &str| range_length(&headers(&[(RANGE, range)]));
        assert_eq!(length("bytes=10-19"), Some(10));
        assert_eq!(length("bytes=0-18446744073709551615"), None);
        assert_eq!((length("bytes=10-"), length("bytes=-10")), (None, None));
    }
}
