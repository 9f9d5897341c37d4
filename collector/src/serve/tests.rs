//! Connections end for clients that are gone or do not say what they ask, and for no others.

use super::*;
use axum::routing::get;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

const PATIENCE: Patience = Patience {
    unread: Duration::from_secs(30),
    head: Duration::from_secs(100),
};
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// The client's side of a connection that is served, and when it has ended.
fn connected() -> (DuplexStream, tokio::task::JoinHandle<Duration>) {
    let router = Router::new().route("/", get(|| async { "answer" }));
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let begun = Instant::now();
    let served = Connections::new(router, PATIENCE).serve(ours);
    let ended = tokio::spawn(async move {
        drop(served.await);
        begun.elapsed()
    });
    (theirs, ended)
}

/// Reads the answer to [`REQUEST`].
async fn answer(client: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"answer") {
        assert_ne!(client.read_buf(&mut text).await.unwrap(), 0);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_slowly_is_not_waited_for() {
    let (mut client, ended) = connected();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let drip = async {
        while client.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    };
    let ((), after) = tokio::join!(drip, ended);
    let after = after.unwrap();
    assert!(
        after >= PATIENCE.head && after < PATIENCE.head * 2,
        "{after:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_in_time_keeps_the_connection_and_who_says_nothing_does_not() {
    let (mut client, ended) = connected();
    for _ in 0..5 {
        client.write_all(REQUEST).await.unwrap();
        let answer = answer(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        tokio::time::sleep(Duration::from_secs(90)).await;
    }
    assert!(!ended.is_finished());
    let after = ended.await.unwrap();
    assert!(after < Duration::from_secs(5 * 90 + 200), "{after:?}");
    let (_silent, ended) = connected();
    assert!(ended.await.unwrap() < PATIENCE.head * 2);
}

/// A frame of HTTP/2 without a stream.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, 0][..], payload].concat()
}

/// The kind, flags and payload of the next frame; nothing where there is none.
async fn next_frame(client: &mut DuplexStream) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    client.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    client.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], payload))
}

#[tokio::test(start_paused = true)]
async fn over_http_2_whoever_does_not_say_that_it_is_there_is_gone() {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const ACK: u8 = 1;
    let (mut client, ended) = connected();
    client
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    client.write_all(&frame(SETTINGS, 0, &[])).await.unwrap();
    let mut asked = 0;
    while let Some((kind, flags, payload)) = next_frame(&mut client).await {
        asked += u32::from(kind == PING);
        // The sixth time nobody answers.
        if matches!(kind, SETTINGS | PING) && flags & ACK == 0 && asked < 6 {
            let payload = if kind == PING { &payload[..] } else { &[] };
            client.write_all(&frame(kind, ACK, payload)).await.unwrap();
        }
    }
    let after = ended.await.unwrap();
    assert_eq!(asked, 6);
    assert!(after >= ASKED_EVERY * 6 + SAID_WITHIN, "{after:?}");
    assert!(after < ASKED_EVERY * 8 + SAID_WITHIN, "{after:?}");
}

#[tokio::test]
async fn a_server_that_is_stopped_answers_what_was_asked_and_ends() {
    let (asked, was_asked) = oneshot::channel();
    let (go_on, goes_on) = oneshot::channel::<()>();
    let once = std::sync::Arc::new(std::sync::Mutex::new(Some((asked, goes_on))));
    let slow = move || async move {
        let (asked, goes_on) = once.lock().unwrap().take().unwrap();
        asked.send(()).unwrap();
        goes_on.await.unwrap();
        "answer"
    };
    let router = Router::new().route("/", get(slow));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, router, async { drop(stopped.await) }));
    let mut client = TcpStream::connect(address).await.unwrap();
    let idle = TcpStream::connect(address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    was_asked.await.unwrap();
    stop.send(()).unwrap();
    // Nobody new is let in once the listener is gone.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!serving.is_finished());
    go_on.send(()).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("answer"),
        "{text}"
    );
    serving.await.unwrap().unwrap();
    drop(idle);
}
