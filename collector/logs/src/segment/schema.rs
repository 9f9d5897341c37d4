//! The fields of the tantivy index, and its settings.

use crate::words::WordTokenizer;
use tantivy::index::{Index, IndexBuilder, IndexSettings};
use tantivy::schema::{
    BytesOptions, FAST, Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::store::{Compressor, ZstdCompressor};

const WORDS: &str = "words";
/// A needle's few records cost a block each, so blocks are small enough to be unpacked in
/// a tenth of a millisecond and large enough to compress well.
const BLOCK_BYTES: usize = 64 << 10;

pub(super) const TIME: &str = "time";
pub(super) const STREAM: &str = "stream";

/// The fields, by what they hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) time: Field,
    pub(super) stream: Field,
    pub(super) body: Field,
    pub(super) attributes: Field,
    pub(super) trace: Field,
    pub(super) record: Field,
}

/// The schema, always the same.
pub(super) fn schema() -> (Schema, Fields) {
    let words = TextFieldIndexing::default()
        .set_tokenizer(WORDS)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    let words = TextOptions::default().set_indexing_options(words);
    let mut schema = Schema::builder();
    let fields = Fields {
        time: schema.add_u64_field(TIME, FAST),
        stream: schema.add_u64_field(STREAM, FAST),
        body: schema.add_text_field("body", words.clone()),
        attributes: schema.add_text_field("attributes", words),
        trace: schema.add_bytes_field("trace", BytesOptions::default().set_indexed()),
        record: schema.add_bytes_field("record", STORED),
    };
    (schema.build(), fields)
}

/// How a new index is built.
pub(super) fn builder(schema: Schema) -> IndexBuilder {
    // The default ones stay: tantivy asks for one even for fields that are no text.
    let tokenizers = tantivy::tokenizer::TokenizerManager::default();
    tokenizers.register(WORDS, WordTokenizer::default());
    let settings = IndexSettings {
        docstore_compression: Compressor::Zstd(ZstdCompressor {
            compression_level: Some(1),
        }),
        docstore_blocksize: BLOCK_BYTES,
        // One core per writer: whoever seals has a thread of its own already.
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    Index::builder()
        .schema(schema)
        .settings(settings)
        .tokenizers(tokenizers)
}
