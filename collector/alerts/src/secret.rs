//! Words that must not be seen: they print as `<secret>`, everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use std::path::PathBuf;

/// What is printed in place of a secret.
pub(crate) const HIDDEN: &str = "<secret>";

/// The longest secret file that is read.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A password, token or URL with a token in it.
#[derive(Clone, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Hides a text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Its callers are the places to review.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(HIDDEN)
    }
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// Written in the configuration.
    Inline(Secret),
    /// The content of a file, read again for every notification so that it can be rotated.
    File(PathBuf),
}

impl SecretSource {
    /// The secret as it is now, without surrounding white space.
    ///
    /// # Errors
    /// A sentence that names the file and the cause, and never its content.
    pub(crate) async fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => read_file(path).await,
        }
    }
}

async fn read_file(path: &std::path::Path) -> Result<Secret, String> {
    use tokio::io::AsyncReadExt;
    let failed = |error: std::io::Error| {
        format!(
            "read secret file {}: {error}; mount the file or correct its path",
            path.display()
        )
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .await
        .map_err(failed)?;
    match text.trim() {
        "" => Err(format!("secret file {} is empty", path.display())),
        secret => Ok(Secret::new(secret)),
    }
}

#[cfg(test)]
mod tests;
