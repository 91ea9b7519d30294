//! The table of methods: name, arguments, help, function. `help` prints it, the dispatcher searches it.

use super::arguments::Arguments;
use super::context::Context;
use super::error::RpcError;
use super::{blockchain, control, mempool, mining, network, rawtransaction, util, utxo};
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;

/// What a method answers.
pub type Reply = Result<Value, RpcError>;
/// A method's function, its future boxed so that all fit one table.
pub type Call = fn(Arc<Context>, Arguments) -> BoxFuture<'static, Reply>;
/// A method's function for several calls that follow one another in a batch: a reply to each.
pub type BatchCall = fn(Arc<Context>, Vec<Arguments>) -> BoxFuture<'static, Vec<Reply>>;

/// One method.
pub struct Method {
    /// As called.
    pub name: &'static str,
    /// Argument names in order; `name?` may be left out, `name|alias` has two names.
    pub arguments: &'static [&'static str],
    /// One line.
    pub help: &'static str,
    /// What runs.
    pub call: Call,
    /// What runs for several at once, with the same effect as one after another, where that is faster.
    pub batch_call: Option<BatchCall>,
}

impl Method {
    /// A row of a table.
    pub const fn new(name: &'static str, arguments: &'static [&'static str], help: &'static str, call: Call) -> Method {
        Method { name, arguments, help, call, batch_call: None }
    }
    /// With a function for several calls at once.
    pub const fn in_batches(mut self, batch_call: BatchCall) -> Method {
        self.batch_call = Some(batch_call);
        self
    }
    /// How many arguments must be given.
    pub fn required(&self) -> usize {
        self.arguments.iter().take_while(|argument| !argument.ends_with('?')).count()
    }
    /// The names an argument goes by.
    pub fn argument_names(&self, index: usize) -> impl Iterator<Item = &'static str> + use<> {
        self.arguments.get(index).copied().unwrap_or_default().trim_end_matches('?').split('|')
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

/// The tables, under the headings `help` prints.
pub static GROUPS: [(&str, &[Method]); 8] = [
    ("Blockchain", blockchain::METHODS),
    ("Coins", utxo::METHODS),
    ("Control", control::METHODS),
    ("Mempool", mempool::METHODS),
    ("Mining", mining::METHODS),
    ("Network", network::METHODS),
    ("Rawtransactions", rawtransaction::METHODS),
    ("Util", util::METHODS),
];

/// Finds a method by name.
pub fn find(name: &str) -> Option<&'static Method> {
    GROUPS.iter().flat_map(|(_, methods)| methods.iter()).find(|method| method.name == name)
}
