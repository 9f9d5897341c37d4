//! An OTLP server that answers as it is told to, then takes everything.

use parking_lot::Mutex;
use sonde_proto::otlp::{self, logs_service, metrics_service, resource::Resource};
use sonde_proto::semconv;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What the server does with one request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Taken,
    Unavailable,
    /// Come again, not before that long.
    ExhaustedFor(Duration),
    /// Without saying when: it may be too large.
    Exhausted,
    /// Taken; the answer says it was not.
    TakenButLost,
    /// Taken, except that many.
    Rejects(i64),
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    refused: Option<String>,
    records: usize,
    /// The uids that brought each text.
    texts: BTreeMap<String, BTreeSet<String>>,
    /// The host and name of each metric, by request.
    metrics: Vec<Vec<(String, String)>>,
}

#[derive(Clone, Default)]
struct Shared {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

pub(super) struct Server {
    address: SocketAddr,
    shared: Shared,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(answers: Vec<Answer>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared::default();
        shared.state.lock().answers = answers.into();
        let logs = logs_service::logs_service_server::LogsServiceServer::new(shared.clone());
        let metrics =
            metrics_service::metrics_service_server::MetricsServiceServer::new(shared.clone());
        let server = tonic::transport::Server::builder()
            .add_service(logs.accept_compressed(CompressionEncoding::Zstd))
            .add_service(metrics.accept_compressed(CompressionEncoding::Zstd))
            .serve_with_incoming(TcpListenerStream::new(listener));
        Self {
            address,
            shared,
            task: tokio::spawn(async move { drop(server.await) }),
        }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses every request that holds this text, for good.
    pub(super) fn refuse(&self, text: &str) {
        self.shared.state.lock().refused = Some(text.to_owned());
    }

    /// How many records came, those that came again counted again.
    pub(super) fn records(&self) -> usize {
        self.shared.state.lock().records
    }

    pub(super) fn texts(&self) -> BTreeSet<String> {
        self.shared.state.lock().texts.keys().cloned().collect()
    }

    pub(super) fn assert_one_uid_a_line(&self) {
        for (text, uids) in &self.shared.state.lock().texts {
            assert_eq!(uids.len(), 1, "{text}: {uids:?}");
        }
    }

    async fn wait_until(&self, wait: Duration, is_there: impl Fn(&State) -> bool) {
        let arrived = async {
            loop {
                let changed = self.shared.changed.notified();
                if is_there(&self.shared.state.lock()) {
                    return;
                }
                changed.await;
            }
        };
        assert!(
            tokio::time::timeout(wait, arrived).await.is_ok(),
            "it did not arrive in time"
        );
    }

    /// Waits until that many different lines have arrived.
    pub(super) async fn wait_for(&self, lines: usize, wait: Duration) {
        self.wait_until(wait, |state| state.texts.len() >= lines)
            .await;
    }

    /// Waits until that many requests of metrics have arrived; gives host and name of each.
    pub(super) async fn wait_for_metrics(
        &self,
        requests: usize,
        wait: Duration,
    ) -> Vec<(String, String)> {
        self.wait_until(wait, |state| state.metrics.len() >= requests)
            .await;
        self.shared.state.lock().metrics.concat()
    }
}

impl State {
    fn take(&mut self, request: &logs_service::ExportLogsServiceRequest) {
        for record in request
            .resource_logs
            .iter()
            .flat_map(|r| &r.scope_logs)
            .flat_map(|s| &s.log_records)
        {
            let uid = otlp::attribute_text(&record.attributes, semconv::LOG_RECORD_UID);
            let text = otlp::text(record.body.as_ref().unwrap()).into_owned();
            self.records += 1;
            let uids = self.texts.entry(text).or_default();
            uids.insert(uid.unwrap().into_owned());
        }
    }

    fn refuses(&self, request: &logs_service::ExportLogsServiceRequest) -> bool {
        let Some(refused) = &self.refused else {
            return false;
        };
        let records = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
        let mut bodies = records
            .flat_map(|s| &s.log_records)
            .filter_map(|r| r.body.as_ref());
        bodies.any(|body| otlp::text(body) == refused.as_str())
    }
}

/// The status of an answer that is a failure.
fn failure(answer: Answer) -> Result<i64, Status> {
    match answer {
        Answer::Taken => Ok(0),
        Answer::Rejects(count) => Ok(count),
        Answer::Unavailable | Answer::TakenButLost => Err(Status::unavailable("not now")),
        Answer::Exhausted => Err(Status::resource_exhausted("too much")),
        Answer::ExhaustedFor(pause) => Err(Status::with_error_details(
            Code::ResourceExhausted,
            "too much",
            ErrorDetails::with_retry_info(Some(pause)),
        )),
    }
}

#[tonic::async_trait]
impl logs_service::logs_service_server::LogsService for Shared {
    async fn export(
        &self,
        request: Request<logs_service::ExportLogsServiceRequest>,
    ) -> Result<Response<logs_service::ExportLogsServiceResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.state.lock();
        if state.refuses(&request) {
            return Err(Status::invalid_argument("no"));
        }
        let answer = state.answers.pop_front().unwrap_or(Answer::Taken);
        if matches!(
            answer,
            Answer::Taken | Answer::TakenButLost | Answer::Rejects(_)
        ) {
            state.take(&request);
        }
        drop(state);
        self.changed.notify_waiters();
        let rejected_log_records = failure(answer)?;
        let partial_success =
            (rejected_log_records > 0).then(|| logs_service::ExportLogsPartialSuccess {
                rejected_log_records,
                error_message: "too old".into(),
            });
        Ok(Response::new(logs_service::ExportLogsServiceResponse {
            partial_success,
        }))
    }
}

#[tonic::async_trait]
impl metrics_service::metrics_service_server::MetricsService for Shared {
    async fn export(
        &self,
        request: Request<metrics_service::ExportMetricsServiceRequest>,
    ) -> Result<Response<metrics_service::ExportMetricsServiceResponse>, Status> {
        let mut state = self.state.lock();
        failure(state.answers.pop_front().unwrap_or(Answer::Taken))?;
        let host = |resource: &Option<Resource>| {
            let attributes = &resource.as_ref().unwrap().attributes;
            otlp::attribute_text(attributes, semconv::HOST_NAME)
                .unwrap()
                .into_owned()
        };
        let found = request.get_ref().resource_metrics.iter().flat_map(|r| {
            let metrics = r.scope_metrics.iter().flat_map(|s| &s.metrics);
            metrics.map(|m| (host(&r.resource), m.name.clone()))
        });
        state.metrics.push(found.collect());
        drop(state);
        self.changed.notify_waiters();
        Ok(Response::new(
            metrics_service::ExportMetricsServiceResponse::default(),
        ))
    }
}
