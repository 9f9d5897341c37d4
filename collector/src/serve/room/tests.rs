//! Answers wait with bounded memory.

use super::*;
use axum::routing::get;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// Answers with 64 KiB, where 100 KiB may wait.
fn router() -> Router {
    let answer = || async { vec![b'x'; 64 << 10] };
    bounded(Router::new().route("/", get(answer)), 100 << 10)
}

fn request() -> Request {
    Request::new(Body::empty())
}

#[tokio::test(start_paused = true)]
async fn answers_wait_for_room_and_have_it_until_they_are_read() {
    let router = router();
    let first = router.clone().oneshot(request()).await.unwrap();
    assert_eq!(first.body().size_hint().exact(), Some(64 << 10));
    // There is no room for a second before the first was read.
    let refused = router.clone().oneshot(request()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let second = tokio::spawn(router.clone().oneshot(request()));
    tokio::task::yield_now().await;
    let bytes = first.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes.len(), 64 << 10);
    let second = second.await.unwrap().unwrap();
    assert_eq!(second.status(), StatusCode::OK);
    // A client that leaves gives the room back as well.
    drop(second);
    let third = router.oneshot(request()).await.unwrap();
    assert_eq!(third.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn one_answer_may_be_larger_than_all_the_room() {
    let answer = || async { vec![b'x'; 300 << 10] };
    let router = bounded(Router::new().route("/", get(answer)), 100 << 10);
    let response = router.oneshot(request()).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes.len(), 300 << 10);
}

fn over_http_2() -> Request {
    let mut request = request();
    *request.version_mut() = Version::HTTP_2;
    request
}

#[tokio::test(start_paused = true)]
async fn over_http_2_an_answer_that_nobody_takes_gives_its_room_back() {
    let router = router();
    let left = router.clone().oneshot(over_http_2()).await.unwrap();
    let mut left = left.into_body();
    // Its client keeps the connection for other answers.
    tokio::time::sleep(UNREAD_MAX / 2).await;
    let next = router.oneshot(over_http_2()).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK);
    assert!(
        left.frame().await.unwrap().is_err(),
        "it is not taken for whole"
    );
}

#[tokio::test(start_paused = true)]
async fn over_http_2_an_answer_is_waited_for_as_long_as_its_client_takes_what_there_is() {
    let (told, parts) = tokio::sync::mpsc::channel::<Result<Bytes, axum::Error>>(1);
    let body = futures::stream::unfold(parts, async |mut parts| Some((parts.recv().await?, parts)));
    let body = parking_lot::Mutex::new(Some(Body::from_stream(Box::pin(body))));
    let body = Arc::new(body);
    let answer = move || std::future::ready(body.lock().take().unwrap());
    let router = bounded(Router::new().route("/", get(answer)), 100 << 10);
    let response = router.oneshot(over_http_2()).await.unwrap();
    let read = tokio::spawn(response.into_body().collect());
    for _ in 0..3 {
        // It is the server that is slow.
        tokio::time::sleep(UNREAD_MAX * 2).await;
        told.send(Ok(Bytes::from_static(b"part"))).await.unwrap();
    }
    drop(told);
    let bytes = read.await.unwrap().unwrap().to_bytes();
    assert_eq!(bytes.len(), 12);
}
