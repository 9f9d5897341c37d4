//! Where words come from that must not be seen.

pub(crate) use sonde_proto::{HIDDEN, Secret};
use std::path::PathBuf;

/// The longest secret file that is read.
const FILE_BYTES_MAX: u64 = 64 << 10;

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
