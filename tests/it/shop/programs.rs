//! The programs of the shop: `tests/sdk/shop` has them, `tests/setup` builds them.

use crate::harness::PATIENCE;
use crate::tools::{root, tool};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// One program. It ends when its standard input does, and so also when the test is gone.
struct Program {
    name: &'static str,
    address: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

/// All of them, running.
pub(super) struct Shop {
    programs: Vec<Program>,
}

impl Shop {
    /// Starts every program after those that it calls; `None` where they are not installed.
    /// They send to the doors for OTLP over gRPC and over HTTP.
    pub(super) async fn open(dir: &Path, [grpc, http]: [SocketAddr; 2]) -> Option<Self> {
        let tools = tool("SHOP")?;
        let sources = root().join("tests/sdk/shop");
        let mut shipping = Command::new(tools.join("shipping"));
        let shipping = Program::start("shipping", &mut shipping, dir, grpc, &[]).await;
        let mut payment = Command::new("java");
        payment.args([OsStr::new("-cp"), tools.join("payment/*").as_os_str()]);
        payment.args(["-XX:TieredStopAtLevel=1", "shop.Payment"]);
        let called = [("SHIPPING", &*shipping.address)];
        let payment = Program::start("payment", &mut payment, dir, grpc, &called).await;
        let mut cart = Command::new(tools.join("python/bin/python"));
        cart.arg(sources.join("python/cart.py"));
        let capture = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST";
        let headers = [(capture, "x-request-id")];
        let cart = Program::start("cart", &mut cart, dir, http, &headers).await;
        let mut checkout = Command::new(tools.join("checkout"));
        let called = [("CART", &*cart.address), ("PAYMENT", &*payment.address)];
        let checkout = Program::start("checkout", &mut checkout, dir, grpc, &called).await;
        let mut frontend = Command::new("node");
        frontend.arg(sources.join("node/frontend.cjs"));
        let called = [("CART", &*cart.address), ("CHECKOUT", &*checkout.address)];
        let frontend = Program::start("frontend", &mut frontend, dir, http, &called).await;
        Some(Self {
            programs: vec![frontend, checkout, cart, payment, shipping],
        })
    }

    /// Where a program answers.
    pub(super) fn address(&self, name: &str) -> &str {
        let mut programs = self.programs.iter();
        let program = programs.find(|program| program.name == name);
        &program.expect("it is one of the shop's").address
    }

    /// Ends all, callers first, once each has sent what it had; what each says that it sent.
    pub(super) async fn close(self) -> BTreeMap<&'static str, Value> {
        let mut reports = BTreeMap::new();
        for program in self.programs {
            let name = program.name;
            reports.insert(name, program.end().await);
        }
        reports
    }
}

impl Program {
    async fn start(
        name: &'static str,
        command: &mut Command,
        dir: &Path,
        door: SocketAddr,
        environment: &[(&str, &str)],
    ) -> Self {
        let log = dir.join(format!("{name}.log"));
        let mut child = command
            .envs(environment.iter().copied())
            .env("OTEL_SERVICE_NAME", name)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{door}"))
            .env("OTEL_BSP_SCHEDULE_DELAY", "500")
            .env("OTEL_BLRP_SCHEDULE_DELAY", "500")
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let mut own = Self {
            name,
            address: String::new(),
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            log,
        };
        let line = own.line().await;
        let address = line.strip_prefix("listening ");
        own.address = address.unwrap_or_else(|| own.fails(&line)).to_owned();
        own
    }

    /// The next line that it prints.
    async fn line(&mut self) -> String {
        match tokio::time::timeout(PATIENCE, self.stdout.next_line()).await {
            Ok(Ok(Some(line))) => line,
            other => self.fails(&format!("{other:?}")),
        }
    }

    async fn end(mut self) -> Value {
        drop(self.stdin.take());
        let line = self.line().await;
        let report = serde_json::from_str(&line).unwrap_or_else(|_| self.fails(&line));
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let ended = ended.expect("it ends").unwrap();
        if !ended.success() {
            self.fails(&ended.to_string());
        }
        report
    }

    fn fails(&self, why: &str) -> ! {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        panic!("{}: {why}\n{log}", self.name)
    }
}
