//! A pushed body as families of samples, with the labels of its group.

use serde::{Deserialize, Serialize};
use sonde_exposition::{self as exposition, Bounds, Format, Options, SampleValue, Sink, format_of};
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

/// Metrics of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Family {
    pub(super) name: String,
    /// In Prometheus' words.
    pub(super) kind: String,
    pub(super) help: String,
    pub(super) unit: String,
    pub(super) samples: Vec<Sample>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) name: String,
    /// Those of its group among them. An empty value is no label.
    pub(super) labels: BTreeMap<String, String>,
    /// The bits of a float: all NaNs and infinities are kept.
    bits: u64,
}

impl Sample {
    pub(super) fn new(name: &str, labels: BTreeMap<String, String>, value: f64) -> Self {
        Self {
            name: name.to_owned(),
            labels,
            bits: value.to_bits(),
        }
    }

    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }
}

/// Reads a body; what does not say that it is protobuf or OpenMetrics is text.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(
    content_type: Option<&str>,
    body: &[u8],
    bytes_max: usize,
    group: &BTreeMap<String, String>,
) -> Result<Vec<Family>, String> {
    let format = format_of(content_type, Some(Format::Text)).map_err(|error| error.to_string())?;
    let options = Options {
        bounds: Bounds {
            body_bytes: bytes_max,
            ..Bounds::default()
        },
        created_as_samples: true,
        classic_beside_native: true,
    };
    let mut reader = Reader {
        group,
        families: Vec::new(),
        seen: HashSet::new(),
        fault: None,
    };
    exposition::read(format, body, &options, &mut reader).map_err(|error| error.to_string())?;
    match reader.fault {
        Some(fault) => Err(fault),
        None => {
            reader.families.retain(|family| !family.samples.is_empty());
            Ok(reader.families)
        }
    }
}

struct Reader<'g> {
    group: &'g BTreeMap<String, String>,
    families: Vec<Family>,
    seen: HashSet<(String, BTreeMap<String, String>)>,
    fault: Option<String>,
}

impl Reader<'_> {
    fn take(&mut self, sample: &exposition::Sample<'_>) -> Result<(), String> {
        if sample.time.is_some() {
            return Err(format!(
                "pushed metrics must not have timestamps, and one of {:?} has",
                sample.name
            ));
        }
        let SampleValue::Float(value) = sample.value else {
            return Err(format!(
                "{:?} is a native histogram without classic buckets, which cannot be pushed",
                sample.name
            ));
        };
        let mut labels: BTreeMap<String, String> = sample
            .labels
            .iter()
            .map(|label| (label.name.to_string(), label.value.to_string()))
            .collect();
        labels.extend(self.group.clone());
        labels.retain(|_, value| !value.is_empty());
        if !self.seen.insert((sample.name.to_owned(), labels.clone())) {
            return Err(format!(
                "{:?} was there before with the same name and label values",
                sample.name
            ));
        }
        if let Some(family) = self.families.last_mut() {
            family.samples.push(Sample::new(sample.name, labels, value));
        }
        Ok(())
    }
}

impl Sink for Reader<'_> {
    fn family(&mut self, family: &exposition::Family<'_>) -> ControlFlow<()> {
        let kind = family.kind.word();
        let known = self.families.iter().position(|one| one.name == family.name);
        if let Some(at) = known {
            // More is said of it, or its samples do not stand together.
            let mut again = self.families.remove(at);
            if !again.samples.is_empty() && again.kind != kind {
                self.fault = Some(format!("{:?} has two types", family.name));
                return ControlFlow::Break(());
            }
            kind.clone_into(&mut again.kind);
            self.families.push(again);
            return ControlFlow::Continue(());
        }
        self.families.push(Family {
            name: family.name.to_string(),
            kind: kind.to_owned(),
            help: family.help.to_string(),
            unit: family.unit.to_string(),
            samples: Vec::new(),
        });
        ControlFlow::Continue(())
    }

    fn sample(&mut self, sample: &exposition::Sample<'_>) -> ControlFlow<()> {
        match self.take(sample) {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => {
                self.fault = Some(fault);
                ControlFlow::Break(())
            }
        }
    }
}
