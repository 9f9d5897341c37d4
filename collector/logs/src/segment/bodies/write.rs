//! Writes the bodies of a segment's blocks, and finds their words on the way.

use super::statics::StaticWords;
use super::{PLAIN, TEMPLATED, plain};
use crate::config::BodyEncoding;
use crate::segment::packing::Packer;
use crate::segment::terms::BlockTerms;
use crate::stream::Stream;
use sonde_patterns::{Encoder, Limits};
use std::sync::Arc;

/// Encodes bodies, block after block.
pub(in crate::segment) struct BodyWriter {
    encoder: Option<Encoder>,
    statics: StaticWords,
    /// For each stream, which others write alike.
    sources: Vec<u64>,
    /// The templated bodies of the block that is being written, where it is to have these.
    templated: Vec<u8>,
    any_templated: bool,
}

impl BodyWriter {
    /// Nothing written yet of a segment with these streams.
    pub(in crate::segment) fn new(encoding: BodyEncoding, streams: &[Arc<Stream>]) -> Self {
        let limits = Limits {
            // Of short identifiers too it is noted what they look like.
            token_bytes_min: 1,
            ..Limits::default()
        };
        let encoder = match encoding {
            BodyEncoding::Plain => None,
            BodyEncoding::Templated => Some(Encoder::new(limits)),
        };
        let sources = match encoding {
            BodyEncoding::Plain => Vec::new(),
            BodyEncoding::Templated => sources(streams),
        };
        Self {
            encoder,
            statics: StaticWords::default(),
            sources,
            templated: Vec::new(),
            any_templated: false,
        }
    }

    /// Takes the bodies of a block, which lie in `bytes` one after the other and are of
    /// `streams`, and gives `terms` their words.
    pub(in crate::segment) fn take(
        &mut self,
        bytes: &[u8],
        ends: &[usize],
        streams: impl Iterator<Item = u32>,
        terms: &mut BlockTerms,
    ) {
        self.templated.clear();
        self.templated.shrink_to(1 << 20);
        if !self.template(bytes, ends, streams, terms) {
            bodies(bytes, ends).for_each(|body| terms.body(body));
        }
    }

    /// Whether the bodies could be templated.
    fn template(
        &mut self,
        bytes: &[u8],
        ends: &[usize],
        streams: impl Iterator<Item = u32>,
        terms: &mut BlockTerms,
    ) -> bool {
        let Some(encoder) = &mut self.encoder else {
            return false;
        };
        let sources = &self.sources;
        let source = |stream: u32| sources.get(stream as usize).copied().unwrap_or(0);
        let sourced = bodies(bytes, ends).zip(streams.map(source));
        let word = |word: &[u8]| terms.word(word);
        if encoder.encode(sourced, &mut self.templated, word).is_err() {
            return false;
        }
        self.statics.take(encoder, terms);
        self.any_templated = true;
        true
    }

    /// Appends the section of the bodies that were taken, which are given once more.
    pub(in crate::segment) fn put(
        &self,
        bytes: &[u8],
        ends: &[usize],
        packer: &mut Packer,
        out: &mut Vec<u8>,
    ) {
        if self.templated.is_empty() {
            out.push(PLAIN);
            plain::put(bytes, ends, packer, out);
        } else {
            out.push(TEMPLATED);
            out.extend_from_slice(&self.templated);
        }
    }

    /// Appends the dictionary of the templates to what it returns; nothing where no block
    /// needs one.
    pub(in crate::segment) fn dictionary(self) -> Option<impl FnOnce(&mut Vec<u8>)> {
        let encoder = self.encoder.filter(|_| self.any_templated);
        encoder.map(|mut encoder| move |out: &mut Vec<u8>| encoder.finish(out))
    }
}

fn bodies<'a>(bytes: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut from = 0;
    ends.iter().map(move |end| {
        let body = &bytes[from..*end];
        from = *end;
        body
    })
}

/// Streams of one service and container write alike, however many instances of it there are.
/// A stream that says nothing of a service is alone.
fn sources(streams: &[Arc<Stream>]) -> Vec<u64> {
    let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
    let source = |(ordinal, stream): (u64, &Arc<Stream>)| {
        let of = |label: &str| stream.labels.get(label);
        match of("service_name") {
            "" => hasher.hash_one(ordinal),
            service => hasher.hash_one((service, of("k8s_container_name"))),
        }
    };
    (0..).zip(streams).map(source).collect()
}
