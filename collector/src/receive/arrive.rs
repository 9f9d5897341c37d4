//! A request's body, as it arrives over HTTP or gRPC.
//!
//! Whoever has a turn may read one request into memory, and there are few turns: nobody may
//! sit on one. So the first part of a body is read before, which takes little memory, and most
//! requests are whole then. The rest must come at a rate that a slow line has, too.

use crate::admit::{Admission, Refusal, TAKEN_WITHIN};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use sonde_proto::Signal;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How fast a body must come.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// So many bytes, or the end, within the time.
    bytes: usize,
    within: Duration,
}

const PACE: Pace = Pace {
    bytes: 64 << 10,
    within: Duration::from_secs(5),
};

/// Waits for its turn, and for a whole body of at most `limit` bytes. Refusals are counted.
pub(super) async fn arrived(
    admission: &Admission,
    signal: Signal,
    body: Body,
    limit: usize,
) -> Result<(OwnedSemaphorePermit, Bytes), Refusal> {
    let counted = |refusal: Refusal| {
        admission.refused(signal, &refusal);
        refusal
    };
    let mut arriving = Arriving::new(signal, body, limit, PACE);
    arriving.part().await.map_err(counted)?;
    let turn = admission.turn().await.map_err(counted)?;
    let whole = tokio::time::timeout(TAKEN_WITHIN, arriving.whole()).await;
    let body = whole.map_err(|_| {
        counted(Refusal::Unavailable {
            reason: format!("the body did not arrive within {TAKEN_WITHIN:?}"),
        })
    })?;
    Ok((turn, body.map_err(counted)?))
}

/// A body, and what of it is here.
struct Arriving {
    signal: Signal,
    body: Body,
    bytes: BytesMut,
    limit: usize,
    pace: Pace,
    is_whole: bool,
}

impl Arriving {
    fn new(signal: Signal, body: Body, limit: usize, pace: Pace) -> Self {
        Self {
            signal,
            body,
            bytes: BytesMut::new(),
            limit,
            pace,
            is_whole: false,
        }
    }

    /// The next part; all of the body where it has no more.
    async fn part(&mut self) -> Result<(), Refusal> {
        let Pace { bytes, within } = self.pace;
        let enough = self.bytes.len() + bytes;
        let part = async {
            while !self.is_whole && self.bytes.len() < enough {
                self.frame().await?;
            }
            Ok(())
        };
        tokio::time::timeout(within, part).await.unwrap_or_else(|_| {
            Err(Refusal::Unavailable {
                reason: format!(
                    "the body comes too slowly: less than {bytes} bytes in {within:?}; send smaller requests"
                ),
            })
        })
    }

    async fn frame(&mut self) -> Result<(), Refusal> {
        let Some(frame) = self.body.frame().await else {
            self.is_whole = true;
            return Ok(());
        };
        let frame = frame.map_err(|error| Refusal::Malformed {
            signal: self.signal,
            reason: format!("cannot read the body: {error}"),
        })?;
        // What is no data are trailers, which nobody asks for.
        let data = frame.into_data().unwrap_or_default();
        if data.len() > self.limit - self.bytes.len() {
            return Err(Refusal::TooLarge { limit: self.limit });
        }
        self.bytes.extend_from_slice(&data);
        Ok(())
    }

    /// The whole body.
    async fn whole(mut self) -> Result<Bytes, Refusal> {
        let rest = self.body.size_hint().lower();
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        self.bytes.reserve(rest.min(self.limit - self.bytes.len()));
        while !self.is_whole {
            self.part().await?;
        }
        Ok(self.bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream::{self, Stream, StreamExt as _};
    use std::convert::Infallible;

    const QUICK: Pace = Pace {
        bytes: 10,
        within: Duration::from_millis(20),
    };
    const PATIENT: Pace = Pace {
        bytes: 10,
        within: Duration::from_secs(600),
    };

    fn arriving(pieces: impl Stream<Item = &'static str> + Send + 'static, pace: Pace) -> Arriving {
        let body = Body::from_stream(pieces.map(Ok::<_, Infallible>));
        Arriving::new(Signal::Logs, body, 100, pace)
    }

    #[tokio::test]
    async fn a_body_is_whole_however_it_is_cut() {
        for pieces in [
            vec![],
            vec!["a"],
            vec!["0123456789"; 10],
            vec!["ab", "", "c"],
        ] {
            let expected = pieces.concat();
            let mut arriving = arriving(stream::iter(pieces), PATIENT);
            arriving.part().await.unwrap();
            assert_eq!(arriving.whole().await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn one_byte_more_than_allowed_is_too_large() {
        let pieces = ["0123456789"; 10].into_iter().chain(["x"]);
        let found = arriving(stream::iter(pieces), PATIENT).whole().await;
        assert!(matches!(found, Err(Refusal::TooLarge { limit: 100 })));
    }

    #[tokio::test]
    async fn who_sends_a_part_and_then_too_little_is_refused() {
        let stalls = |pieces: Vec<&'static str>| stream::iter(pieces).chain(stream::pending());
        let mut first = arriving(stalls(vec!["012345678"]), QUICK);
        let refused = first.part().await.unwrap_err();
        assert!(refused.to_string().contains("too slowly"), "{refused}");
        let mut later = arriving(stalls(vec!["0123456789", "x"]), QUICK);
        later.part().await.unwrap();
        let refused = later.whole().await.unwrap_err();
        assert!(refused.to_string().contains("too slowly"), "{refused}");
    }
}
