//! `tail`: lines as they come, over a WebSocket.

use super::answer::LokiError;
use super::parameters::Parameters;
use super::query::compiled;
use super::stream::{CATEGORIZE, Stream, streams, wants_categories};
use super::{Api, tenant};
use crate::api::follow::{End, Follow, Followed, News};
use crate::api::sites::refuse_other_sites;
use crate::logs::Line;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use sonde_logql::ast::Expr;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

/// How far back a tail begins.
const PERIOD: Duration = Duration::from_secs(3600);
/// How long lines may be held back.
const DELAY_MAX: Duration = Duration::from_secs(5);
/// How many lines one message has.
const MESSAGE_LINES: usize = 500;
/// How long a client may take for a message.
const SEND_WITHIN: Duration = Duration::from_secs(30);
const PING_EVERY: Duration = Duration::from_secs(15);
/// What a client may send: nothing but what closes or keeps the connection.
const RECEIVED_BYTES_MAX: usize = 4 << 10;
/// What a reason for closing may have.
const REASON_CHARS: usize = 30;

pub(super) async fn tail(
    upgrade: WebSocketUpgrade,
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    // A browser opens a WebSocket for any page, and lets it read.
    refuse_other_sites(&headers)?;
    let tenant = tenant(&headers)?;
    let Expr::Log(log) = parameters.query(&api, &tenant).await? else {
        return Err(LokiError::bad_request(
            "query: only lines can be followed, not numbers",
        ));
    };
    let now = api.now();
    let followed = Followed {
        query: compiled(&api, &tenant, log).await?,
        tenant,
        start: parameters.time("start", now.minus(PERIOD), now)?,
        first: parameters.lines(api.sources.logs.lines_max())?,
        delay: delay(&parameters)?,
    };
    let follow = Follow::new(&api, followed)?;
    let categorize = wants_categories(&headers);
    let upgrade = upgrade
        .max_message_size(RECEIVED_BYTES_MAX)
        .max_frame_size(RECEIVED_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| run(socket, follow, categorize)))
}

fn delay(parameters: &Parameters) -> Result<Duration, LokiError> {
    let Some(text) = parameters.get("delay_for") else {
        return Ok(Duration::ZERO);
    };
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.filter(|delay| *delay <= DELAY_MAX).ok_or_else(|| {
        LokiError::bad_request(format!(
            "delay_for must be a whole number of seconds, up to {}",
            DELAY_MAX.as_secs()
        ))
    })
}

/// A message, as Loki has it.
#[derive(serde::Serialize)]
struct Frame {
    streams: Vec<Stream>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped_entries: Vec<Dropped>,
    /// How to read the streams.
    #[serde(rename = "encodingFlags", skip_serializing_if = "<[_]>::is_empty")]
    encoding_flags: &'static [&'static str],
}

/// Before this line, some were left out.
#[derive(serde::Serialize)]
struct Dropped {
    labels: BTreeMap<String, String>,
    timestamp: String,
}

/// The client is gone, or does not read.
struct Gone;

async fn run(mut socket: WebSocket, mut follow: Follow, categorize: bool) {
    loop {
        let news = match listen(&mut socket, &mut follow).await {
            Ok(Ok(news)) => news,
            Ok(Err(end)) => return close(&mut socket, &end).await,
            Err(Gone) => return,
        };
        if send_news(&mut socket, news, categorize).await.is_err() {
            return;
        }
    }
}

/// Waits for news, while the client is there.
async fn listen(socket: &mut WebSocket, follow: &mut Follow) -> Result<Result<News, End>, Gone> {
    let mut next = pin!(follow.next());
    loop {
        tokio::select! {
            news = &mut next => return Ok(news),
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                Some(Ok(_)) => {}
            },
            () = tokio::time::sleep(PING_EVERY) => send(socket, Message::Ping(Bytes::new())).await?,
        }
    }
}

async fn send_news(socket: &mut WebSocket, news: News, categorize: bool) -> Result<(), Gone> {
    let dropped = news.gap.map(|gap| Dropped {
        labels: gap.labels,
        timestamp: gap.before.0.to_string(),
    });
    let late = news.late.map(|late| Dropped {
        labels: BTreeMap::new(),
        timestamp: late.before.0.to_string(),
    });
    let mut dropped_entries: Vec<Dropped> = dropped.into_iter().chain(late).collect();
    let mut lines = news.lines.into_iter().peekable();
    while lines.peek().is_some() || !dropped_entries.is_empty() {
        let part: Vec<Line> = lines.by_ref().take(MESSAGE_LINES).collect();
        let frame = Frame {
            streams: streams(part, categorize),
            dropped_entries: std::mem::take(&mut dropped_entries),
            encoding_flags: if categorize { &[CATEGORIZE] } else { &[] },
        };
        let text = serde_json::to_string(&frame).map_err(|_| Gone)?;
        send(socket, Message::text(text)).await?;
    }
    Ok(())
}

async fn close(socket: &mut WebSocket, end: &End) {
    let (code, reason) = match end {
        End::Stopped => (close_code::AWAY, "the collector stops"),
        End::Failed(error) => (close_code::ERROR, error.message.as_str()),
    };
    let reason: String = reason.chars().take(REASON_CHARS).collect();
    let reason = reason.into();
    // The client may be gone, which is what is wanted.
    let _ = send(socket, Message::Close(Some(CloseFrame { code, reason }))).await;
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    match tokio::time::timeout(SEND_WITHIN, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}
