//! The doors. Each file is one protocol; all lead to [`crate::admit`].

pub(crate) mod otlp_grpc;
pub(crate) mod otlp_http;
pub(crate) mod loki_push;
pub(crate) mod remote_write;
pub(crate) mod push;
pub(crate) mod zipkin;
pub(crate) mod jaeger;
mod translated;
mod arrive;
mod partial;
mod protobuf;
mod refused;
#[cfg(test)]
mod testing;

use sonde_proto::{Tenant, TenantError};

/// The header that names the tenant, as Loki, Tempo and Mimir have it.
pub(crate) const TENANT_HEADER: &str = "x-scope-orgid";

/// The tenant that a request's headers name; `default` where they name none.
pub(crate) fn tenant(headers: &http::HeaderMap) -> Result<Tenant, TenantError> {
    match headers.get(TENANT_HEADER) {
        None => Ok(Tenant::default()),
        Some(value) => Tenant::new(&String::from_utf8_lossy(value.as_bytes())),
    }
}
