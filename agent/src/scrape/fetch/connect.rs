//! A connection to a target: TCP, TLS where asked for, HTTP/1.1.

use super::tls;
use crate::scrape::config::ScrapeTlsConfig;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::fmt::Display;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    is_secure: bool,
    host: String,
    port: u16,
}

impl Place {
    pub(super) fn of(uri: &Uri) -> Result<Self, String> {
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("its URL is neither http nor https".into()),
        };
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
        })
    }
}

/// An open connection; closed when dropped.
pub(super) struct Connection {
    place: Place,
    sender: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) async fn open(place: Place, config: &ScrapeTlsConfig) -> Result<Self, String> {
        let cannot = |error: &dyn Display| {
            format!("cannot connect to {}:{}: {error}", place.host, place.port)
        };
        let tcp = TcpStream::connect((place.host.as_str(), place.port))
            .await
            .map_err(|error| cannot(&error))?;
        tcp.set_nodelay(true).map_err(|error| cannot(&error))?;
        let (sender, driver) = if place.is_secure {
            let secure = tls::connect(tcp, &place.host, config)
                .await
                .map_err(|error| cannot(&error))?;
            drive(secure).await
        } else {
            drive(tcp).await
        }
        .map_err(|error| cannot(&error))?;
        Ok(Self {
            place,
            sender,
            driver,
        })
    }

    pub(super) fn is_to(&self, place: &Place) -> bool {
        self.place == *place && !self.sender.is_closed()
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, String> {
        let failed = |error: hyper::Error| format!("the connection broke: {error}");
        self.sender.ready().await.map_err(failed)?;
        self.sender.send_request(request).await.map_err(failed)
    }
}

async fn drive<S>(stream: S) -> Result<(SendRequest<Empty<Bytes>>, JoinHandle<()>), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong is told to who waits for the answer.
    let driver = tokio::spawn(async move { drop(connection.await) });
    Ok((sender, driver))
}
