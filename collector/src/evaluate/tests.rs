//! The evaluator's thread beside a group whose query does not end.

use super::*;
use crate::telemetry::Telemetry;
use prometheus_client::registry::Registry;
use sonde_journal::{FileConfig, FileJournal};
use sonde_proto::{Labels, ManualClock, SampleValue, UnixNanos};
use sonde_rules::{EngineConfig, ExprError, Sample};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::runtime::Runtime;

const START: UnixNanos = UnixNanos::from_secs(1_000_000);
const PATIENCE: Duration = Duration::from_secs(240);

/// One quick group that is the most overdue, and two that are slow.
const RULES: &str = "groups:\n- name: quick\n  interval: 1s\n  rules:\n  - {alert: Quick, expr: quick}\n- name: slow\n  interval: 1h\n  rules:\n  - {alert: Slow, expr: slow}\n- name: slow too\n  interval: 1h\n  rules:\n  - {alert: Slow, expr: slow}\n";

/// Finds everything; `slow` only after it has been let go on.
struct Held {
    asked: Sender<()>,
    go_on: Receiver<()>,
}

impl Query for Held {
    fn instant(&self, expr: &str, _: UnixNanos) -> Result<Vec<Sample>, String> {
        if expr == "slow" {
            self.asked.send(()).unwrap();
            self.go_on.recv_timeout(PATIENCE).unwrap();
        }
        Ok(vec![Sample {
            labels: Labels::empty(),
            value: SampleValue::Float(1.0),
        }])
    }

    fn check(&self, _: &str) -> Result<(), ExprError> {
        Ok(())
    }
}

fn parts<Q: Query>(query: Q, now: UnixNanos, dir: &Path, runtime: &Runtime) -> Parts<Q> {
    let mut registry = Registry::default();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(now));
    let config = FileConfig::default();
    let journal = FileJournal::open(&dir.join("journal"), &config, &mut registry).unwrap();
    let settings = sonde_alerts::Settings::default();
    let alerts_dir = dir.join("alerts");
    let opening = Alerts::start(
        &alerts_dir,
        None,
        settings,
        Arc::clone(&clock),
        &mut registry,
    );
    let alerts = runtime.block_on(opening).unwrap();
    let telemetry = Arc::new(Telemetry::register(&mut registry));
    let handle = runtime.handle().clone();
    Parts {
        query,
        derived: Derived::new(Arc::new(journal), Arc::clone(&clock), telemetry, handle),
        alerts,
        traces: None,
        clock,
        runtime: runtime.handle().clone(),
        state_file: dir.join("rules.json"),
        ready: Box::new(|| true),
    }
}

#[test]
fn a_slow_group_delays_neither_the_page_of_another_nor_a_stop_by_more_than_itself() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let (asked, is_asked) = channel();
    let (go, go_on) = channel();
    let query = Held { asked, go_on };
    let file = sonde_rules::read("f.yaml", RULES, &|_| Ok(())).unwrap();
    let mut registry = Registry::default();
    let mut engine = Engine::new(vec![file], &EngineConfig::default(), &mut registry);
    assert_eq!(engine.evaluate_next(START, &query), None, "it starts");

    let later = START.plus(Duration::from_secs(2 * 3600));
    let parts = parts(query, later, dir.path(), &runtime);
    let (alerts, state_file) = (parts.alerts.clone(), parts.state_file.clone());
    let evaluator = Evaluator::start(engine, parts).unwrap();
    is_asked.recv_timeout(PATIENCE).unwrap();

    let told = alerts.list();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].labels.get("alertname"), "Quick");
    assert_eq!(alerts_of(&alerts, &Tenant::default()).len(), 1);
    let other = Tenant::new("team-a").unwrap();
    assert!(
        alerts_of(&alerts, &other).is_empty(),
        "rules see one tenant"
    );
    assert_eq!(evaluator.rules().shown().alerts.len(), 1);
    let shown = evaluator.rules().shown_to(&other);
    assert!(shown.alerts.is_empty() && shown.groups.is_empty());
    let state = std::fs::read_to_string(state_file).unwrap();
    assert!(state.contains("Quick"), "{state}");

    evaluator.order(|orders| orders.stop = true);
    go.send(()).unwrap();
    evaluator.finish();
    assert_eq!(alerts.list().len(), 2, "what was under way is told");
    assert!(is_asked.try_recv().is_err(), "the other one is not begun");
    runtime.block_on(alerts.shutdown());
}
