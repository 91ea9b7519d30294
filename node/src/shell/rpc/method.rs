//! What a method is: a name, arguments, a line of help and a function. The groups' modules hold methods, `table` all of
//! them; below this floor are only errors, so that a group never imports another one.
//!
//! [`arguments`] reads a call's arguments, [`context`] has what methods work with.

use crate::shell::rpc::error::RpcError;
use arguments::Arguments;
use context::Context;
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;

pub mod arguments;
pub mod context;
pub mod warnings;

/// What a method answers.
pub type Reply = Result<Value, RpcError>;
/// A method's function, its future boxed so that all fit one table.
pub type Call = fn(Arc<Context>, Arguments) -> BoxFuture<'static, Reply>;
/// A method's function that writes its result as JSON itself: for one so long that it is kept in that form.
pub type TextCall = fn(Arc<Context>, Arguments) -> BoxFuture<'static, Result<String, RpcError>>;
/// A method's function for several calls that follow one another in a batch: a reply to each.
pub type BatchCall = fn(Arc<Context>, Vec<Arguments>) -> BoxFuture<'static, Vec<Reply>>;

/// One method.
pub struct Method {
    /// As called.
    pub name: &'static str,
    /// Argument names in order: `name?` may be left out, `name|alias` has two names, and of `name:TYPE` the type (str, num, bool, arr
    /// or obj) is checked before the method runs, as Core does. Without one, the method judges the value.
    pub arguments: &'static [&'static str],
    /// One line.
    pub help: &'static str,
    /// What runs.
    pub call: Call,
    /// What runs for several at once, with the same effect as one after another, where that is faster.
    pub batch_call: Option<BatchCall>,
    /// What runs for a call that is not part of a batch, with the same result, where that is faster.
    pub text_call: Option<TextCall>,
}

impl Method {
    /// A row of a table.
    pub const fn new(name: &'static str, arguments: &'static [&'static str], help: &'static str, call: Call) -> Method {
        Method { name, arguments, help, call, batch_call: None, text_call: None }
    }
    /// With a function for several calls at once.
    pub const fn in_batches(mut self, batch_call: BatchCall) -> Method {
        self.batch_call = Some(batch_call);
        self
    }
    /// With a function that writes its result itself.
    pub const fn as_text(mut self, text_call: TextCall) -> Method {
        self.text_call = Some(text_call);
        self
    }
    /// Whether an argument must be given; one that may be left out can stand before one that may not.
    pub fn is_required(&self, index: usize) -> bool {
        self.arguments.get(index).is_some_and(|argument| !argument.ends_with('?'))
    }
    /// The names an argument goes by.
    pub fn argument_names(&self, index: usize) -> impl Iterator<Item = &'static str> + use<> {
        let name = self.arguments.get(index).copied().unwrap_or_default().trim_end_matches('?');
        name.split(':').next().unwrap_or_default().split('|')
    }
    /// Core's name for the JSON type that an argument must have, if it is checked before the method runs.
    pub fn argument_type(&self, index: usize) -> Option<&'static str> {
        let (_, kind) = self.arguments.get(index)?.trim_end_matches('?').split_once(':')?;
        Some(match kind {
            "num" => "number",
            "bool" => "bool",
            "arr" => "array",
            "obj" => "object",
            _ => "string",
        })
    }
    /// `name argument ( optional )`, as Core's `help` lists it.
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_owned();
        for (index, argument) in self.arguments.iter().enumerate() {
            let name = self.argument_names(index).next().unwrap_or_default();
            usage.push(' ');
            usage.push_str(&if argument.ends_with('?') { format!("( {name} )") } else { name.to_owned() });
        }
        usage
    }
    /// The whole help: usage and what it does.
    pub fn help_text(&self) -> String {
        format!("{}\n\n{}", self.usage(), self.help)
    }
}

/// All methods, under the headings that `help` prints.
pub struct Table(pub &'static [(&'static str, &'static [Method])]);

impl Table {
    /// Finds a method by name.
    pub fn find(&self, name: &str) -> Option<&'static Method> {
        self.0.iter().flat_map(|(_, methods)| methods.iter()).find(|method| method.name == name)
    }
}
