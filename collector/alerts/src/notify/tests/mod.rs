//! Tests of the integrations against a server that records what it is sent.

mod bodies;
mod email;
mod email_tls;
mod http;

use super::*;
use crate::config::{AlertConfig, read_config};
use crate::core::Delivery;
use crate::fixture::Server;

/// The configuration of one receiver, whose settings are given as YAML.
fn configure(receiver: &str) -> AlertConfig {
    let text = format!("route: {{receiver: team.x}}\nreceivers:\n- name: team.x\n{receiver}\n");
    read_config("alertmanager.yaml", &text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Sends a delivery by the only integration of a receiver. Returns the failures of templates.
async fn send(receiver: &str, delivery: Delivery) -> (Verdict, Vec<String>) {
    let config = configure(receiver);
    let message = Message::new(delivery, "http://sonde.example.org");
    let verdict = config.receivers["team.x"][0].send(&message).await;
    (verdict, message.template_errors())
}

/// Sends, which must succeed, and returns what the server got.
async fn sent(server: &Server, receiver: &str, delivery: Delivery) -> serde_json::Value {
    let (verdict, errors) = send(receiver, delivery).await;
    assert_eq!((verdict, errors), (Verdict::Sent, vec![]));
    server.only().body
}
