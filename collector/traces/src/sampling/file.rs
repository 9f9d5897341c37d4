//! Small files of the store beside its manifest, replaced as a whole.
//!
//! ```text
//! sonde-sampling 1 9a3bc01f\n     format version, CRC-32C of everything after the newline
//! …                               see `Decisions::encode` and `Votes::encode`
//! ```
//!
//! After a crash there is the old file or the new one, whole. One that is damaged or of another
//! version is as none: what it said is decided anew.

use sonde_proto::Tenant;
use sonde_segment::blocks::{put_varint, take_varint};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

const WORD: &str = "sonde-sampling 1";

/// Puts bytes in the place of a file, durably.
pub(super) fn replace(path: &Path, body: &[u8]) -> io::Result<()> {
    // A name of its own: others are replaced at the same time.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let mut file = File::create(temporary)?;
    writeln!(file, "{WORD} {:08x}", crc32c::crc32c(body))?;
    file.write_all(body)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// What lies in a file, where it is there and whole.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read what was decided of traces; it is decided anew");
            return None;
        }
    };
    let body = body(&bytes);
    if body.is_none() {
        tracing::warn!(path = %path.display(), "what was decided of traces is damaged or of another version; it is decided anew");
    }
    body.map(<[u8]>::to_vec)
}

fn body(bytes: &[u8]) -> Option<&[u8]> {
    let newline = bytes.iter().position(|b| *b == b'\n')?;
    let (head, body) = (&bytes[..newline], &bytes[newline + 1..]);
    let expected = format!("{WORD} {:08x}", crc32c::crc32c(body));
    (head == expected.as_bytes()).then_some(body)
}

pub(super) fn put_tenant(out: &mut Vec<u8>, tenant: &Tenant) {
    put_varint(out, tenant.as_str().len() as u64);
    out.extend_from_slice(tenant.as_str().as_bytes());
}

pub(super) fn take_tenant(bytes: &mut &[u8]) -> Option<Tenant> {
    let len = usize::try_from(take_varint(bytes)?).ok()?;
    let name = std::str::from_utf8(bytes.split_off(..len)?).ok()?;
    Tenant::new(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_replaced_at_the_same_time_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, body: &[u8]| {
            let path = dir.path().join(name);
            for _ in 0..50 {
                replace(&path, body).unwrap();
                assert_eq!(read(&path).as_deref(), Some(body), "{name}");
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| write("a.decisions", &[1; 5_000]));
            scope.spawn(|| write("a.votes", &[2; 9_000]));
        });
    }

    #[test]
    fn a_file_is_whole_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.decisions");
        assert_eq!(read(&path), None);
        replace(&path, b"old").unwrap();
        replace(&path, b"new body\n").unwrap();
        assert_eq!(read(&path).as_deref(), Some(&b"new body\n"[..]));
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(read(&path), None, "{at}");
            fs::write(&path, &bytes[..at]).unwrap();
            assert_eq!(read(&path), None, "{at}");
        }
    }
}
