//! Sonde scrapes over TLS and says who it is, against Prometheus' own server.

use crate::harness::{PATIENCE, Sonde, list};
use crate::prometheus_api::Prometheus;
use crate::scrape::INTERVAL;
use crate::tools::tool;
use serde_json::{Value, json};
use std::path::Path;
use tokio::process::Command;

const PASSWORD: &str = "correct-horse-battery";
/// The same, as Prometheus' server wants it: bcrypt.
const HASHED: &str = "$2b$04$nwKoBf.ay6MPLK6j1HJPn.tvruPZjjxME.SH5v09G45TrpbP.z81i";

async fn openssl(dir: &Path, arguments: &str) {
    let command = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(dir)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, command)
        .await
        .unwrap()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments}: {error}");
}

/// An authority in `ca.pem`, and in `cert.pem` and `key.pem` what it signed for `scraped.test`.
async fn certificates(dir: &Path) {
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let ca = format!("req -x509 {curve} -days 2 -subj /CN=ca -keyout ca.key -out ca.pem");
    openssl(dir, &ca).await;
    let asked = "-subj /CN=scraped.test -addext subjectAltName=DNS:scraped.test";
    let request = format!("req {curve} {asked} -keyout key.pem -out request.pem");
    openssl(dir, &request).await;
    let signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy";
    let sign = format!("x509 -req -in request.pem {signed} -days 2 -out cert.pem");
    openssl(dir, &sign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_trusted_by_its_certificate_and_asked_with_a_password() {
    let Some(program) = tool("PROMETHEUS") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path()).await;
    let file = |name: &str| dir.path().join(name).display().to_string();
    let web = json!({
        "tls_server_config": {"cert_file": file("cert.pem"), "key_file": file("key.pem")},
        "basic_auth_users": {"me": HASHED},
    });
    std::fs::write(file("web.yml"), web.to_string()).unwrap();
    std::fs::write(file("password"), format!("{PASSWORD}\n")).unwrap();
    let flag = format!("--web.config.file={}", file("web.yml"));
    let target = Prometheus::start(&program, &dir.path().join("theirs"), "{}", &[&flag]).await;
    let address = target.url.strip_prefix("http://").unwrap();

    let trusting = json!({"ca_file": file("ca.pem"), "server_name": "scraped.test"});
    let from_file = json!({"username": "me", "password_file": file("password")});
    let job = |name: &str, tls: Value, auth: Value| {
        json!({"job_name": name, "scheme": "https", "tls_config": tls, "basic_auth": auth,
               "static_configs": [{"targets": [address]}]})
    };
    let jobs = json!([
        job("good", trusting.clone(), from_file.clone()),
        job(
            "any",
            json!({"insecure_skip_verify": true}),
            json!({"username": "me", "password": PASSWORD})
        ),
        job(
            "stranger",
            json!({"server_name": "scraped.test"}),
            from_file.clone()
        ),
        job("misnamed", json!({"ca_file": file("ca.pem")}), from_file),
        job(
            "wrong",
            trusting,
            json!({"username": "me", "password": format!("{PASSWORD}-not")})
        ),
    ])
    .to_string();
    let global = json!({"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL}).to_string();
    let sonde = Sonde::up(
        dir.path(),
        &[
            ("agent.tail.paths", "[]"),
            ("agent.node.enabled", "false"),
            ("agent.scrape.global", global.as_str()),
            ("agent.scrape.scrape_configs", jobs.as_str()),
        ],
    )
    .await;
    // On a machine that is slow a scrape may once come too late: then it is the next that counts.
    let wanted = [
        ("any", "up", ""),
        ("good", "up", ""),
        ("misnamed", "down", "TLS: "),
        ("stranger", "down", "TLS: "),
        ("wrong", "down", "401"),
    ];
    let is_so = |answer: &Value| {
        let active = list(&answer["data"], "activeTargets");
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        active.len() == wanted.len()
            && active
                .iter()
                .zip(wanted)
                .all(|(one, (pool, health, error))| {
                    text(one, "scrapePool") == pool
                        && text(one, "health") == health
                        && text(one, "lastError").contains(error)
                })
    };
    let targets = sonde.until("/api/v1/targets", &[], is_so).await;
    sonde
        .until(
            "/api/v1/query",
            &[("query", "prometheus_build_info{job=\"good\"}")],
            |answer| !list(&answer["data"], "result").is_empty(),
        )
        .await;
    let status = sonde.get("/sonde/v1/status", &[]).await;
    let shown = format!("{targets}{status}{}", sonde.log());
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(sonde.stop().await.success());
}
