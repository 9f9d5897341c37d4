//! A node_exporter of our own, scraped.

use crate::Failure;
use crate::program::{free_port, in_path};
use crate::write::{Label, Sample, TimeSeries};
use sonde_exposition::{Family, Format, Options, SampleValue, Sink, read};
use std::ops::ControlFlow;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Killed when dropped.
pub(crate) struct Node {
    _child: Child,
    url: String,
    http: reqwest::Client,
}

impl Node {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let file = in_path("prometheus-node-exporter")
            .ok_or("there is no prometheus-node-exporter; install it")?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let child = Command::new(file)
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let node = Self {
            _child: child,
            url: format!("http://{address}/metrics"),
            http: reqwest::Client::builder().no_proxy().build()?,
        };
        for _ in 0..250 {
            if node.body().await.is_ok() {
                return Ok(node);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("node_exporter does not answer".into())
    }

    async fn body(&self) -> Result<String, Failure> {
        let answer = self.http.get(&self.url).send().await?.error_for_status()?;
        Ok(answer.text().await?)
    }

    /// All its series with one sample each.
    pub(crate) async fn scrape(&self, timestamp: i64) -> Result<Vec<TimeSeries>, Failure> {
        let body = self.body().await?;
        let mut series = Found {
            timestamp,
            series: Vec::new(),
        };
        read(
            Format::Text,
            body.as_bytes(),
            &Options::default(),
            &mut series,
        )
        .map_err(|error| error.to_string())?;
        Ok(series.series)
    }
}

struct Found {
    timestamp: i64,
    series: Vec<TimeSeries>,
}

impl Sink for Found {
    fn family(&mut self, _: &Family<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn sample(&mut self, sample: &sonde_exposition::Sample<'_>) -> ControlFlow<()> {
        let SampleValue::Float(value) = sample.value else {
            return ControlFlow::Continue(());
        };
        let label = |name: &str, value: &str| Label {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let mut labels = vec![
            label("__name__", sample.name),
            label("instance", "node:9100"),
            label("job", "node"),
        ];
        labels.extend(sample.labels.iter().map(|l| label(&l.name, &l.value)));
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        self.series.push(TimeSeries {
            labels,
            samples: vec![Sample {
                value,
                timestamp: self.timestamp,
            }],
        });
        ControlFlow::Continue(())
    }
}
