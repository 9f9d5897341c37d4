//! Where metrics wait for the collector: unlike log lines they cannot be read again.

use crate::telemetry::Telemetry;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// Requests in the order they came, at most `bytes_max` of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Buffer {
    bytes_max: u64,
    telemetry: Telemetry,
    state: Arc<Mutex<Waiting>>,
    arrived: Arc<Notify>,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Bytes>,
    bytes: u64,
    /// The size of the request that was taken out and is not sent yet.
    sending: u64,
}

impl Buffer {
    pub(crate) fn new(bytes_max: u64, telemetry: Telemetry) -> Self {
        Self {
            bytes_max,
            telemetry,
            state: Arc::default(),
            arrived: Arc::default(),
        }
    }

    /// Adds a request; the oldest make room and are counted.
    pub(crate) fn push(&self, request: Bytes) {
        let mut state = self.state.lock();
        state.bytes += request.len() as u64;
        state.requests.push_back(request);
        while state.bytes > self.bytes_max {
            let Some(oldest) = state.requests.pop_front() else {
                break;
            };
            state.bytes -= oldest.len() as u64;
            self.telemetry.drop("metrics_buffer_full", 1);
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// The oldest request, once there is one. It is still waited for until [`Self::sent`].
    pub(crate) async fn next(&self) -> Bytes {
        loop {
            let arrived = self.arrived.notified();
            if let Some(request) = self.pop() {
                return request;
            }
            arrived.await;
        }
    }

    fn pop(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        let request = state.requests.pop_front()?;
        state.bytes -= request.len() as u64;
        state.sending = request.len() as u64;
        Some(request)
    }

    /// The request taken last is delivered, or left for good.
    pub(crate) fn sent(&self) {
        self.state.lock().sending = 0;
    }

    /// How much waits or is being sent, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let state = self.state.lock();
        state.bytes + state.sending
    }
}
