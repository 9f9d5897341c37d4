//! `GET /logs/follow`: lines as they come, one JSON object a line:
//!
//! ```text
//! {"time": …, "line": "…", "labels": {…}, "metadata": {…}, "parsed": {…}}
//! {"gap": time}     lines before this time were left out, because they came too fast
//! {"late": n, "before": time}   so many lines from before this time came too late
//! {"alive": time}   nothing came for a while
//! {"error": "…"}    nothing more will come
//! ```

use super::{Api, ApiError, SearchParameters, tenant};
use crate::api::follow::{End, Follow, Followed, Late, News};
use crate::logs::Line;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::json;
use sonde_logql::{Category, LogQuery, QueryError};
use sonde_proto::UnixNanos;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// How long a reader may take for what it was sent.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// How many lines one piece of the answer has.
const PIECE_LINES: usize = 500;

pub(super) async fn follow(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
) -> Result<Response, ApiError> {
    let tenant = tenant(&headers)?;
    let text = parameters.query.clone();
    let query = api.of(&tenant).read(move || LogQuery::parse(&text)).await?;
    let query = query.map_err(|error| {
        ApiError::bad_request(match error {
            QueryError::Metric => {
                "query: only lines can be followed, and this asks for numbers".to_owned()
            }
            error => error.to_string(),
        })
    })?;
    let now = api.now();
    let start = parameters.start.as_deref();
    let start = start.map_or(Ok(now), |text| {
        crate::api::time::instant("start", text, now)
    })?;
    let followed = Followed {
        tenant,
        query,
        start,
        first: parameters.limit()?.min(api.sources.logs.lines_max()),
        delay: Duration::ZERO,
    };
    let follower = Follower {
        first: followed.first,
        floor: None,
        follow: Follow::new(&api, followed)?,
        api,
    };
    let (pieces, received) = mpsc::channel(1);
    tokio::spawn(follower.run(pieces));
    let body = ReceiverStream::new(received).map(Ok::<Bytes, Infallible>);
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(body)).into_response())
}

/// One that sends what it follows.
struct Follower {
    api: Api,
    follow: Follow,
    /// How many lines the first answer may have: where it has as many, there may be more.
    first: usize,
    /// Older lines than the first one are left out where there were more than were asked for.
    floor: Option<UnixNanos>,
}

impl Follower {
    async fn run(mut self, pieces: mpsc::Sender<Bytes>) {
        let mut piece = alive(self.api.now());
        let mut is_first = true;
        loop {
            let sent = tokio::time::timeout(SEND_WITHIN, pieces.send(piece)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
            let news = tokio::select! {
                news = tokio::time::timeout(ALIVE_EVERY, self.follow.next()) => news,
                () = pieces.closed() => return,
            };
            piece = match news {
                Err(_) => alive(self.api.now()),
                Ok(Ok(mut news)) => {
                    let gap = self.gap(&news, is_first);
                    if is_first {
                        self.floor = gap;
                    }
                    is_first = false;
                    let floor = self.floor.unwrap_or_default();
                    news.lines.retain(|line| line.time >= floor);
                    let Some(last) = send_lines(&pieces, gap, news.late, news.lines).await else {
                        return;
                    };
                    last
                }
                Ok(Err(End::Stopped)) => return,
                Ok(Err(End::Failed(error))) => {
                    // Whoever is gone does not miss it.
                    let _ = pieces.send(event(&json!({ "error": error.message }))).await;
                    return;
                }
            };
        }
    }

    fn gap(&self, news: &News, is_first: bool) -> Option<UnixNanos> {
        let told = news.gap.as_ref().map(|gap| gap.before);
        let is_full = is_first && news.lines.len() >= self.first;
        told.or_else(|| news.lines.first().filter(|_| is_full).map(|line| line.time))
    }
}

/// Sends lines in pieces, all but the last, which is returned; `None` when nobody reads.
async fn send_lines(
    pieces: &mpsc::Sender<Bytes>,
    gap: Option<UnixNanos>,
    late: Option<Late>,
    lines: Vec<Line>,
) -> Option<Bytes> {
    let mut piece = Vec::new();
    if let Some(before) = gap {
        piece.extend(event(&json!({ "gap": before })));
    }
    if let Some(Late { lines, before }) = late {
        piece.extend(event(&json!({ "late": lines, "before": before })));
    }
    for (number, line) in lines.into_iter().enumerate() {
        if number > 0 && number % PIECE_LINES == 0 {
            let full = Bytes::from(std::mem::take(&mut piece));
            let sent = tokio::time::timeout(SEND_WITHIN, pieces.send(full)).await;
            sent.ok()?.ok()?;
        }
        piece.extend(event(&Told::from(line)));
    }
    Some(piece.into())
}

/// A line, with its labels by where they come from.
#[derive(Serialize)]
struct Told {
    time: UnixNanos,
    line: String,
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parsed: BTreeMap<String, String>,
}

impl From<Line> for Told {
    fn from(line: Line) -> Self {
        let mut told = Self {
            time: line.time,
            line: line.text,
            labels: BTreeMap::new(),
            metadata: BTreeMap::new(),
            parsed: BTreeMap::new(),
        };
        for (name, value, category) in line.labels {
            let into = match category {
                Category::Stream => &mut told.labels,
                Category::StructuredMetadata => &mut told.metadata,
                Category::Parsed => &mut told.parsed,
            };
            into.insert(name, value);
        }
        told
    }
}

fn alive(now: UnixNanos) -> Bytes {
    event(&json!({ "alive": now }))
}

fn event(value: &impl Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).expect("texts and numbers are JSON");
    line.push(b'\n');
    line.into()
}
