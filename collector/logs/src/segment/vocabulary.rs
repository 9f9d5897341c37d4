//! `words/`: a tantivy index with a document a block, for the plain words.
//!
//! ```text
//! body         the different plain words of the bodies
//! attributes   the different plain words of the attributes' values
//! pair         name=value, of attributes that have few different values in the block
//! ```
//!
//! No positions, frequencies or norms: a word is in a block or it is not. The document's
//! number is the block's. A block has a few hundred different words, so that indexing costs
//! little beside reading the bodies, and the dictionary is small enough to be walked for
//! the words that have a part.

mod join;
mod tokenizer;
mod unsynced;

pub(super) use join::join;

use super::Damage;
use super::handle::{Checked, ReadError};
use crate::words::Part;
use std::ffi::OsString;
use std::path::Path;
use tantivy::directory::{Directory as _, MmapDirectory, OwnedBytes};
use tantivy::index::{Index, IndexSettings, SegmentReader};
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::schema::{
    Field, IndexRecordOption, Schema, TantivyDocument, Term, TextFieldIndexing, TextOptions,
};
use tantivy::{DocSet, TERMINATED};
use tokenizer::SpaceTokenizer;
use unsynced::Unsynced;

pub(super) const DIR: &str = "words";
const SPACES: &str = "spaces";
/// The index's hash table is sized for this; it grows where that is not enough.
const TABLE_BYTES: usize = 2 << 20;
/// A dictionary of more words is not walked for a part.
const WALKED_MAX: usize = 200_000;
/// A part of more words than this is looked for in the bodies.
const PART_WORDS_MAX: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Fields {
    body: Field,
    attributes: Field,
    pair: Field,
}

/// Where words are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Body,
    Attributes,
}

fn schema() -> (Schema, Fields) {
    let options = |tokenizer: &str| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(tokenizer)
                .set_fieldnorms(false)
                .set_index_option(IndexRecordOption::Basic),
        )
    };
    let mut schema = Schema::builder();
    let fields = Fields {
        body: schema.add_text_field("body", options(SPACES)),
        attributes: schema.add_text_field("attributes", options(SPACES)),
        pair: schema.add_text_field("pair", options("raw")),
    };
    (schema.build(), fields)
}

/// The words of a segment, being written.
pub(super) struct VocabularyBuilder {
    index: SingleSegmentIndexWriter<TantivyDocument>,
    fields: Fields,
}

/// The words of a block: separated by spaces, each once.
#[derive(Debug, Default)]
pub(super) struct BlockWords {
    pub(super) body: String,
    pub(super) attributes: String,
    pub(super) pairs: Vec<String>,
}

impl VocabularyBuilder {
    /// Starts the index in the segment's directory.
    pub(super) fn create(dir: &Path) -> tantivy::Result<Self> {
        let dir = dir.join(DIR);
        std::fs::create_dir_all(&dir)?;
        let (schema, fields) = schema();
        let tokenizers = tantivy::tokenizer::TokenizerManager::default();
        tokenizers.register(SPACES, SpaceTokenizer::default());
        let settings = IndexSettings {
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let index = Index::builder()
            .schema(schema)
            .settings(settings)
            .tokenizers(tokenizers)
            .single_segment_index_writer(Unsynced::open(&dir)?, TABLE_BYTES)?;
        Ok(Self { index, fields })
    }

    /// Adds the words of the next block.
    pub(super) fn add(&mut self, words: &mut BlockWords) -> tantivy::Result<()> {
        let mut document = TantivyDocument::default();
        document.add_text(self.fields.body, std::mem::take(&mut words.body));
        document.add_text(
            self.fields.attributes,
            std::mem::take(&mut words.attributes),
        );
        for pair in words.pairs.drain(..) {
            document.add_text(self.fields.pair, pair);
        }
        self.index.add_document(document)
    }

    /// Completes the index in `dir`; the checksum of its files.
    pub(super) fn finish(self, dir: &Path) -> tantivy::Result<u32> {
        self.index.finalize()?;
        let files = map_all(&dir.join(DIR))?;
        Ok(checksum(&files))
    }
}

/// The words of an open segment.
pub(super) struct Vocabulary {
    reader: SegmentReader,
    fields: Fields,
    files: Vec<OwnedBytes>,
    checked: Checked,
}

impl Vocabulary {
    /// Opens the index of a segment with so many blocks.
    pub(super) fn open(dir: &Path, blocks: u32, checked: &Checked) -> Result<Self, ReadError> {
        let dir = dir.join(DIR);
        let mapped = MmapDirectory::open(&dir)?;
        // Tantivy gets the mappings that the checksum is looked at in.
        let files = map_all_of(&mapped, &dir)?;
        let index = Index::open(mapped)?;
        let segments = index.searchable_segments()?;
        let [segment] = &segments[..] else {
            return Err(ReadError::Damaged(Damage(format!(
                "its dictionary of words has {} parts instead of one",
                segments.len()
            ))));
        };
        let reader = SegmentReader::open(segment)?;
        if reader.max_doc() != blocks {
            return Err(ReadError::Damaged(Damage(format!(
                "its dictionary of words has {} blocks instead of {blocks}",
                reader.max_doc()
            ))));
        }
        let (_, fields) = schema();
        Ok(Self {
            reader,
            fields,
            files,
            checked: Checked::clone(checked),
        })
    }

    /// How many bytes are mapped.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.len() as u64).sum()
    }

    /// Looks at the checksum of all files, once: what tantivy reads is never read before.
    pub(super) fn check(&self, expected: u32) -> Result<(), Damage> {
        let right = self
            .checked
            .get_or_init(|| checksum(&self.files) == expected);
        match right {
            true => Ok(()),
            false => Err(Damage(
                "the checksum of its dictionary of words does not hold".into(),
            )),
        }
    }

    /// Calls `each` with the blocks that have a word.
    pub(super) fn look_up(
        &self,
        place: Place,
        word: &str,
        each: impl FnMut(u32),
    ) -> tantivy::Result<()> {
        let field = self.field(place);
        let index = self.reader.inverted_index(field)?;
        let term = Term::from_field_text(field, word);
        if let Some(postings) = index.read_postings(&term, IndexRecordOption::Basic)? {
            for_each_document(postings, each);
        }
        Ok(())
    }

    /// Calls `each` with the blocks that have `name=value` among their pairs.
    #[cfg(test)]
    pub(super) fn look_up_pair(&self, pair: &str, each: impl FnMut(u32)) -> tantivy::Result<()> {
        let index = self.reader.inverted_index(self.fields.pair)?;
        let term = Term::from_field_text(self.fields.pair, pair);
        if let Some(postings) = index.read_postings(&term, IndexRecordOption::Basic)? {
            for_each_document(postings, each);
        }
        Ok(())
    }

    /// Calls `each` with the blocks whose bodies have a word that has `part`. False where
    /// there are too many words to look at.
    pub(super) fn look_up_part(
        &self,
        part: &Part<'_>,
        mut each: impl FnMut(u32),
    ) -> tantivy::Result<bool> {
        let index = self.reader.inverted_index(self.fields.body)?;
        if index.terms().num_terms() > WALKED_MAX {
            return Ok(false);
        }
        let mut terms = if part.starts {
            index.terms().range().ge(part.bytes).into_stream()?
        } else {
            index.terms().stream()?
        };
        let mut words = 0;
        while terms.advance() {
            if part.starts && !terms.key().starts_with(part.bytes) {
                break;
            }
            if part.is_of(terms.key()) {
                words += 1;
                if words > PART_WORDS_MAX {
                    return Ok(false);
                }
                let postings =
                    index.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
                for_each_document(postings, &mut each);
            }
        }
        Ok(true)
    }

    fn field(&self, place: Place) -> Field {
        match place {
            Place::Body => self.fields.body,
            Place::Attributes => self.fields.attributes,
        }
    }
}

fn for_each_document(mut postings: impl DocSet, mut each: impl FnMut(u32)) {
    let mut document = postings.doc();
    while document != TERMINATED {
        each(document);
        document = postings.advance();
    }
}

/// The files of the index, mapped, in the order of their names.
fn map_all(dir: &Path) -> tantivy::Result<Vec<OwnedBytes>> {
    map_all_of(&MmapDirectory::open(dir)?, dir)
}

fn map_all_of(directory: &MmapDirectory, dir: &Path) -> tantivy::Result<Vec<OwnedBytes>> {
    let map = |name: &OsString| {
        let file = directory.open_read(Path::new(name))?;
        Ok(file.read_bytes()?)
    };
    names_in(dir)?.iter().map(map).collect()
}

/// The checksum of the index of a segment, by reading its files.
pub(super) fn checksum_of(dir: &Path) -> std::io::Result<u32> {
    let dir = dir.join(DIR);
    let names = names_in(&dir)?;
    let read = |name: &OsString| std::fs::read(dir.join(name)).map(OwnedBytes::new);
    let files = names
        .iter()
        .map(read)
        .collect::<std::io::Result<Vec<_>>>()?;
    Ok(checksum(&files))
}

/// The names of the files of an index, ascending.
fn names_in(dir: &Path) -> std::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        // What tantivy hides are locks and notes to itself.
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn checksum(files: &[OwnedBytes]) -> u32 {
    files.iter().fold(0, |checksum, file| {
        let checksum = crc32c::crc32c_append(checksum, &(file.len() as u64).to_le_bytes());
        crc32c::crc32c_append(checksum, file)
    })
}
