//! Bodies of each format, read from start to end into a [`Sink`].

mod announce;
mod cursor;
mod series;
mod created;
mod text;
mod protobuf;
mod wire;

use crate::bounds::{Bounds, Options};
use crate::content::Format;
use crate::error::{Halt, Malformed, Place};
use crate::family::{Family, Sample, Sink};

/// Reads a whole body.
///
/// Samples come as they stand in the body. Ends early, without error, when the sink breaks.
///
/// # Errors
/// The first thing that the format does not allow, or that is beyond the bounds. What stood
/// before it was given to the sink.
pub fn read(
    format: Format,
    body: &[u8],
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<(), Malformed> {
    let bounds = options.bounds;
    if body.len() > bounds.body_bytes {
        let place = match format {
            Format::Protobuf => Place::Byte(0),
            Format::Text | Format::OpenMetrics => Place::Line { line: 1, column: 1 },
        };
        let message = format!(
            "the body has {} bytes and at most {} are read; send less at once",
            body.len(),
            bounds.body_bytes
        );
        return Err(Malformed { place, message });
    }
    let out = Out {
        sink,
        bounds,
        samples: 0,
    };
    let done = match format {
        Format::Text => text::read(body, text::Dialect::Prometheus, *options, out),
        Format::OpenMetrics => text::read(body, text::Dialect::OpenMetrics, *options, out),
        Format::Protobuf => protobuf::read(body, *options, out),
    };
    match done {
        Ok(()) | Err(Halt::Stopped) => Ok(()),
        Err(Halt::Malformed(malformed)) => Err(malformed),
    }
}

/// The sink, and how much it was given.
struct Out<'s> {
    sink: &'s mut dyn Sink,
    bounds: Bounds,
    samples: usize,
}

impl Out<'_> {
    fn family(&mut self, family: &Family<'_>) -> Result<(), Halt> {
        if self.sink.family(family).is_break() {
            return Err(Halt::Stopped);
        }
        Ok(())
    }

    /// Gives a sample; `place` is asked where it is one too many.
    fn sample(&mut self, sample: &Sample<'_>, place: impl FnOnce() -> Place) -> Result<(), Halt> {
        if self.samples == self.bounds.samples {
            let message = format!(
                "the body has more than {} samples; send less at once",
                self.bounds.samples
            );
            return Err(Halt::Malformed(Malformed {
                place: place(),
                message,
            }));
        }
        self.samples += 1;
        if self.sink.sample(sample).is_break() {
            return Err(Halt::Stopped);
        }
        Ok(())
    }
}
