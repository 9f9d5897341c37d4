//! Writes the bodies of a segment's blocks, and finds their words on the way.

use super::statics::StaticWords;
use super::{PLAIN, TEMPLATED, plain};
use crate::config::BodyEncoding;
use crate::segment::common::Common;
use crate::segment::packing::Packer;
use crate::segment::terms::BlockTerms;
use crate::stream::{FETCHED, Stream, fetch};
use sonde_patterns::Encoder;
use std::sync::Arc;

/// Encodes bodies, block after block.
pub(in crate::segment) struct BodyWriter {
    common: Arc<Common>,
    encoder: Option<Encoder>,
    statics: StaticWords,
    /// For each stream, which others write alike.
    sources: Vec<u64>,
    /// The templated bodies of the block that is being written, where it is to have these.
    templated: Vec<u8>,
    any_templated: bool,
}

impl BodyWriter {
    /// Nothing written yet of a segment with these streams, whose bodies lie as `bodies` says.
    pub(in crate::segment) fn new(
        common: &Arc<Common>,
        bodies: BodyEncoding,
        streams: &[Arc<Stream>],
    ) -> Self {
        let (encoder, sources) = match bodies {
            BodyEncoding::Plain => (None, Vec::new()),
            BodyEncoding::Templated => (Some(common.encoders.take()), sources(streams)),
        };
        Self {
            common: Arc::clone(common),
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
            take_words(bytes, ends, terms);
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
        let value = |value: &[u8], is_word: bool| match is_word {
            true => terms.word(value),
            false => terms.body(value),
        };
        if encoder
            .encode_values(sourced, &mut self.templated, value)
            .is_err()
        {
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

    /// Ends a part: the dictionary of its templates, empty where no block needs one. The
    /// blocks that follow have another.
    pub(in crate::segment) fn end_part(&mut self) -> Vec<u8> {
        let mut dictionary = Vec::new();
        if let Some(encoder) = &mut self.encoder {
            encoder.finish(&mut dictionary);
        }
        self.statics = StaticWords::default();
        match std::mem::take(&mut self.any_templated) {
            true => dictionary,
            false => Vec::new(),
        }
    }

    /// Leaves what the encoder has learned to the next segment.
    pub(in crate::segment) fn finish(self) {
        if let Some(encoder) = self.encoder {
            self.common.encoders.give_back(encoder);
        }
    }
}

/// Gives `terms` the words of plain bodies, page after page.
fn take_words(bytes: &[u8], ends: &[usize], terms: &mut BlockTerms) {
    let mut bodies = bodies(bytes, ends);
    for rows in plain::rows_of_pages(ends) {
        if rows.start > 0 {
            terms.next_page();
        }
        bodies
            .by_ref()
            .take(rows.len())
            .for_each(|body| terms.body(body));
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
    let source = |stream: &Arc<Stream>| {
        let of = |label: &str| stream.labels.get(label);
        match of("service_name") {
            "" => hasher.hash_one(stream.labels.iter().collect::<Vec<_>>()),
            service => hasher.hash_one((service, of("k8s_container_name"))),
        }
    };
    let mut sources = Vec::with_capacity(streams.len());
    for near in streams.chunks(FETCHED) {
        fetch(near);
        sources.extend(near.iter().map(source));
    }
    sources
}
