//! Frames of the log: see the drawing in the parent module.

/// What every log begins with.
pub(super) const HEADER: &[u8] = b"SONDEALT\x01";

const MARK: [u8; 4] = [0xff, b'A', b'L', 0xff];
const PREFIX_BYTES: usize = 12;

/// Appends a frame to `out`.
pub(super) fn write(record: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(record.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&len);
    out.extend_from_slice(&checksum(len, record).to_le_bytes());
    out.extend_from_slice(record);
}

fn checksum(len: [u8; 4], record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len), record)
}

/// The record of the whole, undamaged frame at the start of `bytes`.
fn read(bytes: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|word| <[u8; 4]>::try_from(word).ok())
    };
    let (mark, len, crc) = (word(0)?, word(4)?, word(8)?);
    let end = PREFIX_BYTES.checked_add(u32::from_le_bytes(len) as usize)?;
    let record = bytes.get(PREFIX_BYTES..end)?;
    (mark == MARK && checksum(len, record) == u32::from_le_bytes(crc)).then_some(record)
}

/// What a log contains.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan<'a> {
    /// The records of all undamaged frames.
    pub(super) records: Vec<&'a [u8]>,
    /// How many stretches between undamaged frames are damaged.
    pub(super) damaged: u64,
    /// Where the last undamaged frame ends.
    pub(super) end: usize,
}

/// Reads the frames behind the header.
pub(super) fn scan(bytes: &[u8]) -> Scan<'_> {
    let mut scan = Scan {
        records: Vec::new(),
        damaged: 0,
        end: HEADER.len(),
    };
    let mut at = scan.end;
    while at < bytes.len() {
        if let Some(record) = read(&bytes[at..]) {
            scan.damaged += u64::from(at > scan.end);
            at += PREFIX_BYTES + record.len();
            scan.end = at;
            scan.records.push(record);
        } else {
            at = next_mark(bytes, at + 1);
        }
    }
    scan
}

/// Where the next mark is, or the end.
fn next_mark(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(MARK.len())
        .position(|window| window == MARK)
        .map_or(bytes.len(), |at| from + at)
}
