//! JSON answers with a list in them, written an item at a time while the question has its turn:
//! what an item is made from need not be there beside the next one.

use super::ApiError;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

/// A list so far.
pub(super) struct Items {
    text: Vec<u8>,
    count: usize,
}

impl Items {
    /// An empty list, and what stands before its first item.
    pub(super) fn after(open: &str) -> Self {
        Self {
            text: open.into(),
            count: 0,
        }
    }

    /// Adds an item.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn push(&mut self, item: &impl Serialize) -> Result<(), ApiError> {
        if self.count > 0 {
            self.text.push(b',');
        }
        self.count += 1;
        serde_json::to_writer(&mut self.text, item)
            .map_err(|error| ApiError::internal(format!("cannot write the answer: {error}")))
    }

    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The answer, with what stands after the last item.
    pub(super) fn into_response(mut self, close: &str) -> Response {
        self.text.extend_from_slice(close.as_bytes());
        let mut response = Response::new(Body::from(self.text));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_of_any_length_is_whole_json() {
        for count in [0_usize, 1, 2, 100] {
            let mut items = Items::after(r#"{"all":["#);
            for number in 0..count {
                items.push(&number).unwrap();
            }
            let length = items.bytes() + 2;
            let body = items.into_response("]}").into_body();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            assert_eq!(body.len(), length);
            let found: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let expected: Vec<_> = (0..count).collect();
            assert_eq!(found, serde_json::json!({ "all": expected }));
        }
    }
}
