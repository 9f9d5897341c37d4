//! Serves a router over HTTP, and gives up on clients that do not read their answers or do not
//! say what they ask.
//!
//! An answer lies in memory until its client has read it. So all answers that wait together
//! have a bound: one that does not fit waits for others to be read, and is refused when that
//! takes too long. A client that reads nothing for a while loses its connection, so that
//! nobody waits for it; over HTTP/2, where it may read other answers meanwhile, it loses the
//! answer. A connection also ends whose request's head does not come, or whose client is gone
//! without a word: connections are few, and one costs memory as long as it is there.

mod room;
mod stream;

pub(crate) use room::{Holds, bounded, weigh};

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{Builder, UpgradeableConnection};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::time::Duration;
use stream::Impatient;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// How long a client may read nothing of what it is sent.
pub(crate) const UNREAD_MAX: Duration = Duration::from_secs(30);
/// How long the head of a request may take. HTTP/1 counts the time between two requests of a
/// connection as part of the second's head, so it is longer than the 90 s after which most
/// clients give up an idle connection themselves: the side that sends next should be the one
/// that closes.
const HEAD_WITHIN: Duration = Duration::from_secs(100);
/// Over HTTP/2, a client is asked so often whether it is there, and must say so in time.
const ASKED_EVERY: Duration = Duration::from_secs(30);
const SAID_WITHIN: Duration = Duration::from_secs(20);

/// How long a connection waits for its client.
#[derive(Clone, Copy, Debug)]
struct Patience {
    unread: Duration,
    head: Duration,
}

const PATIENCE: Patience = Patience {
    unread: UNREAD_MAX,
    head: HEAD_WITHIN,
};

/// Serves `router` until `stopped`, and then the requests that have begun.
///
/// # Errors
/// None so far: what fails when a connection is accepted passes, and is tried again.
pub(crate) async fn serve(
    mut listener: TcpListener,
    router: Router,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let connections = Connections::new(router, PATIENCE);
    let open = GracefulShutdown::new();
    tokio::pin!(stopped);
    loop {
        let (stream, _) = tokio::select! {
            accepted = axum::serve::Listener::accept(&mut listener) => accepted,
            () = &mut stopped => break,
        };
        let served = open.watch(connections.serve(stream));
        // How a connection ended is its client's affair.
        tokio::spawn(async move { drop(served.await) });
    }
    drop(listener);
    open.shutdown().await;
    Ok(())
}

/// What all connections have in common.
struct Connections {
    router: Router,
    builder: Builder<TokioExecutor>,
    patience: Patience,
}

type Served<S> = UpgradeableConnection<
    'static,
    TokioIo<Impatient<S>>,
    TowerToHyperService<tower::util::MapRequest<Router, fn(Request<Incoming>) -> Request<Body>>>,
    TokioExecutor,
>;

impl Connections {
    fn new(router: Router, patience: Patience) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.head);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(ASKED_EVERY)
            .keep_alive_timeout(SAID_WITHIN)
            // WebSockets over HTTP/2 begin with it.
            .enable_connect_protocol();
        Self {
            router,
            builder,
            patience,
        }
    }

    /// Serves the requests of one connection.
    fn serve<S>(&self, stream: S) -> Served<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let body: fn(Request<Incoming>) -> Request<Body> = |request| request.map(Body::new);
        let service = TowerToHyperService::new(self.router.clone().map_request(body));
        let stream = TokioIo::new(Impatient::new(stream, self.patience));
        let served = self.builder.serve_connection_with_upgrades(stream, service);
        served.into_owned()
    }
}

#[cfg(test)]
mod tests;
