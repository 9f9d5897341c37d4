//! Texts with templates: compiled when the configuration is checked, executed when a message
//! is sent.
//!
//! The functions, the data and the names of the default templates are Alertmanager's, so that
//! a configuration means here what it meant there; the default templates' content is ours.
//! `toDate`, `mustToDate` and `routeLabels` are not offered: a text that calls them is refused
//! when it is compiled, with the place of the call.

pub(crate) mod data;
mod funcs;
mod humanize;
mod json;
mod url;

pub(crate) use funcs::slack_escape;

use sonde_proto::UnixNanos;
use sonde_template::{Limits, Set, TemplateError, Value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// What the output is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Escape {
    /// Plain text.
    None,
    /// HTML: what templates insert is escaped.
    Html,
}

/// What one execution may use: no receiver takes more than this.
const LIMITS: Limits = Limits {
    steps: 1_000_000,
    output_bytes: 1 << 20,
    depth: sonde_template::DEPTH_MAX,
};

/// How many files with templates are read.
const FILES_MAX: usize = 1000;

const DEFAULTS: [(&str, &str); 2] = [
    ("default.tmpl", include_str!("default.tmpl")),
    ("email.tmpl", include_str!("email.tmpl")),
];

/// The default templates.
static BUILT_IN: LazyLock<Set> = LazyLock::new(|| {
    let mut set = Set::new(funcs::all());
    for (name, text) in DEFAULTS {
        set.add(name, text)
            .expect("a test compiles the default templates");
    }
    set
});

/// A compiled text. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    Empty,
    /// It has no templates.
    Fixed(Arc<str>),
    Template(Set, Escape),
}

impl Text {
    /// The text with everything inserted.
    ///
    /// # Errors
    /// Which step of the template cannot be taken.
    pub(crate) fn execute(&self, data: &Value, now: UnixNanos) -> Result<String, String> {
        let moment = funcs::Moment(now);
        let executed = match &self.0 {
            Kind::Empty => return Ok(String::new()),
            Kind::Fixed(text) => return Ok(text.as_ref().to_owned()),
            Kind::Template(set, Escape::None) => set.execute("", data, &moment, &LIMITS),
            Kind::Template(set, Escape::Html) => set.execute_html("", data, &moment, &LIMITS),
        };
        executed.map_err(|error| error.to_string())
    }
}

/// Compiles texts, which may use the default templates and those of files.
#[derive(Debug)]
pub(crate) struct Texts {
    set: Set,
    compiled: HashMap<(String, Escape), Text>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            set: BUILT_IN.clone(),
            compiled: HashMap::new(),
        }
    }
}

impl Texts {
    /// Adds the templates of the files that a pattern names, relative to a directory. No file
    /// at all is no problem, as in Alertmanager. Returns what is wrong with them.
    pub(crate) fn add_files(&mut self, dir: &Path, pattern: &str) -> Vec<String> {
        let paths = match matching(dir, pattern) {
            Ok(paths) => paths,
            Err(problem) => return vec![problem],
        };
        let mut texts = Vec::new();
        let mut problems = Vec::new();
        for path in paths {
            match read(&path).and_then(|text| self.add_file(&path, &text).map(|()| text)) {
                Ok(text) => texts.push((path, text)),
                Err(problem) => problems.push(problem),
            }
        }
        for (path, text) in texts {
            if let Some(error) = unknown_template(&self.set, &text) {
                problems.push(in_file(&path, &error));
            }
        }
        problems
    }

    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), String> {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        self.set
            .add(&name, text)
            .map_err(|error| in_file(path, &error))
    }

    /// Compiles a text.
    ///
    /// # Errors
    /// Where it is wrong: its syntax, or a function or template that does not exist.
    pub(crate) fn compile(&mut self, text: &str, escape: Escape) -> Result<Text, TemplateError> {
        if text.is_empty() {
            return Ok(Text::default());
        }
        if !text.contains("{{") {
            return Ok(Text(Kind::Fixed(text.into())));
        }
        let key = (text.to_owned(), escape);
        if let Some(compiled) = self.compiled.get(&key) {
            return Ok(compiled.clone());
        }
        let mut set = self.set.clone();
        set.add("", text)?;
        if let Some(error) = unknown_template(&set, text) {
            return Err(error);
        }
        let compiled = Text(Kind::Template(set, escape));
        self.compiled.insert(key, compiled.clone());
        Ok(compiled)
    }
}

/// The files that a pattern names, in the order of their paths.
fn matching(dir: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        let dir = glob::Pattern::escape(&dir.to_string_lossy());
        Path::new(&dir).join(pattern).to_string_lossy().into_owned()
    };
    let paths =
        glob::glob(&whole).map_err(|error| format!("`{pattern}` is no pattern: {error}"))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| format!("`{pattern}`: {error}"))?;
        if found.len() == FILES_MAX {
            return Err(format!("`{pattern}` names more than {FILES_MAX} files"));
        }
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let failed = |error: std::io::Error| format!("read {}: {error}", path.display());
    let limit = sonde_template::TEXT_BYTES_MAX as u64 + 1;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn in_file(path: &Path, error: &TemplateError) -> String {
    let TemplateError {
        line,
        column,
        message,
        ..
    } = error;
    format!("{}:{line}:{column}: {message}", path.display())
}

/// A call of a template that does not exist: it would fail when a message is sent.
fn unknown_template(set: &Set, text: &str) -> Option<TemplateError> {
    static CALL: LazyLock<regex::Regex> = LazyLock::new(|| {
        regex::Regex::new(r#"\{\{(?:-\s)?\s*template\s+("(?:[^"\\\n]|\\.)*"|`[^`]*`)"#)
            .expect("a constant")
    });
    for call in CALL.captures_iter(text) {
        let name = call.get(1)?;
        let bare = &name.as_str()[1..name.len() - 1];
        if bare.contains('\\') || set.has(bare) {
            continue;
        }
        let before = &text[..name.start()];
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let nearest = nearest(bare, &set.names()).map_or_else(String::new, |known| {
            format!("; the nearest that exists is \"{known}\"")
        });
        return Some(TemplateError {
            template: String::new(),
            message: format!("there is no template \"{bare}\"{nearest}"),
            line: before.matches('\n').count() + 1,
            column,
        });
    }
    None
}

/// The name that shares most with one that does not exist, if it is much.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let shared = |known: &str| {
        let start = name
            .chars()
            .zip(known.chars())
            .take_while(|(a, b)| a == b)
            .count();
        let end = name
            .chars()
            .rev()
            .zip(known.chars().rev())
            .take_while(|(a, b)| a == b)
            .count();
        start + end
    };
    let best = known
        .iter()
        .filter(|known| !known.is_empty())
        .max_by_key(|known| (shared(known), std::cmp::Reverse(known.len())))?;
    (2 * shared(best) >= name.chars().count()).then_some(*best)
}

#[cfg(test)]
mod tests;
