//! `sonde demo`: a shop that breaks, watched from the first request to the page that
//! tells why. Nothing is simulated but the shop: requests are real HTTP, traces real OTLP,
//! logs real files, and the alert takes the way it takes in production.

mod shop;
mod service;
mod container_log;
mod customers;
mod inbox;
mod chain;

use crate::Failure;
use crate::client::Client;
use crate::command::{DemoArguments, ServerArguments};
use crate::config::{self, Config};
use crate::up::{Both, stop_signal};
use chain::{Chain, Link};
use customers::Customers;
use inbox::Inbox;
use shop::Shop;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long the shop is healthy.
const HEALTHY: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Runs the demo.
pub(crate) async fn demo(arguments: &DemoArguments) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let stop = stop_signal()?;
    let home = Home::open(arguments.data_dir.as_deref())?;
    let inbox = Inbox::open().await?;
    let config = configuration(&home.path, &inbox, &arguments.set)?;
    let both = Both::start(&config).await?;
    let addresses = both.collector.addresses();
    let url = format!("http://{}", addresses.http);
    let shop = Shop::open(
        &log_dir(&home.path),
        &format!("http://{}", addresses.otlp_grpc),
    )
    .await?;
    let customers = Customers::come(shop.url())?;
    say(begun, &format!("collector and agent run: {url}"));
    say(
        begun,
        "five services are open for business, all is well; payment will break in 10 s",
    );

    let server = ServerArguments {
        url: url.clone(),
        tenant: None,
        json: true,
    };
    let mut watch = Watch {
        begun,
        chain: Chain::new(Client::new(&server)?),
        missing: Link::ALL.to_vec(),
    };
    let watched = watch.run(arguments, &shop, &customers, &inbox, &url);
    let outcome = tokio::select! {
        outcome = watched => outcome,
        () = stop => Ok(()),
    };
    say(
        begun,
        &format!(
            "{} requests, {} failed",
            customers.seen.requests(),
            customers.seen.failed()
        ),
    );
    drop(customers);
    shop.close().await;
    both.stop().await;
    outcome?;
    Ok(watch.verdict(arguments.exit))
}

/// Follows the chain and says what comes to hold.
struct Watch {
    begun: Instant,
    chain: Chain,
    missing: Vec<Link>,
}

impl Watch {
    /// Ends when the time is up, or with the last link where `--exit` asks for it.
    async fn run(
        &mut self,
        arguments: &DemoArguments,
        shop: &Shop,
        customers: &Customers,
        inbox: &Inbox,
        url: &str,
    ) -> Result<(), Failure> {
        let mut healthy = true;
        let mut ticks = tokio::time::interval(ASK_EVERY);
        while arguments
            .duration
            .is_none_or(|limit| self.begun.elapsed() < limit)
        {
            ticks.tick().await;
            if healthy && self.begun.elapsed() >= HEALTHY {
                healthy = false;
                shop.break_payment();
                say(self.begun, "payment gets slow and starts to fail now");
            }
            if self.ask(customers, inbox).await? && self.missing.is_empty() {
                self.finale(arguments, url)?;
                if arguments.exit {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Asks for what is missing. True when something came to hold.
    async fn ask(&mut self, customers: &Customers, inbox: &Inbox) -> Result<bool, Failure> {
        let before = self.missing.len();
        for link in std::mem::take(&mut self.missing) {
            match self.chain.holds(link, &customers.seen, inbox).await? {
                Some(seen) => say(self.begun, &format!("✓ {}: {seen}", link.promise())),
                None => self.missing.push(link),
            }
        }
        Ok(self.missing.len() < before)
    }

    fn finale(&self, arguments: &DemoArguments, url: &str) -> Result<(), Failure> {
        let page = format!("{url}/alerts/{}", self.chain.fingerprint().unwrap_or(""));
        say(self.begun, &format!("open this: {page}"));
        if let Some(file) = &arguments.url_file {
            std::fs::write(file, &page)
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        }
        Ok(())
    }

    fn verdict(&self, exit: bool) -> ExitCode {
        if self.missing.is_empty() || !exit {
            return ExitCode::SUCCESS;
        }
        for link in &self.missing {
            say(self.begun, &format!("✗ not seen: {}", link.promise()));
        }
        ExitCode::FAILURE
    }
}

/// The demo's data directory; removed at the end unless it was named.
struct Home {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Home {
    fn open(named: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = named {
            std::fs::create_dir_all(path)
                .map_err(|error| format!("cannot create {}: {error}", path.display()))?;
            return Ok(Self {
                path: path.canonicalize()?,
                _temporary: None,
            });
        }
        let temporary = tempfile::Builder::new().prefix("sonde-demo-").tempdir()?;
        Ok(Self {
            path: temporary.path().canonicalize()?,
            _temporary: Some(temporary),
        })
    }
}

fn log_dir(home: &Path) -> PathBuf {
    home.join("pods")
}

/// Free ports, quick rules, the shop's logs, and routing to the inbox.
fn configuration(home: &Path, inbox: &Inbox, set: &[(String, String)]) -> Result<Config, Failure> {
    let routing = home.join("alerts.yaml");
    std::fs::write(&routing, routing_file(&inbox.url()))?;
    let text = format!(
        "data_dir: {data}\nhttp: {{listen: '127.0.0.1:7070'}}\n\
         otlp: {{grpc: {{listen: '127.0.0.1:0'}}, http: {{listen: '127.0.0.1:0'}}}}\n\
         rules: {{interval_ms: 2000}}\nalerts: {{config_file: {routing}}}\n\
         agent: {{tail: {{paths: [{logs}], from_beginning: true}}, node: {{interval_ms: 2000}}}}\n",
        data = yaml(&home.join("data")),
        routing = yaml(&routing),
        logs = yaml(&log_dir(home).join("*/*/*.log")),
    );
    let mut config = config::parse("demo", &text, set)?;
    let chosen = set.iter().any(|(key, _)| key.starts_with("http"));
    if !chosen && std::net::TcpListener::bind(config.http.listen).is_err() {
        config.http.listen.set_port(0);
    }
    Ok(config)
}

/// A path as a YAML scalar: JSON strings are YAML.
fn yaml(path: &Path) -> String {
    serde_json::Value::from(path.display().to_string()).to_string()
}

fn routing_file(slack: &str) -> String {
    format!(
        "route:\n  receiver: inbox\n  group_by: [alertname, service]\n  group_wait: 1s\n  group_interval: 5s\n  \
         repeat_interval: 1h\nreceivers:\n- name: inbox\n  slack_configs:\n  - api_url: {slack}\n    \
         channel: '#shop'\n    send_resolved: true\n"
    )
}

/// One line of progress, with the seconds since the start.
fn say(begun: Instant, text: &str) {
    // A closed terminal does not stop the demo; the exit code still tells.
    let _ = writeln!(
        std::io::stdout(),
        "{:>6.1} s  {text}",
        begun.elapsed().as_secs_f64()
    );
}
