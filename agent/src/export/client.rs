//! The connection to the collector, made on first use and made again when it breaks.

use super::codec::RawCodec;
use super::deliver::Kind;
use crate::config::{Compression, ExportConfig, TlsConfig};
use bytes::Bytes;
use prost::Message as _;
use sonde_proto::otlp::logs_service::ExportLogsServiceResponse;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// The longest that making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
    endpoint: String,
    compression: Option<CompressionEncoding>,
    tenant: Option<MetadataValue<Ascii>>,
    token_file: Option<PathBuf>,
}

/// What the collector said to a request that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// How many items it rejected all the same.
    pub(crate) rejected: u64,
    /// Why.
    pub(crate) message: String,
}

impl Client {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the configuration, and where.
    pub(crate) fn new(config: &ExportConfig) -> Result<Self, String> {
        let bad_endpoint = |error: &dyn std::fmt::Display| {
            format!("export.endpoint {:?}: {error}", config.endpoint)
        };
        let mut endpoint = Endpoint::from_shared(config.endpoint.clone())
            .map_err(|error| bad_endpoint(&error))?
            .timeout(Duration::from_millis(config.timeout_ms))
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10));
        match endpoint.uri().scheme_str() {
            Some("http") => {}
            Some("https") => {
                endpoint = endpoint
                    .tls_config(tls(&config.tls)?)
                    .map_err(|error| format!("export.tls: {error}"))?;
            }
            _ => return Err(bad_endpoint(&"must begin with http:// or https://")),
        }
        let tenant = config.tenant.as_deref().map(|name| {
            sonde_proto::Tenant::new(name).map_err(|error| format!("export.tenant: {error}"))?;
            name.parse()
                .map_err(|error| format!("export.tenant: {error}"))
        });
        Ok(Self {
            channel: endpoint.connect_lazy(),
            endpoint: config.endpoint.clone(),
            compression: match config.compression {
                Compression::None => None,
                Compression::Gzip => Some(CompressionEncoding::Gzip),
                Compression::Zstd => Some(CompressionEncoding::Zstd),
            },
            tenant: tenant.transpose()?,
            token_file: config.token_file.clone(),
        })
    }

    /// Where requests go.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends one request, given in pieces, and waits for its answer.
    pub(crate) async fn export(&self, kind: Kind, pieces: Vec<Bytes>) -> Result<Taken, Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        if let Some(compression) = self.compression {
            grpc = grpc.send_compressed(compression);
        }
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(full_message(&error)))?;
        let mut request = tonic::Request::new(pieces);
        if let Some(tenant) = &self.tenant {
            request
                .metadata_mut()
                .insert("x-scope-orgid", tenant.clone());
        }
        if let Some(path) = &self.token_file {
            request
                .metadata_mut()
                .insert("authorization", token(path).await?);
        }
        let response = grpc.unary(request, kind.path(), RawCodec).await?;
        // The responses of all signals have one shape.
        let response = ExportLogsServiceResponse::decode(response.into_inner())
            .map_err(|error| Status::unknown(format!("the answer is no OTLP response: {error}")))?;
        Ok(response
            .partial_success
            .map_or_else(Taken::default, |partial| Taken {
                rejected: u64::try_from(partial.rejected_log_records).unwrap_or(0),
                message: partial.error_message,
            }))
    }
}

/// An error with its causes: tonic's own text names none.
fn full_message(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    message
}

async fn token(path: &Path) -> Result<MetadataValue<Ascii>, Status> {
    let unreadable = |reason: &dyn std::fmt::Display| {
        Status::unauthenticated(format!(
            "cannot use the token in {} (export.token_file): {reason}",
            path.display()
        ))
    };
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| unreadable(&error))?;
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", text.trim())
        .parse()
        .map_err(|_| unreadable(&"it is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn tls(config: &TlsConfig) -> Result<ClientTlsConfig, String> {
    let read = |key: &str, path: &Path| {
        std::fs::read(path)
            .map_err(|error| format!("cannot read {} (export.tls.{key}): {error}", path.display()))
    };
    let mut tls = ClientTlsConfig::new();
    tls = match &config.ca_file {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read("ca_file", path)?)),
        None => tls.with_webpki_roots(),
    };
    if let Some(name) = &config.server_name {
        tls = tls.domain_name(name);
    }
    match (&config.cert_file, &config.key_file) {
        (None, None) => Ok(tls),
        (Some(cert), Some(key)) => Ok(tls.identity(Identity::from_pem(
            read("cert_file", cert)?,
            read("key_file", key)?,
        ))),
        _ => Err("export.tls: cert_file and key_file must be set together".into()),
    }
}
