//! Answers in parts: told on the way, bounded, and given up with their client.

use super::*;
use futures::StreamExt as _;
use proptest::prelude::*;
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(3600);

/// Whether it was dropped.
struct Told(Option<oneshot::Sender<()>>);

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(to) = self.0.take() {
            // Nobody may listen.
            let _ = to.send(());
        }
    }
}

fn turn() -> (Told, oneshot::Receiver<()>) {
    let (sender, ended) = oneshot::channel();
    (Told(Some(sender)), ended)
}

fn whole(parts: Vec<u32>) -> Result<Last<u32>, ApiError> {
    Ok(Last { parts, cut: None })
}

#[tokio::test]
async fn a_question_ends_with_its_turn_when_nobody_waits_for_its_parts() {
    let (turn, ended) = turn();
    let (begun, has_begun) = oneshot::channel();
    let parts = told(turn, LONG, move |deadline, _| {
        begun.send(()).unwrap();
        while !deadline.has_passed() {
            std::thread::yield_now();
        }
        whole(vec![1])
    });
    has_begun.await.unwrap();
    // As the server does when a client leaves.
    drop(parts);
    ended.await.unwrap();
}

#[tokio::test]
async fn no_question_waits_for_a_client_that_does_not_read() {
    let (turn, ended) = turn();
    let (asked, has_asked) = oneshot::channel();
    let parts = told(turn, LONG, move |_, telling| {
        let first = telling.is_due() && telling.tell(|| 1);
        // Nobody takes the first, so there is nothing to tell, however long it goes on.
        telling.rest = Duration::ZERO;
        asked.send((first, telling.is_due())).unwrap();
        whole(vec![2, 3])
    });
    assert_eq!(has_asked.await.unwrap(), (true, false));
    let all: Vec<_> = parts.map(Result::unwrap).collect().await;
    assert_eq!(all, [1, 2, 3]);
    ended.await.unwrap();
}

#[tokio::test]
async fn between_two_parts_there_is_rest() {
    let (turn, _ended) = turn();
    let (asked, has_asked) = oneshot::channel();
    let mut parts = told(turn, LONG, move |_, telling| {
        let first = telling.tell(|| 1);
        asked.send((first, telling.rest)).unwrap();
        whole(Vec::new())
    });
    let (first, rest) = has_asked.await.unwrap();
    assert!(first && rest >= TELL_EVERY);
    assert_eq!(parts.next().await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_gives_its_turn_back_and_is_not_taken_for_whole() {
    let (turn, ended) = turn();
    let parts = told(turn, LONG, |_, _| whole(vec![1, 2, 3]));
    ended.await.unwrap();
    let all: Vec<_> = parts.collect().await;
    assert_eq!((all.len(), *all[0].as_ref().unwrap()), (2, 1));
    let end = all[1].as_ref().unwrap_err();
    assert_eq!(end.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn what_keeps_no_turn_counts_among_the_answers_that_wait() {
    let parts = Parts::one("x".repeat(5_000), None);
    let bytes = parts.known_bytes;
    let response = holding(parts, bytes);
    let held = response.extensions().get::<Holds>().unwrap().0;
    assert!((5_000..5_010).contains(&held), "{held}");
    // What is told in parts has a turn, and nobody knows how long it will be.
    let parts = told((), LONG, |_, _| whole(Vec::new()));
    let bytes = parts.known_bytes;
    assert!(holding(parts, bytes).extensions().get::<Holds>().is_none());
}

#[tokio::test]
async fn a_failure_comes_after_what_was_told() {
    let (turn, _ended) = turn();
    let parts = told(turn, LONG, |_, telling| {
        telling.tell(|| 1);
        Err(ApiError::bad_request("no"))
    });
    let all: Vec<_> = parts.collect().await;
    assert_eq!(*all[0].as_ref().unwrap(), 1);
    let error = all[1].as_ref().unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::InvalidArgument, "no")
    );
}

#[tokio::test]
async fn what_is_missing_is_told_behind_all_parts() {
    let cut = || Some("ask for \u{e9} less\n".to_owned());
    let parts = told((), LONG, move |_, _| {
        Ok(Last {
            parts: vec![1],
            cut: cut(),
        })
    });
    for parts in [parts, Parts::one(1, cut())] {
        let all: Vec<_> = parts.collect().await;
        let end = all[1].as_ref().unwrap_err();
        assert_eq!(end.code(), Code::Ok);
        assert_eq!(end.metadata().get("warning").unwrap(), "ask for ? less?");
    }
}

#[test]
fn a_refusal_has_the_code_that_tells_whether_to_try_again() {
    let check = |status: u16, code: Code| {
        let found = super::status(StatusCode::from_u16(status).unwrap(), String::new());
        assert_eq!(found.code(), code, "{status}");
    };
    check(400, Code::InvalidArgument);
    check(404, Code::NotFound);
    check(422, Code::InvalidArgument);
    check(429, Code::ResourceExhausted);
    check(500, Code::Internal);
    check(503, Code::Unavailable);
    check(504, Code::DeadlineExceeded);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_are_all_items_in_their_order_and_end_as_soon_as_they_are_large(
        sizes in prop::collection::vec(0_usize..PART_BYTES * 3 / 2, 0..12)
    ) {
        let items: Vec<Vec<u8>> = sizes.iter().map(|size| vec![1; *size]).collect();
        let parts = in_parts(items.clone());
        prop_assert!(!parts.is_empty());
        for part in &parts {
            let before: usize = part.iter().rev().skip(1).map(Message::encoded_len).sum();
            prop_assert!(before < PART_BYTES);
            prop_assert!(!part.is_empty() || items.is_empty());
        }
        prop_assert_eq!(parts.concat(), items);
    }
}
