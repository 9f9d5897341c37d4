//! What becomes of an answer.

use super::*;
use tonic_types::ErrorDetails;

#[test]
fn only_what_can_never_pass_is_refused() {
    let check = |code: Code, retried: bool| {
        let verdict = verdict(Err(&Status::new(code, "x")), false);
        assert_eq!(
            matches!(verdict, Verdict::Retry { after: None }),
            retried,
            "{code:?}"
        );
    };
    check(Code::InvalidArgument, false);
    check(Code::ResourceExhausted, false);
    for code in [
        Code::Unavailable,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Unimplemented,
        Code::Internal,
        Code::DeadlineExceeded,
    ] {
        check(code, true);
    }
}

#[test]
fn a_small_request_is_never_too_large() {
    let status = Status::resource_exhausted("over quota");
    assert_eq!(verdict(Err(&status), true), Verdict::Retry { after: None });
}

#[test]
fn the_delay_that_the_collector_asks_for_is_kept() {
    let delay = Duration::from_secs(3);
    let details = ErrorDetails::with_retry_info(Some(delay));
    let status = Status::with_error_details(Code::ResourceExhausted, "slow down", details);
    assert_eq!(
        verdict(Err(&status), false),
        Verdict::Retry { after: Some(delay) }
    );
}

#[test]
fn halves_keep_every_record_in_order() {
    use crate::enrich::Reading;
    use crate::export::encode::{self, Record};
    let reading = Reading::default();
    let section = |from: u64, count: u64| {
        let mut records = Vec::new();
        for n in from..from + count {
            encode::record(
                &mut records,
                &Record {
                    time: 1,
                    observed: 1,
                    body: "text",
                    reading: &reading,
                    uid: (4, n),
                },
            );
        }
        Section {
            resource: Bytes::new(),
            records: records.into(),
            count,
        }
    };
    fn uids(sections: &[Section]) -> Vec<String> {
        match batch::halves(sections) {
            Some((first, second)) => [uids(&first), uids(&second)].concat(),
            None => vec![batch::uid(&sections[0].records).unwrap()],
        }
    }
    let expected: Vec<_> = (0..9).map(|n| format!("{:016x}-{n:016x}", 4)).collect();
    assert_eq!(
        uids(&[section(0, 3), section(3, 1), section(4, 5)]),
        expected
    );
}
