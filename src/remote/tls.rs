//! HTTP with additional certificates: those of `transfer.ca-file` are trusted in addition to the
//! system's, both as authorities and as certificates of servers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use super::transport::shared_client;
use crate::error::{Error, Result};
use crate::fs::read::read_bounded;

/// The maximum size of a certificate file in bytes. A system's file has about 250 KB.
const MAX_FILE: u64 = 16 << 20;

/// Creates an HTTP client that also trusts the certificates in `files`.
pub(super) fn client(files: &[PathBuf]) -> Result<reqwest::Client> {
    if files.is_empty() {
        return Ok(shared_client());
    }
    let mut trusted = Vec::new();
    for file in files {
        trusted.extend(read_certificates(file)?);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let failed = |error: rustls::Error| {
        Error::invalid("cannot use the certificates of this system").with_source(error)
    };
    let roots = trusted.iter().cloned();
    let system =
        rustls_platform_verifier::Verifier::new_with_extra_roots(roots, Arc::clone(&provider))
            .map_err(failed)?;
    let verifier = Arc::new(Verifier { system, trusted });
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).build();
    client.map_err(|error| Error::invalid("cannot create the HTTP client").with_source(error))
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let hint = "name a file with certificates in PEM: art config set transfer.ca-file FILE, \
                AWS_CA_BUNDLE or SSL_CERT_FILE";
    let failed = |error: Error| error.with_hint(hint);
    let found = std::fs::metadata(file);
    let found =
        found.map_err(|error| failed(Error::io("read the certificates in", file, error)))?;
    let shown = file.display();
    if !found.is_file() || found.len() > MAX_FILE {
        return Err(failed(Error::invalid(format!("'{shown}' is not a file of certificates"))));
    }
    let pem = read_bounded(file, MAX_FILE)
        .map_err(|error| failed(Error::io("read the certificates in", file, error)))?;
    let certificates: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(failed(Error::invalid(format!("'{shown}' contains no PEM certificate")))),
    }
}

/// Trusts the system's certificates and the user's.
#[derive(Debug)]
struct Verifier {
    system: rustls_platform_verifier::Verifier,
    trusted: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let verified = self.system.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let is_trusted = self.trusted.iter().any(|trusted| trusted.as_ref() == end_entity.as_ref());
        match verified {
            Err(rustls::Error::InvalidCertificate(error)) if is_trusted && !is_final(&error) => {
                // The user trusts this server certificate. The name must still match.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.system.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.system.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

/// Returns true if a certificate is invalid even if the user trusts it.
fn is_final(error: &CertificateError) -> bool {
    use CertificateError as E;
    matches!(
        error,
        E::Expired
            | E::ExpiredContext { .. }
            | E::NotValidYet
            | E::NotValidYetContext { .. }
            | E::Revoked
            | E::BadEncoding
            | E::NotValidForName
            | E::NotValidForNameContext { .. }
    )
}
