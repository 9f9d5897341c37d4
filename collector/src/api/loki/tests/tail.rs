//! Lines as they come.

use super::*;

impl Bed {
    /// Sends a request: the status of the answer, and what comes behind its head.
    pub(super) async fn begin(&self, request: &str) -> (u16, TcpStream) {
        let mut socket = TcpStream::connect(self.collector.addresses().http)
            .await
            .unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, socket)
    }

    /// Begins to follow a query, as a page from here would.
    pub(super) async fn tail(&self, query: &str, headers: &str) -> (u16, TcpStream) {
        let query = form(&[("query", query)]);
        let request = format!(
            "GET /loki/api/v1/tail?{query} HTTP/1.1\r\nHost: localhost:1\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        self.begin(&request).await
    }
}

/// The text of a message of more than 125 and fewer than 65,536 bytes.
async fn message(socket: &mut TcpStream) -> Value {
    assert_eq!(socket.read_u16().await.unwrap(), 0x817e, "a long text");
    let mut text = vec![0; usize::from(socket.read_u16().await.unwrap())];
    socket.read_exact(&mut text).await.unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_says_how_its_streams_are_written() {
    let bed = Bed::pushed().await;
    let query = r#"{app="shop"}"#;
    let (status, mut folded) = bed.tail(query, "").await;
    assert_eq!(status, 101);
    let folded = message(&mut folded).await;
    assert_eq!(folded["encodingFlags"], Value::Null);
    assert_eq!(folded["streams"][0]["values"][0][2], Value::Null);
    let flags = "X-Loki-Response-Encoding-Flags: categorize-labels\r\n";
    let (_, mut apart) = bed.tail(query, flags).await;
    let apart = message(&mut apart).await;
    assert_eq!(apart["encodingFlags"], json!(["categorize-labels"]));
    let third = &apart["streams"][0]["values"][0][2];
    assert_eq!(third["structuredMetadata"]["pod"], "p-1", "{apart:#}");
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_follows_a_lot_leaves_half_to_others() {
    let bed = Bed::new().await;
    let mut followed = Vec::new();
    for _ in 0..crate::api::follow::FOLLOWED_MAX / 2 {
        let (status, tail) = bed.tail("{}", "X-Scope-OrgID: greedy\r\n").await;
        assert_eq!(status, 101);
        followed.push(tail);
    }
    assert_eq!(bed.tail("{}", "X-Scope-OrgID: greedy\r\n").await.0, 429);
    assert_eq!(bed.tail("{}", "").await.0, 101);
    drop(followed);
    bed.collector.stop().await;
}
