//! Who calls, and which methods they may call (Core: `-rpcwhitelist`). [`http`](super::http) makes it from a password,
//! [`dialect`](super::dialect) asks it before a method runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user's name; `__cookie__` for whoever can read the cookie file.
    pub name: Arc<str>,
    /// The methods that may be called; `None` is all of them.
    methods: Option<Arc<BTreeSet<String>>>,
}

impl Caller {
    /// A caller who may call everything.
    pub fn unrestricted(name: &str) -> Caller {
        Caller { name: name.into(), methods: None }
    }
    /// Whether there are methods that the caller may not call.
    pub fn is_restricted(&self) -> bool {
        self.methods.is_some()
    }
    /// Whether the caller may call a method.
    pub fn may_call(&self, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(method))
    }
}

/// Which users may call which methods.
#[derive(Clone, Debug, Default)]
pub struct Whitelist {
    users: BTreeMap<String, Arc<BTreeSet<String>>>,
    /// What users without an entry may call: nothing if true.
    refuses_others: bool,
}

impl Whitelist {
    /// Reads entries `USER:METHOD,METHOD,…`; spaces around methods are ignored. Several entries of one user leave what all of
    /// them have. `refuses_others` is whether users without an entry may call nothing; by default they may not as soon as
    /// there is any entry (Core: `-rpcwhitelistdefault`).
    ///
    /// # Errors
    /// A sentence about the entry that has no user.
    pub fn parse(entries: &[String], refuses_others: Option<bool>) -> Result<Whitelist, String> {
        let mut users: BTreeMap<String, Arc<BTreeSet<String>>> = BTreeMap::new();
        for entry in entries {
            let (user, methods) = entry.split_once(':').unwrap_or((entry, ""));
            if user.is_empty() {
                return Err(format!("{entry:?} names no user; write USER:METHOD,METHOD,…"));
            }
            let methods = methods.split([',', ' ']).filter(|method| !method.is_empty()).map(str::to_owned);
            let mut methods: BTreeSet<String> = methods.collect();
            if let Some(earlier) = users.get(user) {
                methods.retain(|method| earlier.contains(method));
            }
            users.insert(user.to_owned(), Arc::new(methods));
        }
        let refuses_others = refuses_others.unwrap_or(!users.is_empty());
        Ok(Whitelist { users, refuses_others })
    }

    /// What a user may call.
    pub fn caller(&self, name: &str) -> Caller {
        let methods = match self.users.get(name) {
            Some(methods) => Some(Arc::clone(methods)),
            None if self.refuses_others => Some(Arc::default()),
            None => None,
        };
        Caller { name: name.into(), methods }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whitelist(entries: &[&str], refuses_others: Option<bool>) -> Whitelist {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Whitelist::parse(&entries, refuses_others).unwrap()
    }

    #[test]
    fn without_entries_everybody_may_call_everything() {
        assert!(whitelist(&[], None).caller("ann").may_call("stop"));
        assert!(!whitelist(&[], Some(true)).caller("ann").may_call("stop"));
    }

    #[test]
    fn several_entries_of_one_user_are_intersected_and_others_are_refused() {
        let list = whitelist(&["ann:getblock, getblockcount", "ann:getblockcount,stop", "bob:"], None);
        assert!(list.caller("ann").may_call("getblockcount"));
        for method in ["getblock", "stop", ""] {
            assert!(!list.caller("ann").may_call(method), "{method}");
        }
        assert!(!list.caller("bob").may_call("getblockcount"));
        assert!(!list.caller("eve").may_call("getblockcount"), "not in the list");
        let open = whitelist(&["ann:getblockcount"], Some(false));
        assert!(open.caller("eve").may_call("stop"));
        assert!(!open.caller("ann").may_call("stop"));
    }

    #[test]
    fn an_entry_without_a_user_is_refused() {
        assert!(Whitelist::parse(&[":getblock".to_owned()], None).is_err());
    }
}
