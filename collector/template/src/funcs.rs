//! The functions that templates may call beside the built-in ones.

use crate::value::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A function: its arguments, the piped one last.
type Function = Arc<dyn Fn(&[Value]) -> Result<Value, String> + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Entry {
    /// With what a call costs beside what its arguments and its result do, in steps.
    Own(Function, u64),
    /// Called through [`Host`].
    Host,
    /// `{{tmpl "name" data}}`: the output of a template as a value.
    Template,
}

/// The functions that templates may call beside the built-in ones, by name. One of a
/// built-in's name replaces it.
#[derive(Clone, Default)]
pub struct Funcs(HashMap<String, Entry>);

impl Funcs {
    /// No functions but the built-in ones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. A failure ends the execution with its message.
    pub fn add<F>(&mut self, name: &str, function: F) -> &mut Self
    where
        F: Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    {
        self.add_costly(name, 0, function)
    }

    /// Adds a function, a call of which costs so many [steps](crate::Limits::steps) beside what
    /// its arguments and its result do.
    pub fn add_costly<F>(&mut self, name: &str, steps: u64, function: F) -> &mut Self
    where
        F: Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    {
        let entry = Entry::Own(Arc::new(function), steps);
        self.0.insert(name.into(), entry);
        self
    }

    /// Declares a function whose meaning each execution gives through its [`Host`].
    pub fn declare(&mut self, name: &str) -> &mut Self {
        self.0.insert(name.into(), Entry::Host);
        self
    }

    /// Adds a function that executes the template named by its first argument with the
    /// second as data, and yields the output.
    pub fn add_template_call(&mut self, name: &str) -> &mut Self {
        self.0.insert(name.into(), Entry::Template);
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// Whether templates may call `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name) || crate::builtin::NAMES.contains(&name)
    }
}

impl fmt::Debug for Funcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        f.debug_list().entries(names).finish()
    }
}

/// What an execution lends to a template: functions that need more than their arguments.
pub trait Host {
    /// Calls a function that was [declared](Funcs::declare).
    ///
    /// # Errors
    /// Why it failed; ends the execution.
    fn call(&self, function: &str, args: &[Value]) -> Result<Value, String>;
}

/// A host that lends nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn call(&self, function: &str, _: &[Value]) -> Result<Value, String> {
        Err(format!("{function} is not available here"))
    }
}
