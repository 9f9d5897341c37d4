//! Whose data it is: a directory level in every store and a key in every limit.

use std::sync::Arc;

/// The name of one tenant: 1 to 64 of `a-z A-Z 0-9 - _`.
///
/// The narrow alphabet makes the name safe as a directory level, so no store
/// ever builds a path from bytes that came over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

/// Why a tenant's name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tenant {name:?} is not 1 to 64 characters of a-z, A-Z, 0-9, '-' and '_'")]
pub struct TenantError {
    name: String,
}

/// The longest tenant name, in bytes.
const LEN_MAX: usize = 64;

impl Tenant {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`TenantError`] when the name is empty, too long, or has another character.
    pub fn new(name: &str) -> Result<Self, TenantError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > LEN_MAX || !name.bytes().all(allowed) {
            let name = name.chars().take(LEN_MAX).collect();
            return Err(TenantError { name });
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self("default".into())
    }
}

impl std::fmt::Display for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_directory_is_refused() {
        for name in ["", ".", "..", "a/b", "a\\b", "ä", "a b", &"x".repeat(65)] {
            assert!(Tenant::new(name).is_err(), "{name:?}");
        }
        assert_eq!(Tenant::new("team-A_1").unwrap().as_str(), "team-A_1");
    }
}
