//! The thread that gathers appends into groups. While one group is on its way to the disk,
//! the next one gathers; so a lone append waits for nobody, and many share one sync.

use super::frame;
use super::storage::Storage;
use super::writer::Writer;
use crate::AppendError;
use sonde_proto::{Entry, Position};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// One append on its way.
pub(super) struct Append {
    pub(super) entry: Entry,
    pub(super) done: oneshot::Sender<Result<Position, AppendError>>,
    /// Its place among those that wait; the queue is bounded by these.
    pub(super) room: OwnedSemaphorePermit,
}

/// Commits groups until every sender is gone.
pub(super) fn run<S: Storage>(
    mut writer: Writer<S>,
    mut appends: mpsc::UnboundedReceiver<Append>,
    bytes_max: usize,
) {
    let mut waiting: Option<Append> = None;
    let (mut entries, mut done) = (Vec::new(), Vec::new());
    while let Some(append) = waiting.take().or_else(|| appends.blocking_recv()) {
        let mut bytes = frame::len_of(&append.entry);
        entries.push(append.entry);
        done.push((append.done, append.room));
        while let Ok(append) = appends.try_recv() {
            bytes += frame::len_of(&append.entry);
            if bytes > bytes_max {
                waiting = Some(append);
                break;
            }
            entries.push(append.entry);
            done.push((append.done, append.room));
        }
        let committed = writer.commit(&entries);
        entries.clear();
        for (number, (done, _room)) in done.drain(..).enumerate() {
            let result = committed
                .clone()
                .map(|first| Position(first.0 + number as u64));
            // A sender that has gone away does not want to know.
            let _ = done.send(result);
        }
    }
}
