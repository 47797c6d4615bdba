//! Login to OpenStack Swift: Keystone version 3 and the older version 1 return a token and the
//! storage URL. An expired token is replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, Request, Response, StatusCode, Uri};
use opendal::{
    Buffer, Error as StoreError, ErrorKind as StoreKind, HttpBody, HttpTransport, HttpTransporter,
};
use serde_json::{Value, json};

use crate::error::Error;

/// The storage URL of requests before the real one is known.
pub(super) const PLACEHOLDER: &str = "http://swift.invalid/v1";
/// The maximum size of the answer to a login in bytes. A catalog of services has some tens of KB.
const MAX_ANSWER: u64 = 4 << 20;

/// The environment variables of a login, with the option that each sets.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("OS_AUTH_TOKEN", "token"),
    ("OS_STORAGE_URL", "endpoint"),
    ("OS_AUTH_URL", "os_auth_url"),
    ("OS_USERNAME", "os_username"),
    ("OS_USER_ID", "os_user_id"),
    ("OS_PASSWORD", "os_password"),
    ("OS_USER_DOMAIN_NAME", "os_user_domain_name"),
    ("OS_USER_DOMAIN_ID", "os_user_domain_id"),
    ("OS_PROJECT_NAME", "os_project_name"),
    ("OS_TENANT_NAME", "os_tenant_name"),
    ("OS_PROJECT_ID", "os_project_id"),
    ("OS_PROJECT_DOMAIN_NAME", "os_project_domain_name"),
    ("OS_PROJECT_DOMAIN_ID", "os_project_domain_id"),
    ("OS_APPLICATION_CREDENTIAL_ID", "os_application_credential_id"),
    ("OS_APPLICATION_CREDENTIAL_NAME", "os_application_credential_name"),
    ("OS_APPLICATION_CREDENTIAL_SECRET", "os_application_credential_secret"),
    ("OS_REGION_NAME", "os_region_name"),
    ("ST_AUTH", "st_auth"),
    ("ST_USER", "st_user"),
    ("ST_KEY", "st_key"),
];

/// Returns true if `option` belongs to a login and not to the store.
pub(super) fn is_of_login(option: &str) -> bool {
    option.starts_with("os_") || option.starts_with("st_")
}

/// The parameters of a login.
#[derive(Clone)]
pub(super) struct SwiftLogin {
    options: BTreeMap<String, String>,
}

/// The result of a login.
#[derive(Clone)]
struct SwiftSession {
    token: String,
    storage_url: String,
}

impl SwiftLogin {
    /// Creates the login that `options` describe. Returns `None` if they describe none.
    pub(super) fn new(options: &[(String, String)]) -> Option<Self> {
        let options: BTreeMap<String, String> =
            options.iter().filter(|(name, _)| is_of_login(name)).cloned().collect();
        let login = SwiftLogin { options };
        let is_complete = login.get("os_auth_url").is_some()
            || (login.get("st_auth").is_some() && login.get("st_user").is_some());
        is_complete.then_some(login)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    async fn log_in(&self, transport: &HttpTransporter) -> opendal::Result<SwiftSession> {
        match self.get("os_auth_url") {
            Some(address) => self.keystone(address, transport).await,
            None => self.version_1(transport).await,
        }
    }

    async fn version_1(&self, transport: &HttpTransporter) -> opendal::Result<SwiftSession> {
        let request = Request::get(self.get("st_auth").unwrap_or_default())
            .header("X-Auth-User", self.get("st_user").unwrap_or_default())
            .header("X-Auth-Key", self.get("st_key").unwrap_or_default())
            .body(Buffer::new());
        let response = send(request, transport).await?;
        let header = |name: &str| find_header(response.headers(), name);
        let url = header("x-storage-url").ok_or_else(|| unexpected("no storage URL"))?;
        let token = header("x-auth-token").or_else(|| header("x-storage-token"));
        let token = token.ok_or_else(|| unexpected("no token"))?;
        Ok(SwiftSession { token, storage_url: url })
    }

    async fn keystone(
        &self,
        address: &str,
        transport: &HttpTransporter,
    ) -> opendal::Result<SwiftSession> {
        let address = address.trim_end_matches('/');
        let version = if address.ends_with("/v3") { "" } else { "/v3" };
        let body = serde_json::to_vec(&self.question()).unwrap_or_default();
        let request = Request::post(format!("{address}{version}/auth/tokens"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::CONTENT_LENGTH, body.len())
            .body(Buffer::from(body));
        let response = send(request, transport).await?;
        let token = find_header(response.headers(), "x-subject-token");
        let token = token.ok_or_else(|| unexpected("no token"))?;
        let body = response.into_body().to_bytes();
        let answer: Value =
            serde_json::from_slice(&body).map_err(|_| unexpected("no JSON document"))?;
        let url = match self.get("endpoint") {
            Some(url) => Some(url.to_owned()),
            None => find_endpoint(&answer, self.get("os_region_name")),
        };
        let url = url.ok_or_else(|| {
            let message = "Keystone has no object store for this project and region";
            StoreError::new(StoreKind::ConfigInvalid, message)
        })?;
        Ok(SwiftSession { token, storage_url: url })
    }

    /// The login request for Keystone: the user and the project.
    fn question(&self) -> Value {
        let domain = |kind: &str| {
            if let Some(id) = self.get(&format!("os_{kind}_domain_id")) {
                json!({ "id": id })
            } else {
                let name = self.get(&format!("os_{kind}_domain_name")).unwrap_or("Default");
                json!({ "name": name })
            }
        };
        let user = match (self.get("os_user_id"), self.get("os_username")) {
            (Some(id), _) => json!({ "id": id }),
            (None, name) => json!({ "name": name, "domain": domain("user") }),
        };
        if let Some(secret) = self.get("os_application_credential_secret") {
            let credential = if let Some(id) = self.get("os_application_credential_id") {
                json!({ "id": id, "secret": secret })
            } else {
                let name = self.get("os_application_credential_name");
                json!({ "name": name, "secret": secret, "user": user })
            };
            let methods = ["application_credential"];
            return json!({ "auth": { "identity": {
                "methods": methods, "application_credential": credential,
            }}});
        }
        let mut user = user;
        user["password"] = json!(self.get("os_password"));
        let name = self.get("os_project_name").or_else(|| self.get("os_tenant_name"));
        let mut auth =
            json!({ "identity": { "methods": ["password"], "password": { "user": user }}});
        if let Some(id) = self.get("os_project_id") {
            auth["scope"] = json!({ "project": { "id": id }});
        } else if let Some(name) = name {
            auth["scope"] = json!({ "project": { "name": name, "domain": domain("project") }});
        }
        json!({ "auth": auth })
    }
}

/// Finds the public address of the object store in the catalog of `answer`.
fn find_endpoint(answer: &Value, region: Option<&str>) -> Option<String> {
    let catalog = answer["token"]["catalog"].as_array()?;
    let stores = catalog.iter().filter(|service| service["type"] == "object-store");
    let endpoints = stores.filter_map(|service| service["endpoints"].as_array()).flatten();
    let is_meant = |endpoint: &&Value| {
        let is_in_region =
            |region: &str| endpoint["region"] == region || endpoint["region_id"] == region;
        endpoint["interface"] == "public" && region.is_none_or(is_in_region)
    };
    endpoints.into_iter().find(is_meant)?["url"].as_str().map(str::to_owned)
}

fn find_header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn unexpected(what: &str) -> StoreError {
    StoreError::new(StoreKind::Unexpected, format!("the answer to the login has {what}"))
}

async fn send(
    request: http::Result<Request<Buffer>>,
    transport: &HttpTransporter,
) -> opendal::Result<Response<Buffer>> {
    let request = request.map_err(|_| {
        StoreError::new(StoreKind::ConfigInvalid, "the address or the user of the login is invalid")
    })?;
    let response = transport.send(request).await?;
    if response.body().len() as u64 > MAX_ANSWER {
        return Err(unexpected("too many bytes"));
    }
    match response.status() {
        status if status.is_success() => Ok(response),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(StoreError::new(StoreKind::PermissionDenied, "the login to Swift was refused"))
        }
        status => {
            let error = unexpected(&format!("the status {status}"));
            Err(if status.is_server_error() { error.set_temporary() } else { error })
        }
    }
}

/// Sends requests to Swift with the token and the storage URL of a login.
pub(super) struct SwiftTransport {
    inner: HttpTransporter,
    login: SwiftLogin,
    session: Arc<tokio::sync::Mutex<Option<SwiftSession>>>,
}

impl SwiftTransport {
    pub(super) fn new(inner: HttpTransporter, login: SwiftLogin) -> Self {
        SwiftTransport { inner, login, session: Arc::default() }
    }

    /// Returns the session. Logs in if there is no session, or if its token is `expired`.
    async fn session(&self, expired: Option<&str>) -> opendal::Result<SwiftSession> {
        let mut session = self.session.lock().await;
        match &*session {
            Some(known) if expired.is_none_or(|token| token != known.token) => Ok(known.clone()),
            _ => Ok(session.insert(self.login.log_in(&self.inner).await?).clone()),
        }
    }
}

impl HttpTransport for SwiftTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let session = self.session(None).await?;
        let first = self.inner.fetch(with_session(&request, &session)?).await;
        let is_refused = match &first {
            Ok(response) => response.status() == StatusCode::UNAUTHORIZED,
            Err(error) => error.kind() == StoreKind::PermissionDenied,
        };
        if !is_refused {
            return first;
        }
        let session = self.session(Some(&session.token)).await?;
        self.inner.fetch(with_session(&request, &session)?).await
    }
}

/// Redirects a request to the storage URL of `session` and adds its token.
fn with_session(
    request: &Request<Buffer>,
    session: &SwiftSession,
) -> opendal::Result<Request<Buffer>> {
    let invalid = || StoreError::new(StoreKind::ConfigInvalid, "the storage URL is invalid");
    let address = request.uri().to_string();
    let address = match address.strip_prefix(PLACEHOLDER) {
        Some(rest) => format!("{}{rest}", session.storage_url.trim_end_matches('/')),
        None => address,
    };
    let mut sent = request.clone();
    *sent.uri_mut() = address.parse::<Uri>().map_err(|_| invalid())?;
    let token = http::HeaderValue::from_str(&session.token).map_err(|_| unexpected("no token"))?;
    sent.headers_mut().insert("x-auth-token", token);
    Ok(sent)
}

/// The error for a Swift store without any login.
pub(super) fn no_login() -> Error {
    Error::new(crate::ErrorKind::Unauthorized, "there is no login to Swift in the environment").with_hint(
        "set OS_AUTH_URL and the other OS_ variables (the openrc file of your project), or ST_AUTH, \
         ST_USER and ST_KEY, or OS_STORAGE_URL and OS_AUTH_TOKEN",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(options: &[(&str, &str)]) -> Option<SwiftLogin> {
        let options: Vec<_> =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        SwiftLogin::new(&options)
    }

    #[test]
    fn passwords_and_application_credentials_are_sent() {
        let password = login(&[
            ("os_auth_url", "https://keys:5000/v3"),
            ("os_username", "ada"),
            ("os_password", "secret"),
            ("os_project_name", "digits"),
        ]);
        let asked = password.unwrap().question();
        let user = &asked["auth"]["identity"]["password"]["user"];
        assert_eq!((&user["name"], &user["domain"]["name"]), (&json!("ada"), &json!("Default")));
        assert_eq!(asked["auth"]["scope"]["project"]["name"], "digits");
        let credential = login(&[
            ("os_auth_url", "https://keys:5000/v3"),
            ("os_application_credential_id", "7"),
            ("os_application_credential_secret", "secret"),
        ]);
        let asked = credential.unwrap().question();
        assert_eq!(asked["auth"]["identity"]["application_credential"]["id"], "7");
        assert!(asked["auth"].get("scope").is_none());
        assert!(login(&[("os_username", "ada")]).is_none());
    }

    #[test]
    fn the_public_endpoint_of_the_region_is_used() {
        let answer = json!({ "token": { "catalog": [
            { "type": "compute", "endpoints": [{ "interface": "public", "url": "https://no" }] },
            { "type": "object-store", "endpoints": [
                { "interface": "internal", "region": "B", "url": "https://inside" },
                { "interface": "public", "region": "A", "url": "https://a" },
                { "interface": "public", "region": "B", "url": "https://b" },
            ]},
        ]}});
        assert_eq!(find_endpoint(&answer, Some("B")).as_deref(), Some("https://b"));
        assert_eq!(find_endpoint(&answer, None).as_deref(), Some("https://a"));
        assert_eq!(find_endpoint(&answer, Some("C")), None);
    }
}
