//! Streams end for clients that do not read, or do not begin.

use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PATIENCE: Patience = Patience {
    unread: Duration::from_secs(30),
    head: Duration::from_secs(100),
};

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_fails_and_one_that_is_read_slowly_does_not() {
    let (ours, mut theirs) = tokio::io::duplex(16);
    let mut ours = Impatient::new(ours, PATIENCE);
    let writing = tokio::spawn(async move { ours.write_all(&[0; 160]).await });
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        theirs.read_exact(&mut [0; 16]).await.unwrap();
    }
    writing.await.unwrap().unwrap();
    let (ours, theirs) = tokio::io::duplex(16);
    let mut ours = Impatient::new(ours, PATIENCE);
    let failed = ours.write_all(&[0; 160]).await.unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_say_which_version_it_speaks_is_not_waited_for() {
    // How much comes, a byte every ten seconds, before the stream fails; nothing where it does not.
    let check = async |sent: &'static [u8], expected: Option<usize>| {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = Impatient::new(ours, PATIENCE);
        let sending = tokio::spawn(async move {
            for byte in sent {
                tokio::time::sleep(Duration::from_secs(10)).await;
                // It may have failed already.
                let _ = theirs.write_all(&[*byte]).await;
            }
            theirs
        });
        let (mut came, mut byte) = (0, [0]);
        let failed = loop {
            match tokio::time::timeout(Duration::from_secs(1000), ours.read(&mut byte)).await {
                Ok(read) => match read {
                    Ok(read) => came += read,
                    Err(error) => break Some((came, error.kind())),
                },
                Err(_) => break None,
            }
        };
        drop(sending);
        assert_eq!(failed, expected.map(|came| (came, io::ErrorKind::TimedOut)));
    };
    check(b"", Some(0)).await;
    check(PREFACE, Some(9)).await;
    check(b"PRI /", None).await;
    check(b"GET / HTTP/1.1", None).await;
}
