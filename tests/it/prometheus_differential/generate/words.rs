//! An expression as words: names, numbers, texts, signs, and the blanks between them.

/// Cuts a text; all parts together are the text.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (word, after) = rest.split_at(length(rest, first));
        words.push(word);
        rest = after;
    }
    words
}

fn length(rest: &str, first: char) -> usize {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
    if first == '"' {
        // Up to a quote without a backslash before it.
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let is_end = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            is_end
        });
        return end.map_or(rest.len(), |(at, _)| at + 1);
    }
    if is_word(first) {
        return rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    }
    first.len_utf8()
}
