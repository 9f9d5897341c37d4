//! TLS towards a target. Files are read at each new connection, so that they may be replaced.

use crate::scrape::config::ScrapeTlsConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Speaks TLS on a connection to `host`.
pub(super) async fn connect(
    tcp: TcpStream,
    host: &str,
    config: &ScrapeTlsConfig,
) -> Result<TlsStream<TcpStream>, String> {
    let name = if config.server_name.is_empty() {
        host
    } else {
        &config.server_name
    };
    let name = ServerName::try_from(name.to_owned())
        .map_err(|error| format!("{name:?} is no name for a certificate: {error}"))?;
    let client = client(config)?;
    let secure = TlsConnector::from(Arc::new(client))
        .connect(name, tcp)
        .await;
    secure.map_err(|error| format!("TLS: {error}"))
}

fn client(config: &ScrapeTlsConfig) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let builder = if config.insecure_skip_verify {
        let any = Arc::new(AnyCertificate(provider));
        builder.dangerous().with_custom_certificate_verifier(any)
    } else {
        builder.with_root_certificates(roots(config.ca_file.as_deref())?)
    };
    match (&config.cert_file, &config.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates("cert_file", cert)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unreadable("key_file", key, &error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("tls_config.cert_file and key_file: {error}"))
        }
        _ => Err("tls_config.cert_file and key_file must be set together".into()),
    }
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    for certificate in certificates("ca_file", file)? {
        roots
            .add(certificate)
            .map_err(|error| unreadable("ca_file", file, &error))?;
    }
    Ok(roots)
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let all: Vec<_> = read.map_err(|error| unreadable(key, file, &error))?;
    if all.is_empty() {
        return Err(unreadable(key, file, &"there is no certificate in it"));
    }
    Ok(all)
}

fn unreadable(key: &str, file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("cannot use {} (tls_config.{key}): {error}", file.display())
}

/// Takes any certificate: `insecure_skip_verify`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
