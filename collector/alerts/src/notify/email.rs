//! A mail: text and HTML, over SMTP with STARTTLS (or TLS from the start on port 465).
//!
//! The `Message-Id` is made from the delivery's identity, so mail servers and readers that
//! know a message recognise a second attempt to deliver it.

use super::{Message, Tls};
use crate::core::{Verdict, hex};
use crate::secret::SecretSource;
use crate::text::Text;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{
    Mailbox, Mailboxes, MessageBuilder, MultiPart, MultiPartBuilder, SinglePart,
};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Identity, Tls as SmtpTls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};
use tokio::sync::OnceCell;

/// What is written to whom, by way of where.
#[derive(Debug)]
pub(crate) struct Email {
    pub(crate) to: Text,
    pub(crate) from: Text,
    pub(crate) smarthost: Smarthost,
    pub(crate) hello: String,
    pub(crate) login: Option<(String, SecretSource)>,
    pub(crate) requires_tls: bool,
    pub(crate) tls: Tls,
    pub(crate) headers: Vec<(String, Text)>,
    pub(crate) html: Text,
    pub(crate) text: Text,
    pub(crate) threading: Threading,
    pub(crate) prepared: Prepared,
}

/// TLS as it was prepared for the first mail.
#[derive(Default)]
pub(crate) struct Prepared(OnceCell<TlsParameters>);

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prepared")
    }
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Smarthost {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Which mails about a group belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threading {
    /// None.
    Off,
    /// Those of a day.
    Daily,
    /// All.
    Whole,
}

/// The port on which TLS begins at once.
const SMTPS: u16 = 465;

/// How long a header may be, in characters.
const HEADER_CHARS_MAX: usize = 2000;

/// How long one step of the conversation may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

impl Smarthost {
    /// `host:port`, `[::1]:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let is_host = !host.is_empty()
            && (bare.is_some() || !host.contains(':'))
            && !host.contains(char::is_whitespace);
        Some(Self {
            host: host.to_owned(),
            port: port.parse().ok().filter(|port| *port > 0)?,
        })
        .filter(|_| is_host)
    }

    /// Whether it is this machine.
    pub(crate) fn is_local(&self) -> bool {
        let is_loopback = |address: std::net::IpAddr| address.is_loopback();
        self.host == "localhost" || self.host.parse().is_ok_and(is_loopback)
    }

    /// Whether TLS begins at once.
    pub(crate) fn is_smtps(&self) -> bool {
        self.port == SMTPS
    }
}

impl Email {
    pub(crate) async fn send(&self, message: &Message) -> Verdict {
        let mail = match self.mail(message) {
            Ok(mail) => mail,
            Err(error) => return Verdict::Rejected { error },
        };
        let transport = match self.transport().await {
            Ok(transport) => transport,
            Err(error) => return Verdict::Retry { error, after: None },
        };
        match transport.send(mail).await {
            Ok(_) => Verdict::Sent,
            Err(error) if error.is_permanent() => Verdict::Rejected {
                error: describe(&error),
            },
            Err(error) => Verdict::Retry {
                error: describe(&error),
                after: None,
            },
        }
    }

    async fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.smarthost.host)
                .port(self.smarthost.port)
                .hello_name(ClientId::Domain(self.hello.clone()))
                .timeout(Some(STEP_TIMEOUT))
                .tls(self.encryption().await?);
        if let Some((username, password)) = &self.login {
            let password = password.read().await?.expose().to_owned();
            builder = builder
                .credentials(Credentials::new(username.clone(), password))
                .authentication(vec![Mechanism::Plain, Mechanism::Login]);
        }
        Ok(builder.build())
    }

    /// Without `require_tls` nothing is encrypted, as in Alertmanager; the configuration check
    /// has made sure that no password is sent that way to another machine.
    async fn encryption(&self) -> Result<SmtpTls, String> {
        if !self.smarthost.is_smtps() && !self.requires_tls {
            return Ok(SmtpTls::None);
        }
        let parameters = self
            .prepared
            .0
            .get_or_try_init(|| self.tls_parameters())
            .await?
            .clone();
        Ok(if self.smarthost.is_smtps() {
            SmtpTls::Wrapper(parameters)
        } else {
            SmtpTls::Required(parameters)
        })
    }

    async fn tls_parameters(&self) -> Result<TlsParameters, String> {
        let failed =
            |error: lettre::transport::smtp::Error| format!("prepare TLS: {}", describe(&error));
        let mut builder = TlsParameters::builder(self.smarthost.host.clone());
        if !self.tls.is_plain() {
            let authorities = self.tls.authorities().await?;
            if !authorities.iter().all(u8::is_ascii_whitespace) {
                builder = builder
                    .add_root_certificate(Certificate::from_pem(&authorities).map_err(failed)?);
            }
            if let Some((certificate, key)) = self.tls.identity().await? {
                builder =
                    builder.identify_with(Identity::from_pem(&certificate, &key).map_err(failed)?);
            }
            builder = builder.dangerous_accept_invalid_certs(self.tls.trusts_anybody);
        }
        builder.build_rustls().map_err(failed)
    }

    fn mail(&self, message: &Message) -> Result<lettre::Message, String> {
        let from: Mailbox = self.address("from", &message.text(&self.from))?;
        let to: Mailboxes = self.address("to", &message.text(&self.to))?;
        let recipients = to.iter().map(|mailbox| mailbox.email.clone()).collect();
        let envelope = Envelope::new(Some(from.email.clone()), recipients)
            .map_err(|error| format!("addresses: {error}"))?;
        let id = message
            .delivery
            .id
            .get(..40)
            .unwrap_or(&message.delivery.id);
        let mut builder = lettre::Message::builder()
            .date(SystemTime::UNIX_EPOCH + Duration::from_nanos(message.delivery.at.0))
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .mailbox(lettre::message::header::To::from(to))
            .from(from)
            .envelope(envelope);
        if let Some(thread) = self.thread(message) {
            builder = builder.references(thread.clone()).in_reply_to(thread);
        }
        for (name, text) in &self.headers {
            let is_subject = name.eq_ignore_ascii_case("subject");
            let value = if is_subject {
                message.headline(text)
            } else {
                message.text(text)
            };
            let name = HeaderName::new_from_ascii(name.clone())
                .map_err(|error| format!("header {name}: {error}"))?;
            builder = builder.raw_header(HeaderValue::new(name, one_line(&value)));
        }
        let mail = self.with_body(builder, message);
        mail.map_err(|error| format!("compose mail: {error}"))
    }

    fn address<T: std::str::FromStr>(&self, what: &str, text: &str) -> Result<T, String> {
        text.trim()
            .parse()
            .map_err(|_| format!("`{what}` is no address: {text:?}"))
    }

    /// Text first and HTML last: readers show the last part that they can.
    fn with_body(
        &self,
        builder: MessageBuilder,
        message: &Message,
    ) -> Result<lettre::Message, lettre::error::Error> {
        let (text, html) = (message.text(&self.text), message.text(&self.html));
        match (text.is_empty(), html.is_empty()) {
            (true, true) => builder.singlepart(SinglePart::plain(message.summary())),
            (false, true) => builder.singlepart(SinglePart::plain(text)),
            (true, false) => {
                let parts = alternatives(&html).singlepart(SinglePart::html(html));
                builder.multipart(parts)
            }
            (false, false) => {
                let parts = alternatives(&format!("{text}{html}"))
                    .singlepart(SinglePart::plain(text))
                    .singlepart(SinglePart::html(html));
                builder.multipart(parts)
            }
        }
    }

    fn thread(&self, message: &Message) -> Option<String> {
        let hash = hex(&Sha256::digest(&message.delivery.slot.group_key));
        let hash = hash.get(..16)?;
        match self.threading {
            Threading::Off => None,
            Threading::Whole => Some(format!("<alert-{hash}@alertmanager>")),
            Threading::Daily => {
                let day = super::message::rfc3339(Some(message.delivery.at))
                    .get(..10)?
                    .to_owned();
                Some(format!("<alert-{hash}-{day}@alertmanager>"))
            }
        }
    }
}

/// The boundary is a hash of what it bounds, so no content can contain it.
fn alternatives(content: &str) -> MultiPartBuilder {
    let hash = hex(&Sha256::digest(content));
    MultiPart::alternative().boundary(format!("part-{hash}"))
}

/// A line: a line break in a header would begin another header.
fn one_line(text: &str) -> String {
    text.chars()
        .take(HEADER_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// An error with its causes.
fn describe(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        if !text.contains(&next.to_string()) {
            text = format!("{text}: {next}");
        }
        cause = next.source();
    }
    text
}
