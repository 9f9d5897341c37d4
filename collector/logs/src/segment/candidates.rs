//! Which documents of a segment can match at all: words narrow, bytes decide.
//!
//! Of a needle, the words that are bounded inside it must stand whole in every match, so
//! their documents are intersected. A needle without such a word is cut out of words:
//! its longest run is then looked for at the start, at the end or anywhere in the distinct
//! words of the segment, unless it is so common that reading the newest records is quicker.

use super::schema::Fields;
use super::wordlist::WordList;
use crate::words::{self, LONG_MARKER, Run, WORD_BYTES_MAX};
use std::io;
use tantivy::index::{InvertedIndexReader, SegmentReader};
use tantivy::postings::{Postings, TermInfo};
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocId, DocSet, TERMINATED};

/// A run shorter than this is part of too many words to be looked up.
const EDGE_BYTES_MIN: usize = 3;
/// A word in more than one of so many documents is no help: reading finds it as quickly.
const COMMON_SHARE: u64 = 16;
/// How many distinct words a run may be part of.
const EDGE_WORDS_MAX: usize = 4096;

/// Documents in ascending order; `None` where the index cannot narrow.
pub(super) type Candidates = Option<Vec<DocId>>;

/// Looks candidates up in one segment.
pub(super) struct Narrowing<'a> {
    reader: &'a SegmentReader,
    fields: Fields,
    words: &'a WordList,
}

impl<'a> Narrowing<'a> {
    pub(super) fn new(reader: &'a SegmentReader, fields: Fields, words: &'a WordList) -> Self {
        Self {
            reader,
            fields,
            words,
        }
    }

    /// The documents whose body may contain all of `needles`.
    pub(super) fn containing<'n>(
        &self,
        needles: impl Iterator<Item = &'n str>,
    ) -> tantivy::Result<Candidates> {
        let index = self.reader.inverted_index(self.fields.body)?;
        let (mut whole, mut edges) = (Vec::new(), Vec::new());
        for needle in needles {
            let runs: Vec<Run<'_>> = words::runs(needle).collect();
            let bounded = runs.iter().filter(|r| r.starts && r.ends);
            let before = whole.len();
            whole.extend(bounded.map(|r| r.text));
            if whole.len() == before {
                edges.extend(
                    runs.into_iter()
                        .max_by_key(|r| (r.starts || r.ends, r.text.len())),
                );
            }
        }
        let mut found = self.with_all_words(&index, self.fields.body, &whole)?;
        for edge in edges {
            if found.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
            found = intersected(found, self.with_part_of_word(&index, &edge)?);
        }
        Ok(found)
    }

    /// The documents that have `token` whole in the body or in an attribute's value.
    pub(super) fn with_token(&self, token: &str) -> tantivy::Result<Candidates> {
        let words: Vec<&str> = words::runs(token).map(|r| r.text).collect();
        let mut found: Vec<DocId> = Vec::new();
        for field in [self.fields.body, self.fields.attributes] {
            let index = self.reader.inverted_index(field)?;
            match self.with_all_words(&index, field, &words)? {
                Some(documents) => found.extend(documents),
                None => return Ok(None),
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    }

    /// The documents of a trace.
    pub(super) fn of_trace(&self, trace: &[u8]) -> tantivy::Result<Candidates> {
        let index = self.reader.inverted_index(self.fields.trace)?;
        let term = Term::from_field_bytes(self.fields.trace, trace);
        let postings = index.read_postings(&term, IndexRecordOption::Basic)?;
        Ok(Some(postings.map(collected).unwrap_or_default()))
    }

    fn with_all_words(
        &self,
        index: &InvertedIndexReader,
        field: Field,
        words: &[&str],
    ) -> tantivy::Result<Candidates> {
        let mut terms = Vec::with_capacity(words.len());
        let mut text = String::new();
        for word in words {
            words::term_of(word, &mut text);
            match index.get_term_info(&Term::from_field_text(field, &text))? {
                Some(info) => terms.push(info),
                None => return Ok(Some(Vec::new())),
            }
        }
        terms.sort_unstable_by_key(|info| info.doc_freq);
        let Some((rarest, others)) = terms.split_first() else {
            return Ok(None);
        };
        let mut found =
            collected(index.read_postings_from_terminfo(rarest, IndexRecordOption::Basic)?);
        for info in others
            .iter()
            .filter(|info| !self.is_common(u64::from(info.doc_freq)))
        {
            let mut postings = index.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
            found.retain(|doc| {
                let at = postings.doc();
                (if at < *doc { postings.seek(*doc) } else { at }) == *doc
            });
        }
        Ok(Some(found))
    }

    /// The documents with a word that `run` can be the part of.
    fn with_part_of_word(
        &self,
        index: &InvertedIndexReader,
        run: &Run<'_>,
    ) -> tantivy::Result<Candidates> {
        if run.text.len() < EDGE_BYTES_MIN {
            return Ok(None);
        }
        let whole = index.doc_freq(&Term::from_field_text(self.fields.body, run.text))?;
        if self.is_common(u64::from(whole)) {
            return Ok(None);
        }
        let mut found = Vec::new();
        let marker = Term::from_field_text(self.fields.body, LONG_MARKER);
        if let Some(postings) = index.read_postings(&marker, IndexRecordOption::Basic)? {
            found = collected(postings);
        }
        if run.text.len() <= WORD_BYTES_MAX {
            let Some(terms) = self.terms_with(index, run)? else {
                return Ok(None);
            };
            for info in terms {
                let postings =
                    index.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
                found.extend(collected(postings));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    }

    /// The terms of the words that `run` can be the part of; `None` when they are too common.
    fn terms_with(
        &self,
        index: &InvertedIndexReader,
        run: &Run<'_>,
    ) -> io::Result<Option<Vec<TermInfo>>> {
        let (mut terms, mut documents) = (Vec::new(), 0_u64);
        for word in self.words.with_part(run) {
            let term = Term::from_field_text(self.fields.body, word);
            let Some(info) = index.get_term_info(&term)? else {
                continue;
            };
            documents += u64::from(info.doc_freq);
            terms.push(info);
            if terms.len() > EDGE_WORDS_MAX || self.is_common(documents) {
                return Ok(None);
            }
        }
        Ok(Some(terms))
    }

    fn is_common(&self, documents: u64) -> bool {
        documents > 64 && documents > u64::from(self.reader.max_doc()) / COMMON_SHARE
    }
}

fn collected(mut postings: impl Postings) -> Vec<DocId> {
    let mut documents = Vec::with_capacity(postings.size_hint() as usize);
    let mut at = postings.doc();
    while at != TERMINATED {
        documents.push(at);
        at = postings.advance();
    }
    documents
}

/// Both lists are ascending.
fn intersected(a: Candidates, b: Candidates) -> Candidates {
    match (a, b) {
        (None, one) | (one, None) => one,
        (Some(mut a), Some(b)) => {
            let mut b = b.into_iter().peekable();
            a.retain(|doc| {
                while b.next_if(|other| other < doc).is_some() {}
                b.peek() == Some(doc)
            });
            Some(a)
        }
    }
}
