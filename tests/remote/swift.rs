//! Logging in to Swift: a server in this process that is Keystone, the older login, and the store.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use artifacts::ErrorKind;
use artifacts::remote::{Log, RemoteUri, Store, StoreOptions};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    /// The number of the token that is valid now.
    token: u64,
    logins: u64,
}

struct Swift {
    port: u16,
    state: Arc<Mutex<State>>,
    _runtime: tokio::runtime::Runtime,
}

impl Swift {
    fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                let answer = service_fn(move |request| answer(port, Arc::clone(&state), request));
                tokio::spawn(async move {
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        Swift { port, state, _runtime: runtime }
    }

    fn open(&self, uri: &str, variables: &[(&str, &str)]) -> artifacts::Result<Store> {
        let uri = RemoteUri::parse(uri, Path::new("/"))?;
        let find = |name: &str| variables.iter().find(|(variable, _)| *variable == name);
        let secrets = uri.variables().iter().filter_map(|(variable, option)| {
            let (_, value) = find(variable)?;
            Some(((*option).to_owned(), value.replace("PORT", &self.port.to_string())))
        });
        let options = StoreOptions {
            secrets: secrets.collect(),
            first_wait: std::time::Duration::from_millis(1),
            ..StoreOptions::default()
        };
        Store::open(&uri, options)
    }
}

async fn answer(
    port: u16,
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut state = state.lock().unwrap();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let status = |status: StatusCode| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        Ok(response)
    };
    match (parts.method.clone(), parts.uri.path()) {
        (Method::POST, "/identity/v3/auth/tokens") => {
            let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
            if !is_let_in(&asked["auth"]) {
                return status(StatusCode::UNAUTHORIZED);
            }
            state.logins += 1;
            let url = format!("http://127.0.0.1:{port}/v1/AUTH_x");
            let catalog = serde_json::json!({ "token": { "catalog": [{ "type": "object-store",
                "endpoints": [{ "interface": "public", "region": "R", "url": url }] }] } });
            let response = Response::builder()
                .status(StatusCode::CREATED)
                .header("X-Subject-Token", format!("token-{}", state.token));
            Ok(response.body(Full::from(catalog.to_string())).unwrap())
        }
        (Method::GET, "/auth/v1.0") => {
            if header("x-auth-user") != Some("ada")
                || header("x-auth-key") != Some("hunter2hunter2")
            {
                return status(StatusCode::UNAUTHORIZED);
            }
            state.logins += 1;
            let response = Response::builder()
                .header("X-Storage-Url", format!("http://127.0.0.1:{port}/v1/AUTH_x"))
                .header("X-Auth-Token", format!("token-{}", state.token));
            Ok(response.body(Full::default()).unwrap())
        }
        _ if header("x-auth-token") != Some(format!("token-{}", state.token).as_str()) => {
            status(StatusCode::UNAUTHORIZED)
        }
        (_, path) if !path.starts_with("/v1/AUTH_x/box") => status(StatusCode::NOT_FOUND),
        (Method::GET, "/v1/AUTH_x/box" | "/v1/AUTH_x/box/") => Ok(Response::new(Full::from("[]"))),
        (Method::PUT, path) => {
            state.objects.insert(path.to_owned(), body);
            status(StatusCode::CREATED)
        }
        (_, path) => match state.objects.get(path) {
            Some(body) => Ok(Response::new(Full::from(body.clone()))),
            None => status(StatusCode::NOT_FOUND),
        },
    }
}

/// Returns true if the request has valid credentials: a password, or an application credential,
/// which names no project.
fn is_let_in(auth: &serde_json::Value) -> bool {
    let identity = &auth["identity"];
    if identity["methods"] == serde_json::json!(["application_credential"]) {
        let credential = &identity["application_credential"];
        let is_named = credential["id"] == "cred-1"
            || (credential["name"] == "laptop"
                && credential["user"]["name"] == "ada"
                && credential["user"]["domain"]["name"] == "Default");
        return is_named && credential["secret"] == "hunter2hunter2" && auth["scope"].is_null();
    }
    let user = &identity["password"]["user"];
    user["name"] == "ada" && user["password"] == "hunter2hunter2"
}

const CREDENTIAL_BY_ID: &[(&str, &str)] = &[
    ("OS_AUTH_URL", "http://127.0.0.1:PORT/identity/v3"),
    ("OS_APPLICATION_CREDENTIAL_ID", "cred-1"),
    ("OS_APPLICATION_CREDENTIAL_SECRET", "hunter2hunter2"),
];
const CREDENTIAL_BY_NAME: &[(&str, &str)] = &[
    ("OS_AUTH_URL", "http://127.0.0.1:PORT/identity/"),
    ("OS_USERNAME", "ada"),
    ("OS_PROJECT_NAME", "digits"),
    ("OS_APPLICATION_CREDENTIAL_NAME", "laptop"),
    ("OS_APPLICATION_CREDENTIAL_SECRET", "hunter2hunter2"),
];
const KEYSTONE: &[(&str, &str)] = &[
    ("OS_AUTH_URL", "http://127.0.0.1:PORT/identity"),
    ("OS_USERNAME", "ada"),
    ("OS_PASSWORD", "hunter2hunter2"),
    ("OS_PROJECT_NAME", "digits"),
    ("OS_REGION_NAME", "R"),
];
const VERSION_1: &[(&str, &str)] = &[
    ("ST_AUTH", "http://127.0.0.1:PORT/auth/v1.0"),
    ("ST_USER", "ada"),
    ("ST_KEY", "hunter2hunter2"),
];

#[test]
fn swift_is_logged_in_to_once_and_again_when_the_token_has_expired() {
    for variables in [KEYSTONE, VERSION_1, CREDENTIAL_BY_ID, CREDENTIAL_BY_NAME] {
        let server = Swift::start();
        let store = server.open("swift://box/prefix", variables).unwrap();
        store.write("a/b", &b"first"[..]).unwrap();
        assert_eq!(store.read("a/b", 10).unwrap(), &b"first"[..]);
        assert_eq!(server.state.lock().unwrap().logins, 1);
        assert!(server.state.lock().unwrap().objects.contains_key("/v1/AUTH_x/box/prefix/a/b"));
        server.state.lock().unwrap().token += 1;
        assert_eq!(store.read("a/b", 10).unwrap(), &b"first"[..]);
        assert_eq!(server.state.lock().unwrap().logins, 2);
    }
}

#[test]
fn a_storage_url_in_the_uri_is_used_as_it_is() {
    let server = Swift::start();
    let uri = format!("swift+http://127.0.0.1:{}/v1/AUTH_x/box/prefix", server.port);
    let token = server.open(&uri, &[("OS_AUTH_TOKEN", "token-0")]).unwrap();
    token.write("a", &b"1"[..]).unwrap();
    let login = server.open(&uri, KEYSTONE).unwrap();
    assert_eq!(login.read("a", 10).unwrap(), &b"1"[..]);
}

#[test]
fn a_refused_login_and_none_are_unauthorized_and_show_no_password() {
    let server = Swift::start();
    let mut wrong = KEYSTONE.to_vec();
    wrong[1].1 = "bob";
    let store = server.open("swift://box/prefix", &wrong).unwrap();
    let error = store.read("a", 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let error = server.open("swift://box/prefix", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.hint().unwrap().contains("OS_AUTH_URL"), "{error:?}");
}

#[test]
fn a_refused_application_credential_is_unauthorized_and_shows_no_secret() {
    let server = Swift::start();
    let mut wrong = CREDENTIAL_BY_ID.to_vec();
    wrong[1].1 = "cred-2";
    let store = server.open("swift://box/prefix", &wrong).unwrap();
    let error = store.read("a", 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn a_reader_reports_a_missing_container() {
    let server = Swift::start();
    let store = server.open("swift://other/prefix", KEYSTONE).unwrap();
    super::buckets::check_reports_missing(&store);
    let store = server.open("swift://box/prefix", KEYSTONE).unwrap();
    assert!(Log::try_find(&store).unwrap().is_none());
}
