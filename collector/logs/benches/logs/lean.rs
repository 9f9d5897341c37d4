//! The layout that the store does not have, as a limit: tantivy with a document a record,
//! as lean as that goes. No positions, frequencies or norms; time and stream as columns;
//! bodies beside the index in blocks of 256 KiB; terms of the words of the body, of
//! `name=value`, and of the trace.

use super::corpus::Corpus;
use super::measure;
use sonde_proto::walk::{self, Value};
use std::path::Path;
use tantivy::directory::MmapDirectory;
use tantivy::schema::{
    BytesOptions, FAST, IndexRecordOption, Schema, TantivyDocument, TextFieldIndexing, TextOptions,
};
use tantivy::{Index, IndexSettings};

const BLOCK_BYTES: usize = 256 << 10;
const TABLE_BYTES: usize = 256 << 20;

/// How many megabytes of bodies a second of processor time takes in.
pub(crate) fn megabytes_per_second(dir: &Path, corpus: &Corpus) -> f64 {
    let text = |tokenizer: &str| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(tokenizer)
                .set_fieldnorms(false)
                .set_index_option(IndexRecordOption::Basic),
        )
    };
    let mut schema = Schema::builder();
    let time = schema.add_u64_field("time", FAST);
    let stream = schema.add_u64_field("stream", FAST);
    let body = schema.add_text_field("body", text("whitespace_and_signs"));
    let pair = schema.add_text_field("pair", text("raw"));
    let trace = schema.add_bytes_field("trace", BytesOptions::default().set_indexed());
    std::fs::create_dir_all(dir).expect("the bench's directory is new");
    let tokenizers = tantivy::tokenizer::TokenizerManager::default();
    tokenizers.register(
        "whitespace_and_signs",
        tantivy::tokenizer::SimpleTokenizer::default(),
    );
    let mut index = Index::builder()
        .schema(schema.build())
        .settings(IndexSettings {
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        })
        .tokenizers(tokenizers)
        .single_segment_index_writer::<TantivyDocument>(
            MmapDirectory::open(dir).expect("the directory was just made"),
            TABLE_BYTES,
        )
        .expect("the directory is empty");
    let (mut spent, mut bytes, mut block, mut packed) = (0.0, 0, Vec::new(), 0);
    for chunk in corpus.chunks() {
        bytes += chunk.body_bytes;
        let from = measure::cpu_seconds();
        for (_, entry) in &chunk.entries {
            let logs = walk::logs(&entry.payload).expect("the bench's own request");
            for (n, resource) in logs.resources().enumerate() {
                for record in resource
                    .scopes()
                    .flat_map(|scope| scope.records().collect::<Vec<_>>())
                {
                    let mut document = TantivyDocument::default();
                    document.add_u64(time, record.time_unix_nano);
                    document.add_u64(stream, n as u64);
                    if let Value::Str(line) = record.body.read() {
                        document.add_text(body, line);
                        block.extend_from_slice(line.as_bytes());
                    }
                    for attribute in record.attributes() {
                        document.add_text(
                            pair,
                            format!("{}={}", attribute.key, attribute.value.text()),
                        );
                    }
                    if !record.trace_id.is_empty() {
                        document.add_bytes(trace, record.trace_id);
                    }
                    index
                        .add_document(document)
                        .expect("the bench's disk has room");
                    if block.len() >= BLOCK_BYTES {
                        packed += zstd::bulk::compress(&block, 1).map_or(0, |p| p.len());
                        block.clear();
                    }
                }
            }
        }
        spent += measure::cpu_seconds() - from;
    }
    spent += {
        let from = measure::cpu_seconds();
        index.finalize().expect("the bench's disk has room");
        measure::cpu_seconds() - from
    };
    println!("tantivy, a document a record: bodies packed to {packed} bytes beside the index");
    bytes as f64 / 1e6 / spent
}
