//! Servers with untrusted certificates, and the settings that make them trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifacts::ErrorKind;
use artifacts::remote::{RemoteUri, Store, StoreOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

/// A server with this certificate and no objects.
fn serve(name: &str) -> (u16, tokio::runtime::Runtime) {
    let certificate = CertificateDer::from_pem_file(fixture(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else { return };
                let _ = stream.read(&mut [0; 4096]).await;
                let answer =
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (port, runtime)
}

/// Requests an absent object from the server.
fn ask(port: u16, ca_files: Vec<PathBuf>) -> (artifacts::Result<Option<u64>>, u64) {
    let uri = format!("https://127.0.0.1:{port}/x");
    let uri = RemoteUri::parse(&uri, Path::new("/")).unwrap();
    let options = StoreOptions { ca_files, ..StoreOptions::default() };
    let store = Store::open(&uri, options).unwrap();
    let found = store.try_size("art.toml");
    (found, store.traffic().retries)
}

#[test]
fn a_certificate_that_is_given_is_trusted_as_an_authority_and_as_a_server() {
    for (server, given) in
        [("self", "self.pem"), ("signed", "authority.pem"), ("signed", "signed.pem")]
    {
        let (port, _runtime) = serve(server);
        let (found, _) = ask(port, vec![fixture(given)]);
        assert_eq!(found.unwrap(), None, "{server} {given}");
    }
}

#[test]
fn a_certificate_that_is_refused_is_explained_and_asked_for_once() {
    for (server, given, says) in [
        ("self", None, "not signed by an authority that this machine trusts"),
        ("signed", None, "not signed by an authority that this machine trusts"),
        ("signed", Some("self.pem"), "not signed by an authority that this machine trusts"),
        ("other", Some("other.pem"), "for another host"),
    ] {
        let (port, _runtime) = serve(server);
        let (found, retries) = ask(port, given.map(fixture).into_iter().collect());
        let error = found.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(format!("{error:?}").contains(says), "{server} {given:?}: {error:?}");
        assert!(error.hint().is_some(), "{error:?}");
        assert_eq!(retries, 0, "{error:?}");
    }
}

#[test]
fn a_file_without_certificates_is_named() {
    let uri = RemoteUri::parse("https://127.0.0.1:1/x", Path::new("/")).unwrap();
    for name in ["self.key", "missing.pem", ""] {
        let options = StoreOptions { ca_files: vec![fixture(name)], ..StoreOptions::default() };
        let error = Store::open(&uri, options).unwrap_err();
        assert!(format!("{error:?}").contains("fixtures/tls"), "{error:?}");
        assert!(error.hint().unwrap().contains("transfer.ca-file"), "{error:?}");
    }
}
