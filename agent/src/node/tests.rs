//! Node metrics over a recorded node, a damaged one, and this machine.

mod exporter;

use super::*;
use otlp::metrics::{NumberDataPoint, metric::Data, number_data_point::Value};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const NOW: UnixNanos = UnixNanos::from_secs(1_700_001_000);
const BOOT: UnixNanos = UnixNanos::from_secs(1_700_000_000);

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node/tests/host")
}

fn node(root: &Path, exclude: &[Collector]) -> Node {
    let config = NodeConfig {
        host_root: root.to_path_buf(),
        exclude: exclude.to_vec(),
        ..NodeConfig::default()
    };
    let resource = [("team".to_owned(), "blue".to_owned())].into();
    Node::new(&config, "node-1", &resource).unwrap()
}

/// `(shape, points)` of one metric.
fn data(metric: &metrics::Metric) -> (&'static str, &[NumberDataPoint]) {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => ("gauge", &gauge.data_points),
        Data::Sum(sum) => {
            assert_eq!(sum.aggregation_temporality, 2, "cumulative");
            (
                if sum.is_monotonic { "total" } else { "amount" },
                &sum.data_points,
            )
        }
        other => panic!("{other:?}"),
    }
}

fn value(point: &NumberDataPoint) -> f64 {
    match point.value.unwrap() {
        Value::AsInt(n) => n as f64,
        Value::AsDouble(n) => n,
    }
}

fn labels(point: &NumberDataPoint) -> String {
    let text = |kv: &otlp::common::KeyValue| {
        format!("{}={}", kv.key, otlp::text(kv.value.as_ref().unwrap()))
    };
    let mut labels: Vec<_> = point.attributes.iter().map(text).collect();
    labels.sort();
    labels.join(" ")
}

/// Every metric, then its points, in a fixed order.
fn text(metrics: &[metrics::Metric]) -> String {
    let mut out = String::new();
    for metric in metrics {
        let (shape, points) = data(metric);
        writeln!(out, "{} {} {shape}", metric.name, metric.unit).unwrap();
        let line = |p| format!("{} {}", labels(p), value(p));
        let mut lines: Vec<_> = points.iter().map(line).collect();
        lines.sort();
        for line in lines {
            writeln!(out, "  {}", line.trim_start()).unwrap();
        }
    }
    out
}

/// The sum of a metric's values whose labels contain `with`.
fn total(metrics: &[metrics::Metric], name: &str, with: &str) -> f64 {
    let metric = metrics.iter().find(|m| m.name == name);
    let metric = metric.unwrap_or_else(|| panic!("no {name}"));
    let points = data(metric).1.iter();
    points.filter(|p| labels(p).contains(with)).map(value).sum()
}

#[test]
fn a_recorded_node_gives_exactly_these_points() {
    let mut node = node(&fixture(), &[Collector::Filesystem]);
    let found = text(&node.sample(NOW).into_metrics());
    let expected = include_str!("tests/host.txt");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found, expected);
}

#[test]
fn totals_start_at_the_boot_and_the_resource_says_which_node() {
    let mut node = node(&fixture(), &[]);
    let points = node.sample(NOW);
    assert!(points.count() > 60);
    let bytes = node.request(points).encode_to_vec();
    let request = ExportMetricsServiceRequest::decode(&bytes[..]).unwrap();
    let of_node = &request.resource_metrics[0];
    let attributes = &of_node.resource.as_ref().unwrap().attributes;
    let get = |key| otlp::attribute_text(attributes, key).unwrap().into_owned();
    assert_eq!(
        [get("host.name"), get("os.type"), get("team")],
        ["node-1", "linux", "blue"]
    );
    for metric in &of_node.scope_metrics[0].metrics {
        let (shape, points) = data(metric);
        for point in points {
            assert_eq!(point.time_unix_nano, NOW.0, "{}", metric.name);
            let start = if shape == "gauge" { 0 } else { BOOT.0 };
            assert_eq!(point.start_time_unix_nano, start, "{}", metric.name);
        }
    }
}

#[test]
fn a_missing_file_takes_only_its_own_metrics_with_it() {
    fn files(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            if entry.path().is_dir() {
                files(&entry.path(), out);
            } else {
                out.push(entry.path());
            }
        }
    }
    let names = |node: &mut Node| {
        let metrics = node.sample(NOW).into_metrics();
        metrics
            .into_iter()
            .map(|m| m.name)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let mut all = Vec::new();
    files(&fixture(), &mut all);
    let whole = names(&mut node(&fixture(), &[Collector::Filesystem]));
    for missing in &all {
        let dir = tempfile::tempdir().unwrap();
        for damage in [
            None,
            Some(""),
            Some("\u{0}\n: :\n  x\n9 9\n18446744073709551616 1 1 1\n"),
        ] {
            for file in &all {
                let to = dir.path().join(file.strip_prefix(fixture()).unwrap());
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                match damage {
                    _ if file != missing => drop(std::fs::copy(file, to).unwrap()),
                    Some(text) => std::fs::write(to, text).unwrap(),
                    None => {}
                }
            }
            let left = names(&mut node(dir.path(), &[Collector::Filesystem]));
            let lost = whole.difference(&left).count();
            assert!(lost <= 5, "{missing:?}: {left:?}");
        }
    }
    assert_eq!(node(Path::new("/nonexistent"), &[]).sample(NOW).count(), 0);
}

#[test]
fn a_processors_time_never_steps_back_unless_it_came_back() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("proc")).unwrap();
    let mut node = node(dir.path(), &[]);
    let mut idle_and_iowait = |idle: u64, iowait: u64| {
        let stat = format!("cpu0 5 0 5 {idle} {iowait} 0 0 0 0 0\nbtime 1700000000\n");
        std::fs::write(dir.path().join("proc/stat"), stat).unwrap();
        let metrics = node.sample(NOW).into_metrics();
        let get = |mode| total(&metrics, "system.cpu.time", mode);
        (get("cpu.mode=idle"), get("cpu.mode=iowait"))
    };
    assert_eq!(idle_and_iowait(1000, 500), (10.0, 5.0));
    assert_eq!(idle_and_iowait(1100, 400), (11.0, 5.0));
    assert_eq!(idle_and_iowait(1050, 600), (11.0, 6.0));
    assert_eq!(idle_and_iowait(100, 50), (1.0, 0.5));
}

#[test]
fn the_boot_is_kept_while_the_clock_is_corrected() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("proc")).unwrap();
    let mut node = node(dir.path(), &[]);
    let mut boot = |seconds: u64| {
        std::fs::write(dir.path().join("proc/stat"), format!("btime {seconds}\n")).unwrap();
        node.boot(NOW)
    };
    assert_eq!(boot(1_700_000_000), BOOT);
    assert_eq!(boot(1_700_000_001), BOOT);
    assert_eq!(boot(1_700_000_500), UnixNanos::from_secs(1_700_000_500));
    assert_eq!(
        boot(1_800_000_000),
        UnixNanos(0),
        "one in the future is none"
    );
}

#[test]
fn the_rules_for_nodes_find_the_names_they_ask_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rules = std::fs::read_to_string(root.join("collector/signals/src/use.rules.yaml")).unwrap();
    let metrics = node(&fixture(), &[]).sample(NOW).into_metrics();
    let stored: Vec<_> = metrics.iter().map(stored_name).collect();
    let words: Vec<_> = rules
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("system_"))
        .collect();
    assert!(words.len() > 15);
    let keys: Vec<_> = metrics
        .iter()
        .flat_map(|m| data(m).1.iter().flat_map(|p| &p.attributes))
        .map(|kv| kv.key.replace('.', "_"))
        .collect();
    for word in words {
        let is_known = stored.iter().any(|name| name == word) || keys.iter().any(|key| key == word);
        assert!(is_known, "{word} is not among {stored:?}");
    }
}

/// The name under which the collector stores a metric: the OTLP name with underscores, the
/// unit, and `_total` for totals.
fn stored_name(metric: &metrics::Metric) -> String {
    let (shape, _) = data(metric);
    let unit = match metric.unit.as_str() {
        "s" => "_seconds",
        "By" => "_bytes",
        "1" if shape == "gauge" => "_ratio",
        _ => "",
    };
    let end = if shape == "total" { "_total" } else { "" };
    format!("{}{unit}{end}", metric.name.replace('.', "_"))
}

#[test]
fn this_machine_is_measured_sanely() {
    let mut node = node(Path::new("/"), &[]);
    let now = sonde_proto::SystemClock.now();
    let first = node.sample(now).into_metrics();
    let get = |name, with| total(&first, name, with);
    assert!(get("system.cpu.time", "") > 0.0);
    assert!(get("system.cpu.logical.count", "") >= 1.0);
    let limit = get("system.memory.limit", "");
    assert_eq!(
        get("system.memory.usage", ""),
        limit,
        "the states add up to the limit"
    );
    assert!(get("system.memory.usage", "state=used") < limit);
    assert!(get("system.uptime", "") > 0.0);
    assert!(get("system.process.count", "") >= 1.0);
    let full = get("system.filesystem.utilization", "mountpoint=/ ");
    assert!((0.0..=1.0).contains(&full), "{full}");
    let uptime = now.since(node.boot(now)).as_secs_f64();
    assert!((uptime - get("system.uptime", "")).abs() < 30.0);

    let second = node.sample(sonde_proto::SystemClock.now()).into_metrics();
    for metric in first.iter().filter(|m| data(m).0 == "total") {
        for point in data(metric).1 {
            let with = labels(point);
            let later = second.iter().find(|m| m.name == metric.name).unwrap();
            let later = data(later).1.iter().find(|p| labels(p) == with);
            assert!(
                later.is_some_and(|later| value(later) >= value(point)),
                "{} {with} fell",
                metric.name
            );
        }
    }
}

#[test]
fn a_bad_pattern_is_named() {
    let config = NodeConfig {
        interfaces_exclude: vec!["eth[".into()],
        ..NodeConfig::default()
    };
    let problem = Node::new(&config, "n", &BTreeMap::new()).err().unwrap();
    assert!(
        problem.starts_with("node.interfaces_exclude[0] \"eth[\": "),
        "{problem}"
    );
}

#[test]
fn samples_go_to_the_buffer_until_the_agent_lets_go() {
    let telemetry = Telemetry::default();
    let buffer = Buffer::new(1 << 20, telemetry.clone());
    let (running, stop) = mpsc::channel();
    let clock: Arc<dyn Clock> = Arc::new(sonde_proto::ManualClock::new(NOW));
    let thread = std::thread::spawn({
        let (buffer, telemetry, node) = (buffer.clone(), telemetry.clone(), node(&fixture(), &[]));
        move || node.run(Duration::from_millis(1), &clock, &buffer, &telemetry, &stop)
    });
    let begun = Instant::now();
    while telemetry.metric_points.get() < 200 {
        assert!(begun.elapsed() < Duration::from_secs(240), "nothing comes");
        std::thread::yield_now();
    }
    drop(running);
    thread.join().unwrap();
    assert!(buffer.bytes() > 0);
}
