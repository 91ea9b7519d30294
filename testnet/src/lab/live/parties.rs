//! What a staged attack calls its parties and its steps: the vocabulary of everything beside it.

/// The attacker's node.
pub const ATTACKER: &str = "attacker";
/// The shop's node.
pub const SHOP: &str = "shop";
/// The step of a story at which a secret block holds the conflicting transaction.
pub const HIDES: &str = "hides";
/// The step at which the shop ships.
pub const SHIPS: &str = "ships";
/// The step at which the secret branch comes out.
pub const PUBLISHES: &str = "publishes";
/// The step at which the attacker does not go on.
pub const GIVES_UP: &str = "gives up";
