//! Long answers, written while they are read: a piece of text at a time beside what it is made
//! from, never the whole.

use crate::serve::Holds;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures::StreamExt as _;
use std::convert::Infallible;

/// A piece ends after the item with which it has so many bytes.
const PIECE: usize = 64 << 10;

/// A JSON answer that has a list in it.
pub(super) struct Listed<W> {
    /// What stands before the list.
    pub(super) open: Vec<u8>,
    /// How many items it has.
    pub(super) count: usize,
    /// Writes one of them.
    pub(super) write: W,
    /// What stands after it.
    pub(super) close: Vec<u8>,
    /// About how much memory the items take until the answer is read.
    pub(super) bytes: u64,
}

impl<W: FnMut(usize, &mut Vec<u8>) + Send + 'static> Listed<W> {
    /// The answer; one that is short has a length.
    pub(super) fn into_response(self) -> Response {
        let mut rest = Rest {
            piece: self.open,
            next: 0,
            count: self.count,
            write: self.write,
            close: Some(self.close),
        };
        rest.fill();
        let mut response = if rest.close.is_none() {
            Response::new(Body::from(rest.piece))
        } else {
            let mut response = Response::new(rest.into_body());
            response.extensions_mut().insert(Holds(self.bytes));
            response
        };
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

struct Rest<W> {
    piece: Vec<u8>,
    next: usize,
    count: usize,
    write: W,
    /// Until it was written.
    close: Option<Vec<u8>>,
}

impl<W: FnMut(usize, &mut Vec<u8>) + Send + 'static> Rest<W> {
    fn fill(&mut self) {
        while self.piece.len() < PIECE {
            if self.next == self.count {
                self.piece.extend(self.close.take().unwrap_or_default());
                return;
            }
            if self.next > 0 {
                self.piece.push(b',');
            }
            (self.write)(self.next, &mut self.piece);
            self.next += 1;
        }
    }

    fn into_body(self) -> Body {
        let pieces = futures::stream::unfold(self, async |mut rest| {
            if rest.piece.is_empty() {
                rest.close.as_ref()?;
                rest.fill();
            }
            let piece = Bytes::from(std::mem::take(&mut rest.piece));
            Some((Ok::<_, Infallible>(piece), rest))
        });
        // Compression asks again after the end.
        Body::from_stream(pieces.fuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn listed(count: usize) -> (Response, Arc<AtomicUsize>) {
        let written = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&written);
        let listed = Listed {
            open: b"[".to_vec(),
            count,
            write: move |at: usize, out: &mut Vec<u8>| {
                counts.fetch_add(1, Ordering::Relaxed);
                out.extend(at.to_string().bytes());
            },
            close: b"]".to_vec(),
            bytes: 7,
        };
        (listed.into_response(), written)
    }

    #[tokio::test]
    async fn an_answer_of_any_length_is_whole_json() {
        for count in [0, 1, 2, 1000, 50_000] {
            let (response, _) = listed(count);
            let is_long = response.extensions().get::<Holds>().is_some();
            assert_eq!(is_long, count > 20_000);
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
            let found: Vec<usize> = serde_json::from_slice(&body.unwrap()).unwrap();
            assert!(found.into_iter().eq(0..count));
        }
    }

    #[tokio::test]
    async fn a_body_that_is_asked_after_its_end_has_no_more() {
        for count in [2, 50_000] {
            let mut pieces = listed(count).0.into_body().into_data_stream();
            while pieces.next().await.is_some() {}
            assert!(pieces.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn nothing_is_written_before_it_is_read() {
        let (response, written) = listed(1_000_000);
        let mut pieces = response.into_body().into_data_stream();
        for pieces_read in 1..5 {
            let piece = pieces.next().await.unwrap().unwrap();
            assert!(piece.len() <= PIECE + 8);
            assert!(written.load(Ordering::Relaxed) <= pieces_read * (PIECE / 2));
        }
    }
}
