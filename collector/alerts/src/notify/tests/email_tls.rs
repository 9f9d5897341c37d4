//! Mails over an encrypted connection, and none to a server that cannot be trusted.

use super::*;
use crate::fixture::two;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

const CERTIFICATE: &str = include_str!("localhost.cert.pem");
const KEY: &str = include_str!("localhost.key.pem");

fn tls() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

/// Answers commands until the client leaves or wants encryption. Returns the commands, and the
/// stream when it wants encryption.
fn converse<S: Read + Write>(stream: S, offer: &str) -> (Vec<String>, Option<S>) {
    let mut stream = BufReader::new(stream);
    let mut commands = Vec::new();
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        let command = std::mem::take(&mut line).trim_end().to_owned();
        let answer = match command.split(' ').next() {
            Some("EHLO") => offer,
            Some("STARTTLS") => "220 go on",
            Some("AUTH") => "235 welcome",
            Some("DATA") => "354 go on",
            Some("QUIT") => "221 bye",
            Some("." | "MAIL" | "RCPT") => "250 ok",
            _ => "",
        };
        let is_content = answer.is_empty();
        commands.extend((!is_content).then_some(command));
        if !is_content {
            write!(stream.get_mut(), "{answer}\r\n").unwrap();
        }
        if answer == "220 go on" {
            return (commands, Some(stream.into_inner()));
        }
    }
    (commands, None)
}

/// Takes one connection. Returns the commands before encryption and after it.
fn serve(listener: &TcpListener) -> (Vec<String>, Vec<String>) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"220 localhost\r\n").unwrap();
    let (open, stream) = converse(stream, "250-localhost\r\n250 STARTTLS");
    let Some(stream) = stream else {
        return (open, vec![]);
    };
    let connection = ServerConnection::new(tls()).unwrap();
    let encrypted = StreamOwned::new(connection, stream);
    (
        open,
        converse(encrypted, "250-localhost\r\n250 AUTH PLAIN").0,
    )
}

async fn mail(settings: &str) -> (Verdict, Vec<String>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || serve(&listener));
    let receiver = format!(
        "  email_configs:\n  - {{to: a@b.org, from: c@d.org, smarthost: '127.0.0.1:{port}', auth_username: u, auth_password: s3cret{settings}}}"
    );
    let (verdict, _) = send(&receiver, two()).await;
    let (open, encrypted) = server.join().unwrap();
    (verdict, open, encrypted)
}

#[tokio::test]
async fn a_password_and_a_mail_are_only_sent_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let authorities = dir.path().join("ca.pem");
    std::fs::write(&authorities, CERTIFICATE).unwrap();
    let settings = format!(", tls_config: {{ca_file: '{}'}}", authorities.display());
    let (verdict, open, encrypted) = mail(&settings).await;
    assert_eq!(verdict, Verdict::Sent);
    assert_eq!(open, ["EHLO localhost", "STARTTLS"]);
    let words: Vec<&str> = encrypted
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(words, ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", ".", "QUIT"]);
}

#[tokio::test]
async fn a_server_that_cannot_be_trusted_gets_neither() {
    let (verdict, open, encrypted) = mail("").await;
    let Verdict::Retry { error, .. } = &verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        error.contains("certificate") && !error.contains("s3cret"),
        "{error}"
    );
    assert_eq!((open.len(), encrypted), (2, vec![]));
}
