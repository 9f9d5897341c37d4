//! The agent against a real gRPC server in the same process, which fails as it is told to.

mod server;

use super::*;
use crate::config::NodeConfig;
use server::{Answer, Server};
use sonde_proto::SystemClock;
use std::collections::BTreeSet;
use std::io::Write as _;

/// The longest wait for anything; nothing is measured by it.
const WAIT: Duration = Duration::from_secs(240);

fn config(server: &Server, logs: &Path) -> Config {
    let mut config = Config::default();
    config.tail.paths = vec![format!("{}/*.log", logs.display())];
    config.tail.poll_interval_ms = 5;
    config.tail.scan_interval_ms = 20;
    config.tail.save_interval_ms = 5;
    config.export.endpoint = server.endpoint();
    config.export.batch_delay_ms = 5;
    config.export.batch_bytes_max = 4 << 10;
    config.export.backoff_ms = 5;
    config.export.backoff_ms_max = 20;
    // Nothing is sent twice because a machine is slow.
    let wait = u64::try_from(WAIT.as_millis()).unwrap();
    (config.export.timeout_ms, config.export.stop_wait_ms) = (wait, wait);
    config.node.enabled = false;
    config
}

async fn start(config: &Config, dir: &Path) -> Agent {
    let registry = &mut Registry::default();
    Agent::start(config, dir, Arc::new(SystemClock), registry)
        .await
        .unwrap()
}

/// Appends lines `from..to` to a log.
fn write(path: &Path, from: usize, to: usize) {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    let text: String = (from..to).map(|n| format!("line {n}\n")).collect();
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn lines(count: usize) -> BTreeSet<String> {
    (0..count).map(|n| format!("line {n}")).collect()
}

/// Runs an agent over 500 lines against a server that gives `answers` first, then takes
/// everything, until `acked` of them are acknowledged. Gives the agent's last status.
async fn run(answers: Vec<Answer>, acked: u64) -> (Server, Status) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(answers).await;
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    write(&logs.join("a.log"), 0, 500);
    let agent = start(&config(&server, &logs), &dir.path().join("data")).await;
    server.wait_for(500, WAIT).await;
    let all = async {
        while agent.status().records_acked < acked {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let all = tokio::time::timeout(WAIT, all).await;
    all.unwrap_or_else(|_| panic!("{:?}", agent.status()));
    let status = agent.status();
    agent.stop().await;
    assert_eq!(server.texts(), lines(500));
    server.assert_one_uid_a_line();
    (server, status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_collector_is_tried_again_until_it_takes_everything() {
    let (_, status) = run(vec![Answer::Unavailable; 10], 500).await;
    assert_eq!((status.records_acked, status.connected), (500, true));
    assert!(status.dropped.is_empty(), "{:?}", status.dropped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_asks_for_a_pause_gets_it() {
    let pause = Duration::from_millis(300);
    let begun = std::time::Instant::now();
    let (_, status) = run(vec![Answer::ExhaustedFor(pause)], 500).await;
    assert!(begun.elapsed() >= pause);
    assert!(status.dropped.is_empty(), "{:?}", status.dropped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_cut_in_halves_and_nothing_small_is_given_up() {
    let (_, status) = run(vec![Answer::Exhausted; 30], 500).await;
    assert_eq!(status.records_acked, 500);
    assert!(status.dropped.is_empty(), "{:?}", status.dropped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrived_although_the_answer_was_lost_has_its_uid_again() {
    let (server, status) = run(vec![Answer::TakenButLost; 5], 500).await;
    assert_eq!(status.records_acked, 500);
    assert!(server.records() > 500, "the same lines came again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_partial_success_rejects_is_counted_and_not_sent_again() {
    let (server, status) = run(vec![Answer::Rejects(3)], 497).await;
    assert_eq!(server.records(), 500);
    assert_eq!(status.records_acked, 497);
    assert_eq!(status.dropped["rejected"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_record_is_left_and_the_others_of_its_request_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Vec::new()).await;
    server.refuse("line 77");
    write(&dir.path().join("a.log"), 0, 200);
    let agent = start(&config(&server, dir.path()), &dir.path().join("data")).await;
    server.wait_for(199, WAIT).await;
    agent.stop().await;
    let mut expected = lines(200);
    expected.remove("line 77");
    assert_eq!(server.texts(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_arrives_over_crashes_rotations_and_a_server_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let answers = [Answer::Unavailable, Answer::Taken, Answer::TakenButLost];
    let server = Server::start(answers.repeat(20)).await;
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let (log, data) = (logs.join("a.log"), dir.path().join("data"));
    let config = config(&server, &logs);
    for round in 0..10 {
        let agent = start(&config, &data).await;
        write(&log, round * 300, round * 300 + 150);
        server.wait_for(round * 300 + 1, WAIT).await;
        if round % 2 == 0 {
            let rotated = logs.join(format!("a.log.{round}"));
            std::fs::rename(&log, rotated).unwrap();
        }
        write(&log, round * 300 + 150, round * 300 + 300);
        if round % 3 == 0 {
            // As a crash: nothing is flushed.
            crash(agent).await;
        } else {
            agent.stop().await;
        }
    }
    let agent = start(&config, &data).await;
    server.wait_for(3_000, WAIT).await;
    agent.stop().await;
    assert_eq!(server.texts(), lines(3_000));
    server.assert_one_uid_a_line();
    let records = server.records();
    let agent = start(&config, &data).await;
    agent.stop().await;
    assert_eq!(
        server.records(),
        records,
        "what is acknowledged is not sent again"
    );
}

/// Ends the agent without a stop; waits until its thread has let go.
async fn crash(mut agent: Agent) {
    let thread = agent.tailing.take();
    drop(agent);
    tokio::task::spawn_blocking(move || thread.map(std::thread::JoinHandle::join))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_metrics_arrive_and_wait_while_the_collector_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Answer::Unavailable; 5]).await;
    let mut config = config(&server, dir.path());
    config.tail.enabled = false;
    config.host_name = Some("node-1".into());
    config.node = NodeConfig {
        interval_ms: 100,
        ..NodeConfig::default()
    };
    let agent = start(&config, &dir.path().join("data")).await;
    let metrics = server.wait_for_metrics(3, WAIT).await;
    assert!(metrics.iter().all(|(host, _)| host == "node-1"));
    let names: BTreeSet<_> = metrics.into_iter().map(|(_, name)| name).collect();
    for name in [
        "system.cpu.time",
        "system.memory.usage",
        "system.network.io",
    ] {
        assert!(names.contains(name), "{name} is missing");
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_second_agent_is_kept_out_of_the_directory_and_bad_configuration_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Vec::new()).await;
    let good = config(&server, dir.path());
    let agent = start(&good, dir.path()).await;
    let problem = |config: Config| async move {
        let registry = &mut Registry::default();
        let started = Agent::start(&config, dir.path(), Arc::new(SystemClock), registry);
        started.await.err().unwrap().to_string()
    };
    let in_use = problem(good.clone()).await;
    assert!(in_use.contains("is in use by another agent"), "{in_use}");
    agent.stop().await;
}

#[test]
fn a_directory_is_free_again_though_a_program_that_is_being_started_still_holds_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let first = lock(dir.path()).unwrap();
    let inherited = first.0.try_clone().unwrap();
    assert!(lock(dir.path()).is_err());
    drop(first);
    assert!(lock(dir.path()).is_ok());
    drop(inherited);
}
