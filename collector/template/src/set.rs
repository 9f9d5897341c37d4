//! Named templates that may use each other.

use crate::ast::Definition;
use crate::error::{Place, TemplateError};
use crate::exec::{Mode, Run};
use crate::funcs::{Funcs, Host, NoHost};
use crate::limits::{Limits, TEXT_BYTES_MAX};
use crate::parse::parse;
use crate::value::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Named templates that share functions and may use each other. Cheap to clone: a clone
/// takes further texts without changing the set it came from.
#[derive(Clone, Default)]
pub struct Set {
    funcs: Arc<Funcs>,
    definitions: Arc<HashMap<String, Arc<Definition>>>,
}

impl Set {
    /// A set without templates.
    #[must_use]
    pub fn new(funcs: Funcs) -> Self {
        Self {
            funcs: Arc::new(funcs),
            definitions: Arc::default(),
        }
    }

    /// Adds the template `name`, and those that its text defines. A template replaces an
    /// earlier one of its name unless it is empty. On failure the set is as before.
    ///
    /// # Errors
    /// Where the text is wrong.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), TemplateError> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!(
                "the template is {} bytes long, more than {TEXT_BYTES_MAX}: divide it",
                text.len()
            );
            return Err(Place::START.error(name, message));
        }
        let found = parse(name, text, &self.funcs)?;
        let definitions = Arc::make_mut(&mut self.definitions);
        for (name, definition) in found {
            if !definition.is_empty() || !definitions.contains_key(&name) {
                definitions.insert(name, Arc::new(definition));
            }
        }
        Ok(())
    }

    /// Whether there is a template of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.definitions.contains_key(name)
    }

    /// The names of all templates, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.definitions.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Executes a template as plain text.
    ///
    /// # Errors
    /// Which step of the template cannot be taken, or which limit it reaches.
    pub fn execute(
        &self,
        name: &str,
        data: &Value,
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<String, TemplateError> {
        Run::new(self, host, limits, Mode::Text).whole(name, data)
    }

    /// Executes a template as HTML: what actions yield is escaped by where in the page it
    /// stands, unless it is [`Value::Html`].
    ///
    /// # Errors
    /// As [`Set::execute`]; and an action inside of a script.
    pub fn execute_html(
        &self,
        name: &str,
        data: &Value,
        host: &dyn Host,
        limits: &Limits,
    ) -> Result<String, TemplateError> {
        Run::new(self, host, limits, Mode::Html).whole(name, data)
    }

    /// [`Set::execute`] without a host, within the usual limits.
    ///
    /// # Errors
    /// As [`Set::execute`].
    pub fn render(&self, name: &str, data: &Value) -> Result<String, TemplateError> {
        self.execute(name, data, &NoHost, &Limits::default())
    }

    /// [`Set::execute_html`] without a host, within the usual limits.
    ///
    /// # Errors
    /// As [`Set::execute_html`].
    pub fn render_html(&self, name: &str, data: &Value) -> Result<String, TemplateError> {
        self.execute_html(name, data, &NoHost, &Limits::default())
    }

    pub(crate) fn funcs(&self) -> &Funcs {
        &self.funcs
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(name)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Set").field(&self.names()).finish()
    }
}
