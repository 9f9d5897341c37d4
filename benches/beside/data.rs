//! The samples: hosts with counters, gauges and histograms as node_exporter and a web service
//! have them, every 15 seconds until now.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds between two samples of a series.
pub(crate) const STEP: i64 = 15_000;
/// Milliseconds of all samples after a whole step: no step of a subquery meets one, so that it
/// does not matter whose ranges include their start.
const OFF: i64 = 2;
/// How many of its series each host has.
pub(crate) const SERIES_PER_HOST: usize = 105;
const SEED: u64 = 20_261_127;

const CPUS: usize = 4;
const MODES: [&str; 8] = [
    "idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user",
];
const MEMORY: [&str; 15] = [
    "MemTotal",
    "MemFree",
    "MemAvailable",
    "Buffers",
    "Cached",
    "SwapCached",
    "Active",
    "Inactive",
    "Dirty",
    "Writeback",
    "AnonPages",
    "Mapped",
    "Shmem",
    "Slab",
    "PageTables",
];
const DEVICES: [&str; 4] = ["sda", "sdb", "nvme0n1", "dm-0"];
const HANDLERS: [&str; 3] = ["/", "/api/v1/orders", "/login"];
const CODES: [&str; 3] = ["200", "404", "500"];
const BOUNDS: [&str; 8] = ["0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "5.0", "+Inf"];

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) series: usize,
    pub(crate) steps: usize,
}

/// How a series goes on.
#[derive(Clone, Copy, Debug)]
enum Course {
    Constant,
    /// Up by hundredths, at most so many a step.
    Seconds(u64),
    /// Up by whole numbers, at most so many a step.
    Counter(u64),
    /// Up and down by pages, at most so many a step.
    Bytes(u64),
}

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// By name.
    pub(crate) labels: Vec<(&'static str, String)>,
    course: Course,
    state: i64,
}

/// The series of one host, one step after the other.
pub(crate) struct Host {
    pub(crate) series: Vec<Series>,
    rng: ChaCha8Rng,
}

impl Size {
    pub(crate) fn hosts(self) -> usize {
        self.series.div_ceil(SERIES_PER_HOST).max(1)
    }

    pub(crate) fn samples(self) -> usize {
        self.hosts() * SERIES_PER_HOST * self.steps
    }
}

/// When the last of all samples is: not long ago.
pub(crate) fn last_time() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_millis() as i64);
    now / STEP * STEP + OFF
}

/// What a host is called.
pub(crate) fn instance(number: usize) -> String {
    format!("host-{number:05}:9100")
}

impl Host {
    pub(crate) fn new(number: usize) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(SEED ^ number as u64);
        let mut host = Self {
            series: Vec::with_capacity(SERIES_PER_HOST),
            rng,
        };
        let instance = instance(number);
        let mut add = |name: &str, more: &[(&'static str, &str)], course| {
            let mut labels = vec![
                ("__name__", name.to_owned()),
                ("instance", instance.clone()),
                ("job", "node".to_owned()),
            ];
            labels.extend(
                more.iter()
                    .map(|(name, value)| (*name, (*value).to_owned())),
            );
            labels.sort_unstable();
            let state = match course {
                Course::Constant => 1,
                _ => i64::from(host.rng.next_u32() >> 8),
            };
            host.series.push(Series {
                labels,
                course,
                state,
            });
        };
        add("up", &[], Course::Constant);
        for cpu in 0..CPUS {
            for mode in MODES {
                let busy = if mode == "idle" { 1500 } else { 40 };
                let more = [("cpu", &*cpu.to_string()), ("mode", mode)];
                add("node_cpu_seconds_total", &more, Course::Seconds(busy));
            }
        }
        for name in MEMORY {
            let course = match name {
                "MemTotal" | "SwapCached" => Course::Constant,
                _ => Course::Bytes(4000),
            };
            add(&format!("node_memory_{name}_bytes"), &[], course);
        }
        for (name, course) in [
            ("node_disk_reads_completed_total", Course::Counter(50)),
            ("node_disk_written_bytes_total", Course::Bytes(1)),
            ("node_network_receive_bytes_total", Course::Counter(1 << 20)),
        ] {
            for device in DEVICES {
                add(name, &[("device", device)], course);
            }
        }
        for handler in HANDLERS {
            for code in CODES {
                let more = [("code", code), ("handler", handler)];
                add("http_requests_total", &more, Course::Counter(90));
            }
        }
        for handler in HANDLERS {
            for bound in BOUNDS {
                let more = [("handler", handler), ("le", bound)];
                let name = "http_request_duration_seconds_bucket";
                add(name, &more, Course::Counter(30));
            }
            let more = [("handler", handler)];
            add(
                "http_request_duration_seconds_sum",
                &more,
                Course::Seconds(90),
            );
            add(
                "http_request_duration_seconds_count",
                &more,
                Course::Counter(100),
            );
        }
        add("node_load1", &[], Course::Seconds(9));
        add("node_boot_time_seconds", &[], Course::Constant);
        add("process_open_fds", &[], Course::Bytes(1));
        add("node_context_switches_total", &[], Course::Counter(90_000));
        add("node_entropy_available_bits", &[], Course::Constant);
        add("node_intr_total", &[], Course::Counter(40_000));
        host
    }

    /// The values of the next step, in the order of the series. A bucket counts whatever is
    /// in those before it, so they are cumulative.
    pub(crate) fn step(&mut self, values: &mut Vec<f64>) {
        values.clear();
        let mut below = 0.0;
        for series in &mut self.series {
            let drawn = self.rng.next_u32();
            let upto = |most: u64| (u64::from(drawn >> 3) % (most + 1)) as i64;
            let is_bucket = series.labels[0].1.ends_with("_bucket");
            let mut value = match series.course {
                Course::Constant => series.state as f64,
                // Every other step most counters of an idle machine stand still.
                Course::Seconds(_) | Course::Counter(_) | Course::Bytes(_)
                    if drawn.is_multiple_of(4) =>
                {
                    series.value()
                }
                Course::Seconds(most) | Course::Counter(most) => {
                    series.state += upto(most);
                    series.value()
                }
                Course::Bytes(most) => {
                    series.state += upto(2 * most) - most as i64;
                    series.value()
                }
            };
            if is_bucket {
                let first = series.labels.iter().any(|(_, value)| value == BOUNDS[0]);
                below = if first { value } else { below + value };
                value = below;
            }
            values.push(value);
        }
    }
}

impl Series {
    fn value(&self) -> f64 {
        match self.course {
            Course::Constant | Course::Counter(_) => self.state as f64,
            Course::Seconds(_) => self.state as f64 / 100.0,
            Course::Bytes(_) => (self.state * 4096) as f64,
        }
    }
}
