//! The values of one label, and which series have each: as it lies in the file, unpacked. A
//! list is read when it is asked for.

use super::SegmentError;
use super::sections::{count, put, small};
use crate::chunk::Damaged;
use crate::symbols::Symbol;

/// The values of one label.
#[derive(Debug, Default)]
pub(super) struct Values {
    lists: Vec<u8>,
    /// Of each value by symbol: how many series, and where its list ends.
    values: Vec<(Symbol, u32, u32)>,
}

impl Values {
    /// Encodes values and the series that have them, which are in order.
    pub(super) fn encode(pairs: &[(Symbol, u32)]) -> Vec<u8> {
        let (mut heads, mut lists) = (Vec::new(), Vec::new());
        let (mut values, mut before) = (0, 0);
        for run in pairs.chunk_by(|a, b| a.0 == b.0) {
            let from = lists.len();
            let mut last = 0;
            for (_, series) in run {
                put(&mut lists, u64::from(series - last));
                last = *series;
            }
            let value = run.first().map_or(0, |(value, _)| *value);
            put(&mut heads, u64::from(value - before));
            put(&mut heads, run.len() as u64);
            put(&mut heads, (lists.len() - from) as u64);
            (values, before) = (values + 1, value);
        }
        let mut out = Vec::with_capacity(heads.len() + lists.len() + 10);
        put(&mut out, values);
        out.extend(heads);
        out.extend(lists);
        out
    }

    /// Reads what [`Self::encode`] wrote; symbols are below `texts`.
    pub(super) fn decode(mut bytes: &[u8], texts: u32) -> Result<Self, SegmentError> {
        let bytes = &mut bytes;
        let (mut value, mut end) = (0u32, 0u32);
        let mut values = Vec::new();
        for _ in 0..count(bytes, 3)? {
            value = value.checked_add(small(bytes)?).ok_or(Damaged)?;
            let series = small(bytes)?;
            let length = small(bytes)?;
            end = end.checked_add(length).ok_or(Damaged)?;
            if value >= texts || series > length {
                return Err(Damaged.into());
            }
            values.push((value, series, end));
        }
        if bytes.len() != end as usize {
            return Err(Damaged.into());
        }
        Ok(Self {
            lists: bytes.to_vec(),
            values,
        })
    }

    /// How many values there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Which of the values it is.
    pub(super) fn find(&self, value: Symbol) -> Option<usize> {
        self.values.binary_search_by_key(&value, |(v, ..)| *v).ok()
    }

    /// How many series have the value at this place.
    pub(super) fn count(&self, at: usize) -> u32 {
        self.values.get(at).map_or(0, |(_, series, _)| *series)
    }

    /// The series that have the value at this place, which are below `series`.
    pub(super) fn list(&self, at: usize, series: u32) -> Result<Vec<u32>, SegmentError> {
        let Some((_, count, end)) = self.values.get(at) else {
            return Ok(Vec::new());
        };
        let before = at.checked_sub(1).and_then(|before| self.values.get(before));
        let start = before.map_or(0, |(.., end)| *end);
        let mut bytes = self
            .lists
            .get(start as usize..*end as usize)
            .ok_or(Damaged)?;
        let (mut list, mut last) = (Vec::with_capacity(*count as usize), 0u32);
        for _ in 0..*count {
            last = last.checked_add(small(&mut bytes)?).ok_or(Damaged)?;
            list.push(last);
        }
        if last < series && bytes.is_empty() {
            Ok(list)
        } else {
            Err(Damaged.into())
        }
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.lists.len() + self.values.len() * 12
    }
}
