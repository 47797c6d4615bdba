//! An S3 server over HTTP in this process, as honest as it is told to be.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::TryStreamExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::blow::{
    Blow, Strike, Strikes, busy, changed, half, page, read_half, refusal, trickling,
};

/// The defects of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Nothing: uploads take turns.
    Honest,
    /// Several racing conditional uploads can win, as in `s3s-fs`.
    HalfHonest,
    /// Conditions are ignored.
    Ignores,
    /// Honest, but every nth answer to an upload is lost with the connection.
    LosesAnswers(u64),
    /// Honest, but lists are forbidden. With `hides`, absent objects are forbidden too, as on Amazon.
    NoList { hides: bool },
    /// Honest, but every nth request gets this status and is not done.
    Answers(u16, u64),
}

/// A server that runs until this value is dropped.
pub(crate) struct Server {
    port: u16,
    is_signed: bool,
    runtime: Option<tokio::runtime::Runtime>,
    state: Arc<State>,
    directory: tempfile::TempDir,
}

/// The access key and the secret of the only user.
pub(crate) const KEY: (&str, &str) = ("AKEXAMPLE", "verysecretvalue");

struct State {
    s3: S3Service,
    manners: Manners,
    turn: Mutex<()>,
    requests: AtomicU64,
    uploads: AtomicU64,
    /// Everything is allowed.
    relaxed: AtomicBool,
    strikes: Strikes,
    /// A layer between the server and its clients.
    between: std::sync::Mutex<Option<Box<Between>>>,
    /// The number of current requests, and the highest number of parallel requests.
    now: AtomicU64,
    most: AtomicU64,
    /// The end of a key and the fault of reads of such an object, until it is written again.
    unreadable: std::sync::Mutex<Option<(String, Blow)>>,
}

impl State {
    /// The fault of a request for an unreadable object.
    fn blow_to(&self, request: &Request<Incoming>) -> Option<Blow> {
        let mut unreadable = self.unreadable.lock().unwrap();
        let (_, blow) =
            unreadable.clone().filter(|(key, _)| request.uri().path().ends_with(key))?;
        if request.method() == hyper::Method::PUT || request.method() == hyper::Method::POST {
            *unreadable = None;
            return None;
        }
        Some(blow)
    }
}

/// Selects the fault of a request by its method and path.
type Between = dyn Fn(&str, &str) -> Option<Blow> + Send + Sync;

impl Server {
    /// A server with one empty bucket, `bucket`, for users with the [`KEY`].
    pub(crate) fn start(manners: Manners) -> Self {
        // A signature would cover the condition that the server removes.
        Self::with(manners, manners != Manners::Ignores)
    }

    /// A server without access control, for clients with only the credentials of this process.
    pub(crate) fn open_to_all(manners: Manners) -> Self {
        Self::with(manners, false)
    }

    fn with(manners: Manners, is_signed: bool) -> Self {
        let directory = super::stores::directory();
        std::fs::create_dir(directory.path().join("bucket")).unwrap();
        let state = Arc::new(State {
            s3: service(directory.path(), is_signed),
            manners,
            turn: Mutex::new(()),
            requests: AtomicU64::new(0),
            uploads: AtomicU64::new(0),
            relaxed: AtomicBool::new(false),
            strikes: Strikes::default(),
            between: std::sync::Mutex::default(),
            now: AtomicU64::new(0),
            most: AtomicU64::new(0),
            unreadable: std::sync::Mutex::default(),
        });
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(serve(listener, Arc::clone(&state)));
        Server { port, is_signed, state, runtime: Some(runtime), directory }
    }

    /// Allows or forbids, from now on, the requests that its manners forbid.
    pub(crate) fn relax(&self, relaxed: bool) {
        self.state.relaxed.store(relaxed, Ordering::SeqCst);
    }

    /// The directory of its buckets. An object is a file in the directory of its bucket.
    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Lets reads of the object `key` fail with `blow` until it is written again.
    pub(crate) fn make_unreadable(&self, key: &str, blow: Blow) {
        *self.state.unreadable.lock().unwrap() = Some((key.to_owned(), blow));
    }

    /// Makes all objects readable. Returns true if one was unreadable.
    pub(crate) fn make_readable(&self) -> bool {
        self.state.unreadable.lock().unwrap().take().is_some()
    }

    /// Counts requests from now on, and applies `strike` to some of them.
    pub(crate) fn strike(&self, strike: Option<Strike>) {
        self.state.strikes.begin(strike);
    }

    /// Adds a layer between the server and its clients.
    pub(crate) fn put_between(
        &self,
        between: impl Fn(&str, &str) -> Option<Blow> + Send + Sync + 'static,
    ) {
        *self.state.between.lock().unwrap() = Some(Box::new(between));
    }

    /// Removes the layer.
    pub(crate) fn clear(&self) {
        *self.state.between.lock().unwrap() = None;
    }

    /// The highest number of parallel requests.
    pub(crate) fn most_at_once(&self) -> u64 {
        self.state.most.load(Ordering::SeqCst)
    }

    /// The number of requests since the last [`Server::strike`].
    pub(crate) fn asked(&self) -> u64 {
        self.state.strikes.asked()
    }

    /// The URI of a prefix in its bucket.
    pub(crate) fn uri(&self, prefix: &str) -> String {
        let mut options = "disable_config_load=true&disable_ec2_metadata=true".to_owned();
        if !self.is_signed {
            options.push_str("&skip_signature=true");
        }
        format!("s3+http://127.0.0.1:{}/bucket/{prefix}?{options}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn service(root: &Path, is_signed: bool) -> S3Service {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    if is_signed {
        builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
    }
    builder.build()
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((socket, _)) = listener.accept().await {
        socket.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(Arc::clone(&state), request));
            // Some tests cut connections.
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), answer)
                .await;
        });
    }
}

fn forbidden() -> hyper::Response<s3s::Body> {
    let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let mut response = hyper::Response::new(s3s::Body::from(body.to_owned()));
    *response.status_mut() = hyper::StatusCode::FORBIDDEN;
    response
}

type Answer = Result<hyper::Response<s3s::Body>, Box<dyn std::error::Error + Send + Sync>>;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Answer {
    let now = state.now.fetch_add(1, Ordering::SeqCst) + 1;
    state.most.fetch_max(now, Ordering::SeqCst);
    let answered = answer_as_told(Arc::clone(&state), request).await;
    state.now.fetch_sub(1, Ordering::SeqCst);
    answered
}

async fn answer_as_told(state: Arc<State>, request: Request<Incoming>) -> Answer {
    let between = || {
        let between = state.between.lock().unwrap();
        between.as_ref()?(request.method().as_str(), request.uri().path())
    };
    let blow = state.strikes.next().or_else(between).or_else(|| state.blow_to(&request));
    match blow {
        Some(Blow::Page(status)) => {
            drop(s3s::Body::from(request.into_body()).try_collect::<Vec<_>>().await);
            return Ok(page(status));
        }
        Some(Blow::Swallowed) => {
            drop(s3s::Body::from(request.into_body()).try_collect::<Vec<_>>().await);
            return Ok(hyper::Response::new(s3s::Body::from(String::new())));
        }
        Some(Blow::Busy(seconds)) => return Ok(busy(seconds, request.method())),
        Some(Blow::Status(status)) => return Ok(refusal(status, request.method())),
        Some(Blow::Hangs) => return std::future::pending().await,
        Some(Blow::HalfRequest) => {
            read_half(request).await;
            return Err("half of the request is lost".into());
        }
        Some(_) | None => {}
    }
    let response = done(&state, request).await?;
    match blow {
        None => Ok(response),
        Some(Blow::DoneAndHangs) => std::future::pending().await,
        Some(Blow::HalfAnswer) => half(response).await.ok_or_else(|| "half of it is lost".into()),
        Some(Blow::Flipped) => {
            let flip = |mut bytes: Vec<u8>| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                bytes
            };
            changed(response, flip).await.ok_or_else(|| "it is lost".into())
        }
        Some(Blow::Shortened) => {
            let shorten = |mut bytes: Vec<u8>| {
                bytes.truncate(bytes.len() / 2);
                bytes
            };
            changed(response, shorten).await.ok_or_else(|| "it is lost".into())
        }
        Some(Blow::Trickles(step)) => {
            trickling(response, step).await.ok_or_else(|| "it is lost".into())
        }
        Some(_) => Err("the answer is lost".into()),
    }
}

/// The answer to a request without a fault, except for the manners of the server.
async fn done(state: &State, mut request: Request<Incoming>) -> Answer {
    let number = state.requests.fetch_add(1, Ordering::SeqCst) + 1;
    if let Manners::Answers(status, every) = state.manners
        && number.is_multiple_of(every)
        && (status != 409 || request.method() == hyper::Method::PUT)
    {
        return Ok(refusal(status, request.method()));
    }
    let hides = match state.manners {
        Manners::NoList { hides } if !state.relaxed.load(Ordering::SeqCst) => Some(hides),
        _ => None,
    };
    if hides.is_some() && request.uri().query().is_some_and(|query| query.contains("list-type")) {
        return Ok(forbidden());
    }
    let is_upload = request.method() == hyper::Method::PUT;
    if state.manners == Manners::Ignores {
        request.headers_mut().remove("if-none-match");
    }
    let _turn = match state.manners {
        Manners::HalfHonest | Manners::Ignores => None,
        _ if is_upload => Some(state.turn.lock().await),
        _ => None,
    };
    let response =
        state.s3.call(request.map(s3s::Body::from)).await.map_err(|_| "the server failed")?;
    if hides == Some(true) && response.status() == hyper::StatusCode::NOT_FOUND {
        return Ok(forbidden());
    }
    if let Manners::LosesAnswers(every) = state.manners
        && is_upload
        && state.uploads.fetch_add(1, Ordering::SeqCst) % every == every - 1
    {
        return Err("the answer is lost".into());
    }
    Ok(response)
}
