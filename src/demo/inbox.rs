//! The demo's inbox: an endpoint that takes what Slack's incoming webhooks take.

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Messages kept; further ones are taken and forgotten.
const MESSAGES_MAX: usize = 1000;

/// An endpoint that remembers the messages it was sent.
pub(super) struct Inbox {
    address: SocketAddr,
    messages: Arc<Mutex<Vec<Value>>>,
    serving: JoinHandle<()>,
}

impl Inbox {
    /// Opens an inbox on a free port of this machine.
    pub(super) async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let messages = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .route("/slack", post(take))
            .with_state(Arc::clone(&messages));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("the inbox ended: {error}");
            }
        });
        Ok(Self {
            address,
            messages,
            serving,
        })
    }

    /// Where messages are posted.
    pub(super) fn url(&self) -> String {
        format!("http://{}/slack", self.address)
    }

    /// The first message whose text contains all of `words`.
    pub(super) fn message_with(&self, words: &[&str]) -> Option<Value> {
        let has = |message: &&Value| {
            let text = message.to_string();
            words.iter().all(|word| text.contains(word))
        };
        self.messages.lock().iter().find(has).cloned()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(
    State(messages): State<Arc<Mutex<Vec<Value>>>>,
    axum::Json(message): axum::Json<Value>,
) -> &'static str {
    let mut messages = messages.lock();
    if messages.len() < MESSAGES_MAX {
        messages.push(message);
    }
    "ok"
}
