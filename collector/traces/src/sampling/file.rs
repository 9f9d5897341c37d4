//! Small files of the store beside its manifest, replaced as a whole.
//!
//! ```text
//! sonde-sampling 2 9a3bc01f\n     format version, CRC-32C of everything after the newline
//! …                               see `Decisions::encode`, `Rates::encode` and `Votes::encode`
//! ```
//!
//! After a crash there is the old file or the new one, whole. One that is damaged or of another
//! version is as none: what it said is decided anew. The first version, which is read, had
//! decisions without rates, and votes without those that came too late.

use sonde_proto::Tenant;
use sonde_segment::blocks::{put_varint, take_varint};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

const WORD: &str = "sonde-sampling";

/// What a file of the store says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) version: Version,
    pub(super) bytes: Vec<u8>,
}

/// The versions that are read; the last is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    First = 1,
    Second,
}

/// Puts bytes in the place of a file, durably.
pub(super) fn replace(path: &Path, body: &[u8]) -> io::Result<()> {
    // A name of its own: others are replaced at the same time.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let mut file = File::create(temporary)?;
    let version = Version::Second as u8;
    writeln!(file, "{WORD} {version} {:08x}", crc32c::crc32c(body))?;
    file.write_all(body)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// What lies in a file, where it is there and whole.
pub(super) fn read(path: &Path) -> Option<Body> {
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
    body
}

fn body(bytes: &[u8]) -> Option<Body> {
    let newline = bytes.iter().position(|b| *b == b'\n')?;
    let (head, body) = (&bytes[..newline], &bytes[newline + 1..]);
    let checksum = crc32c::crc32c(body);
    let is_of = |version: &Version| {
        let expected = format!("{WORD} {} {checksum:08x}", *version as u8);
        head == expected.as_bytes()
    };
    let mut versions = [Version::First, Version::Second].into_iter();
    Some(Body {
        version: versions.find(is_of)?,
        bytes: body.to_vec(),
    })
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::try_from(take_varint(bytes)?).ok()?;
    std::str::from_utf8(bytes.split_off(..len)?).ok()
}

pub(super) fn put_tenant(out: &mut Vec<u8>, tenant: &Tenant) {
    put_text(out, tenant.as_str());
}

pub(super) fn take_tenant(bytes: &mut &[u8]) -> Option<Tenant> {
    Tenant::new(take_text(bytes)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(bytes: &[u8]) -> Option<Body> {
        Some(Body {
            version: Version::Second,
            bytes: bytes.to_vec(),
        })
    }

    #[test]
    fn a_file_of_the_first_version_is_read_and_one_of_a_later_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.votes");
        let write = |version: u8| {
            let head = format!("sonde-sampling {version} {:08x}\n", crc32c::crc32c(b"body"));
            fs::write(&path, [head.as_bytes(), b"body"].concat()).unwrap();
        };
        write(1);
        let body = read(&path).unwrap();
        assert_eq!(
            (body.version, body.bytes.as_slice()),
            (Version::First, &b"body"[..])
        );
        write(2);
        assert_eq!(read(&path), second(b"body"));
        write(3);
        assert_eq!(read(&path), None);
    }

    #[test]
    fn files_that_are_replaced_at_the_same_time_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, body: &[u8]| {
            let path = dir.path().join(name);
            for _ in 0..50 {
                replace(&path, body).unwrap();
                assert_eq!(read(&path), second(body), "{name}");
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
        assert_eq!(read(&path), second(b"new body\n"));
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
