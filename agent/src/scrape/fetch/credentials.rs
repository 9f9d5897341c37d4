//! Who we are to a target. Files are read at each scrape, so that they may be replaced.

use crate::scrape::Secret;
use crate::scrape::config::JobConfig;
use http::HeaderValue;
use std::path::{Path, PathBuf};

/// What stands in the `Authorization` header, and where it comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials(Option<Kind>);

#[derive(Clone, Debug)]
enum Kind {
    Basic { name: Source, password: Source },
    Word { scheme: String, word: Source },
}

#[derive(Clone, Debug)]
enum Source {
    Public(String),
    Secret(Secret),
    File(&'static str, PathBuf),
}

impl Credentials {
    /// Checks what a job says.
    ///
    /// # Errors
    /// What does not go together.
    pub(crate) fn new(config: &JobConfig) -> Result<Self, String> {
        let said = [
            config.basic_auth.is_some(),
            config.authorization.is_some(),
            config.bearer_token_file.is_some(),
        ];
        if said.into_iter().filter(|said| *said).count() > 1 {
            return Err(
                "at most one of basic_auth, authorization and bearer_token_file may be set".into(),
            );
        }
        if let Some(basic) = &config.basic_auth {
            let name = match &basic.username_file {
                Some(_) if !basic.username.is_empty() => {
                    return Err("basic_auth: username and username_file are both set".into());
                }
                Some(file) => Source::File("basic_auth.username_file", file.clone()),
                None => Source::Public(basic.username.clone()),
            };
            let password = secret(
                "basic_auth.password_file",
                basic.password.as_ref(),
                basic.password_file.as_ref(),
            )?;
            let password = password.unwrap_or(Source::Public(String::new()));
            return Ok(Self(Some(Kind::Basic { name, password })));
        }
        if let Some(authorization) = &config.authorization {
            let scheme = authorization.scheme.trim().to_owned();
            if scheme.eq_ignore_ascii_case("basic") {
                return Err("authorization.type is Basic; use basic_auth".into());
            }
            let word = secret(
                "authorization.credentials_file",
                authorization.credentials.as_ref(),
                authorization.credentials_file.as_ref(),
            )?;
            return Ok(Self(word.map(|word| Kind::Word { scheme, word })));
        }
        let bearer = config.bearer_token_file.clone().map(|file| Kind::Word {
            scheme: "Bearer".into(),
            word: Source::File("bearer_token_file", file),
        });
        Ok(Self(bearer))
    }

    /// The header, marked as secret.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, String> {
        let text = match &self.0 {
            None => return Ok(None),
            Some(Kind::Basic { name, password }) => {
                let (name, password) = (name.read().await?, password.read().await?);
                format!("Basic {}", base64(format!("{name}:{password}").as_bytes()))
            }
            Some(Kind::Word { scheme, word }) => format!("{scheme} {}", word.read().await?),
        };
        let value = HeaderValue::from_str(text.trim());
        let mut value = value
            .map_err(|_| "the credentials hold what no header may, a line feed say".to_owned())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn secret(
    key: &'static str,
    text: Option<&Secret>,
    file: Option<&PathBuf>,
) -> Result<Option<Source>, String> {
    match (text, file) {
        (Some(_), Some(_)) => Err(format!("{key} and the same without a file are both set")),
        (Some(text), None) => Ok(Some(Source::Secret(text.clone()))),
        (None, Some(file)) => Ok(Some(Source::File(key, file.clone()))),
        (None, None) => Ok(None),
    }
}

impl Source {
    async fn read(&self) -> Result<String, String> {
        match self {
            Self::Public(text) => Ok(text.clone()),
            Self::Secret(secret) => Ok(secret.expose().to_owned()),
            Self::File(key, path) => read(key, path).await,
        }
    }
}

async fn read(key: &str, path: &Path) -> Result<String, String> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| format!("cannot read {} ({key}): {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Base64 with padding (<https://www.rfc-editor.org/rfc/rfc4648#section-4>).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let at = |n: usize| u32::from(part.get(n).copied().unwrap_or_default());
        let bits = (at(0) << 16) | (at(1) << 8) | at(2);
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit)) & 0x3f;
            out.push(if digit <= part.len() {
                char::from(DIGITS[six as usize])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_specification() {
        let all = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let written = all.map(|text| base64(text.as_bytes()));
        let known = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        assert_eq!(written, known);
    }

    #[tokio::test]
    async fn credentials_are_sent_and_never_shown() {
        let config: JobConfig = serde_json::from_str(
            r#"{"job_name": "a", "basic_auth": {"username": "me", "password": "hunter2"}}"#,
        )
        .unwrap();
        let credentials = Credentials::new(&config).unwrap();
        let header = credentials.header().await.unwrap().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic bWU6aHVudGVyMg==");
        let shown = format!("{config:?} {credentials:?} {header:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("bWU6"),
            "{shown}"
        );

        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let config = JobConfig {
            bearer_token_file: Some(file.clone()),
            ..JobConfig::default()
        };
        let credentials = Credentials::new(&config).unwrap();
        let error = credentials.header().await.unwrap_err();
        assert!(error.contains("bearer_token_file"), "{error}");
        std::fs::write(&file, "a-token\n").unwrap();
        let header = credentials.header().await.unwrap().unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer a-token");
    }
}
