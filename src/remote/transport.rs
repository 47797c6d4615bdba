//! HTTP for OpenDAL's services.
//!
//! Every request goes through here, those too that only log in. Here they are counted, here no more
//! of them than allowed are under way at the same time, here both directions keep to the limit on
//! bytes a second, and here a connection that has stalled ends. Bodies can be read from a file while
//! they are sent.

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

/// How often a wait checks its deadline.
const TICK: Duration = Duration::from_millis(100);
/// The longest answer to a request that does not read an object: a listing of a very large directory.
const LONGEST_ANSWER: u64 = 256 << 20;
/// What a message of this kind begins with; [`super::service_error`] knows it by that.
pub(super) const NOT_THIS_STORE: &str = "a proxy or login page answered";

/// The client of all stores without certificates of their own. They share its connections.
pub(super) fn shared_client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    CLIENT.clone()
}

/// What all requests to one store share.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) client: reqwest::Client,
    pub(super) traffic: Arc<Traffic>,
    pub(super) pace: Arc<Pace>,
    /// One for each request that may be under way.
    pub(super) permits: Arc<Semaphore>,
    /// In this time a request must be answered, and over this time the slowest rate is measured.
    pub(super) answer_timeout: Duration,
    pub(super) hold: Arc<Hold>,
}

/// Until when the server wants no requests (`Retry-After`).
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<Instant>>);

impl Hold {
    /// When the next request may be made, if that is later than now.
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

/// A body that is read while it is sent: the size, and where the bytes come from.
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
    /// Takes the place of the body of the one `PUT` that is made with this transport.
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

/// Whether another attempt may get further.
fn of_reqwest(message: &'static str, error: reqwest::Error) -> Error {
    let is_temporary = error.is_request() || error.is_body() || error.is_decode();
    failed(message, is_temporary).set_source(error.without_url())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Transport {
    /// The body of a request with `method`, if it comes from elsewhere.
    fn source_for(&self, method: &Method) -> Option<&BodySource> {
        self.source.as_ref().filter(|_| *method == Method::PUT)
    }

    /// The request as it is sent.
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

    /// Fails where the status means one thing on every service, or another server answered.
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

    /// The bytes of an answer as they come, at most `limit`. The request is over when all of them came.
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

/// Sends a request and waits for the head of the answer, as long as bytes move and then as long as
/// a server may need.
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

/// An answer on its way here.
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
    failed("the connection has stalled: the server sends next to nothing", true)
}

/// What a request is, as far as that makes a difference to what its answer means.
struct Asks {
    is_get: bool,
    is_head: bool,
    /// The bytes of the range that is asked for.
    range: Option<u64>,
    /// It changes nothing.
    reads: bool,
    /// It is to be done on a condition only.
    has_condition: bool,
    method: Method,
    /// The bytes that it carries.
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

/// Whether not the store answered but a page for people, as a captive portal or a proxy shows: no
/// object, stat or list is one. Some `WebDAV` servers say "Created" (201) in HTML.
fn is_another_server(status: StatusCode, headers: &HeaderMap, asks: &Asks) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().trim_start().to_ascii_lowercase();
    let is_page =
        ["text/html", "application/xhtml"].iter().any(|one| content_type.starts_with(one));
    let is_login = status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED;
    let is_answer = status == StatusCode::OK || (asks.reads && status.is_success());
    is_login || (is_page && is_answer)
}

/// The time that a server wants to be left alone: seconds, or a date by its own clock.
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
        // To MKCOL it means that the directory exists.
        StatusCode::METHOD_NOT_ALLOWED if asks.method.as_str() != "MKCOL" => {
            let message = format!("the server does not allow {} ({status})", asks.method);
            return Some(Error::new(ErrorKind::Unsupported, message));
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message =
                format!("the server refuses {} bytes in one request ({status})", asks.bytes);
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
    fn a_server_says_in_seconds_or_by_date_when_to_come_back() {
        let after = |pairs: &[(http::HeaderName, &str)]| retry_after(&headers(pairs));
        assert_eq!(after(&[(RETRY_AFTER, "7")]), Some(Duration::from_secs(7)));
        let (now, then) = ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:09 GMT");
        assert_eq!(after(&[(DATE, now), (RETRY_AFTER, then)]), Some(Duration::from_secs(9)));
        assert_eq!(after(&[(DATE, then), (RETRY_AFTER, now)]), Some(Duration::ZERO));
        assert_eq!(after(&[(RETRY_AFTER, "soon")]), None);
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn a_page_for_people_is_told_from_an_answer_of_a_store() {
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
        assert!(!is_page("PUT", 201, "text/html"), "Apache says so");
        assert!(is_page("GET", 206, "text/html"));
        assert!(is_page("GET", 511, "text/plain"));
    }

    #[test]
    fn a_range_says_how_much_may_come() {
        let length = |range: &str| range_length(&headers(&[(RANGE, range)]));
        assert_eq!(length("bytes=10-19"), Some(10));
        assert_eq!(length("bytes=0-18446744073709551615"), None);
        assert_eq!((length("bytes=10-"), length("bytes=-10")), (None, None));
    }
}
