//! Making payments: what a node that judges by the rules accepts, and what goes wrong.

use chain_spec::{Amount, PrivateKey};
use wallet::wallet::sweep;
use wallet::{Auth, Client, ClientError, FeeRate, Password, PaymentOptions, State, Wallet, WalletError, Words};

use super::fake_node::FakeNode;
use super::{coins, demo, external, fresh, local, payment};

/// The white paper's two examples, with coins that a node knows.
#[test]
fn two_coins_pay_ten_and_one_of_ten_pays_three() {
    let (node, mut alice, shop) = (FakeNode::local(), demo("alice"), demo("shop"));
    let client = node.client();
    alice.sync(&client).unwrap();
    let find = |alice: &Wallet, value: &str| {
        alice.coins().into_iter().find(|coin| coin.value == coins(value)).unwrap().outpoint
    };
    let to = shop.address().unwrap();
    let together = PaymentOptions {
        subtract_fee: true,
        coins: vec![find(&alice, "4.4"), find(&alice, "5.6")],
        ..PaymentOptions::default()
    };
    let paid = alice.build_payment(&to, coins("10"), &together).unwrap();
    assert_eq!((paid.inputs.len(), paid.change), (2, None));
    alice.send(&client, &paid).unwrap();

    let one = PaymentOptions { coins: vec![find(&alice, "10")], ..PaymentOptions::default() };
    let paid = alice.build_payment(&to, coins("3"), &one).unwrap();
    assert_eq!(paid.change, coins("7").checked_sub(paid.fee));
    alice.send(&client, &paid).unwrap();
    node.mine(1);
    alice.sync(&client).unwrap();
    let expected = coins("382").checked_sub(paid.fee).unwrap();
    assert_eq!(alice.balance().confirmed, expected);
}

#[test]
fn coins_named_must_be_ours_unspent_and_ready() {
    let (node, mut miner) = (FakeNode::local(), fresh());
    let client = node.client();
    node.mine_to_address(1, &miner.address().unwrap());
    miner.sync(&client).unwrap();
    let immature = miner.coins()[0].outpoint;
    let to = external(&miner, 5);
    let attempt = |coin| {
        let options = PaymentOptions { coins: vec![coin], ..PaymentOptions::default() };
        miner.build_payment(&to, coins("1"), &options).unwrap_err().to_string()
    };
    assert!(attempt(immature).contains("cannot be spent yet"));
    assert!(attempt(chain_spec::Outpoint::NULL).starts_with("no coin of this wallet"));
    let error = miner.build_payment(&to, coins("1"), &PaymentOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with("0.00000000 available, 50.00000000 immature"), "{error}");
}

/// Many payments in a row from unconfirmed change, each judged by the node.
#[test]
fn unconfirmed_change_pays_again_and_again() {
    let (node, mut bob, shop) = (FakeNode::local(), demo("bob"), demo("shop"));
    let client = node.client();
    bob.sync(&client).unwrap();
    for _ in 0..20 {
        let paid = payment(&bob, &shop.address().unwrap(), "0.7");
        bob.send(&client, &paid).unwrap();
    }
    node.mine(1);
    bob.sync(&client).unwrap();
    assert_eq!(node.chain().blocks[1].transactions.len(), 21);
    assert!(bob.history().iter().all(|line| line.state.confirmations() > 0));
}

#[test]
fn what_the_node_refuses_is_forgotten() {
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    let client = node.client();
    bob.sync(&client).unwrap();
    let before = bob.coins();
    let free = PaymentOptions { fee_rate: FeeRate::ZERO, ..PaymentOptions::default() };
    let paid = bob.build_payment(&external(&bob, 3), coins("1"), &free).unwrap();
    let error = bob.send(&client, &paid).unwrap_err();
    assert_eq!(error.to_string(), "the node refuses the payment (min relay fee not met): nothing was sent");
    assert_eq!(bob.coins(), before);
    assert_eq!(bob.state(&paid.txid()), None);
}

/// Only a verification error says that the node has not got the payment; any other leaves it open.
#[test]
fn an_error_that_is_no_refusal_keeps_the_payment() {
    for code in [-1, -9, -10, -28, -32603, -32601] {
        let (node, mut bob) = (FakeNode::local(), demo("bob"));
        let client = node.client();
        bob.sync(&client).unwrap();
        node.chain().failures.insert("sendrawtransaction".into(), (code, "not \u{1b}[2Jnow".into()));
        let paid = payment(&bob, &external(&bob, 3), "1");
        let error = bob.send(&client, &paid).unwrap_err();
        assert!(matches!(&error, WalletError::Unsent { txid, .. } if *txid == paid.txid()), "{code}: {error}");
        assert!(error.to_string().contains("do not pay twice") && !error.to_string().contains('\u{1b}'), "{error}");
        assert_eq!(bob.state(&paid.txid()), Some(State::Unconfirmed { in_mempool: false }), "{code}");
        let reused = bob.coins().iter().any(|coin| paid.outpoints().contains(&coin.outpoint));
        assert!(!reused, "{code}: its coins are not free");
        node.chain().failures.clear();
        assert_eq!(bob.sync(&client).unwrap().rebroadcast, [paid.txid()], "{code}");
    }
    for code in [-22, -25, -26] {
        let (node, mut bob) = (FakeNode::local(), demo("bob"));
        let client = node.client();
        bob.sync(&client).unwrap();
        node.chain().failures.insert("sendrawtransaction".into(), (code, "no".into()));
        let paid = payment(&bob, &external(&bob, 3), "1");
        assert!(matches!(bob.send(&client, &paid), Err(WalletError::Refused(_))), "{code}");
        assert_eq!(bob.state(&paid.txid()), None, "{code}");
    }
    // "Already in the chain" is a success.
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    bob.sync(&node.client()).unwrap();
    node.chain().failures.insert("sendrawtransaction".into(), (-27, "already known".into()));
    let paid = payment(&bob, &external(&bob, 3), "1");
    assert_eq!(bob.send(&node.client(), &paid).unwrap(), paid.txid());
}

/// Nodes take 25 unconfirmed transactions in a row. A wallet with seven coins can pay far more often between two blocks.
#[test]
fn many_payments_between_two_blocks_use_all_coins() {
    let (node, mut alice, shop) = (FakeNode::local(), demo("alice"), demo("shop"));
    let client = node.client();
    alice.sync(&client).unwrap();
    for number in 0..100 {
        let paid = payment(&alice, &shop.address().unwrap(), "0.01");
        let result = alice.send(&client, &paid);
        assert!(result.is_ok(), "payment {number}: {result:?}");
    }
    node.mine(1);
    assert_eq!(node.chain().blocks[1].transactions.len(), 101);
}

#[test]
fn a_full_chain_is_named_and_a_block_ends_it() {
    let (node, mut bob, shop) = (FakeNode::local(), demo("bob"), demo("shop"));
    let client = node.client();
    bob.sync(&client).unwrap();
    let to = shop.address().unwrap();
    // All coins become one.
    let rest = PaymentOptions { subtract_fee: true, ..PaymentOptions::default() };
    let whole = bob.build_payment(&bob.address().unwrap(), bob.balance().spendable, &rest).unwrap();
    bob.send(&client, &whole).unwrap();
    for _ in 1..25 {
        let paid = payment(&bob, &to, "0.01");
        bob.send(&client, &paid).unwrap();
    }
    let error = bob.build_payment(&to, coins("0.01"), &PaymentOptions::default()).unwrap_err().to_string();
    assert!(error.contains("wait for a block"), "{error}");
    node.mine(1);
    bob.sync(&client).unwrap();
    let paid = payment(&bob, &to, "0.01");
    bob.send(&client, &paid).unwrap();
}

/// Legacy signatures do not commit to amounts: whoever lies about a coin's value makes the wallet sign away the rest.
#[test]
fn a_block_with_changed_values_is_refused() {
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    node.mine_to_address(1, &bob.address().unwrap());
    node.chain().blocks[1].transactions[0].outputs[0].value = coins("1");
    let error = bob.sync(&node.client()).unwrap_err().to_string();
    assert!(error.contains("is invalid") && error.contains("Merkle root"), "{error}");
    assert_eq!(bob.balance().immature, Amount::ZERO);
    // Nor is a block believed that nobody worked for.
    let node = FakeNode::local();
    node.mine_to_address(1, &bob.address().unwrap());
    node.chain().forge_tip();
    let error = demo("bob").sync(&node.client()).unwrap_err().to_string();
    assert!(error.contains("is invalid") && error.contains("target"), "{error}");
}

/// A mempool transaction under another's id.
#[test]
fn a_mempool_answer_must_be_the_one_asked_for() {
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    bob.sync(&node.client()).unwrap();
    let paid = payment(&bob, &external(&bob, 3), "1");
    node.chain().mempool.insert(chain_spec::Txid::ZERO, (*paid.transaction).clone());
    let error = bob.sync(&node.client()).unwrap_err().to_string();
    assert!(error.contains("not the transaction 0000"), "{error}");
}

#[test]
fn a_refusal_names_what_the_chosen_coins_hold() {
    let (node, mut alice) = (FakeNode::local(), demo("alice"));
    alice.sync(&node.client()).unwrap();
    let coin = alice.coins().into_iter().find(|coin| coin.value == coins("4.4")).unwrap();
    let options = PaymentOptions { coins: vec![coin.outpoint], ..PaymentOptions::default() };
    let error = alice.build_payment(&external(&alice, 2), coins("5"), &options).unwrap_err().to_string();
    assert!(error.contains("4.40000000 available") && !error.contains("395"), "{error}");
}

#[test]
fn what_the_node_holds_is_not_abandoned() {
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    let client = node.client();
    bob.sync(&client).unwrap();
    let paid = payment(&bob, &external(&bob, 3), "1");
    bob.send(&client, &paid).unwrap();
    assert!(matches!(bob.abandon(&paid.txid()), Err(WalletError::InMempool(_))));
    node.chain().mempool.clear();
    assert_eq!(bob.look(&client).unwrap().rebroadcast, [], "looking sends nothing");
    bob.abandon(&paid.txid()).unwrap();
    assert_eq!(bob.state(&paid.txid()), Some(State::Abandoned));
}

/// A reorganisation that takes a payment back is told by the sync that sees it, with what took its coins.
#[test]
fn a_reversed_payment_is_reported() {
    let (node, mut mallory, mut shop) = (FakeNode::local(), demo("mallory"), demo("shop"));
    let client = node.client();
    mallory.sync(&client).unwrap();
    let paid = payment(&mallory, &shop.address().unwrap(), "100");
    mallory.send(&client, &paid).unwrap();
    let theft = mallory.build_conflict(&paid, FeeRate::from_units_per_byte(2).unwrap()).unwrap();
    node.mine(2);
    assert_eq!(shop.sync(&client).unwrap().reversed, []);
    node.chain().disconnect(2);
    node.chain().pool(&theft.transaction);
    node.mine(3);
    let expected = [wallet::sync::Reversal { txid: paid.txid(), by: Some(theft.txid()) }];
    assert_eq!(shop.sync(&client).unwrap().reversed, expected);
    assert_eq!(shop.sync(&client).unwrap().reversed, [], "told once");
}

#[test]
fn a_payment_outlives_a_node_that_dies_while_it_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bob.wallet");
    let words = Words::parse(&super::words("bob")).unwrap();
    let mut bob = Wallet::create(&path, local(), &words, "", &Password::None).unwrap();
    let node = FakeNode::local();
    let client = node.client();
    bob.sync(&client).unwrap();
    let paid = payment(&bob, &external(&bob, 3), "1");
    drop(node);
    let error = bob.send(&client, &paid).unwrap_err();
    assert!(matches!(error, WalletError::Unsent { .. }), "{error}");
    assert!(error.to_string().contains(&format!("payment {} is unknown: it is kept", paid.txid())), "{error}");
    drop(bob);
    let mut bob = Wallet::open(&path, &Password::None).unwrap();
    assert_eq!(bob.state(&paid.txid()), Some(State::Unconfirmed { in_mempool: false }));
    let node = FakeNode::local();
    assert_eq!(bob.sync(&node.client()).unwrap().rebroadcast, [paid.txid()]);
    assert!(node.chain().mempool.contains_key(&paid.txid()));
}

/// The attack the lab studies: pay a shop, then take the same coins back on a longer branch.
#[test]
fn a_double_spend_to_oneself_takes_the_payment_back() {
    let (node, mut mallory, mut shop) = (FakeNode::local(), demo("mallory"), demo("shop"));
    let client = node.client();
    mallory.sync(&client).unwrap();
    let paid = payment(&mallory, &shop.address().unwrap(), "100");
    mallory.send(&client, &paid).unwrap();
    let theft = mallory.build_conflict(&paid, FeeRate::from_units_per_byte(2).unwrap()).unwrap();
    assert_eq!(theft.inputs, paid.inputs);
    assert!(Wallet::broadcast(&client, &theft).is_err(), "this node has no replacement by fee");
    node.mine(2);
    shop.sync(&client).unwrap();
    assert_eq!(shop.state(&paid.txid()).unwrap().confirmations(), 2);

    node.chain().disconnect(2);
    node.chain().pool(&theft.transaction);
    node.mine(3);
    for wallet in [&mut shop, &mut mallory] {
        wallet.sync(&client).unwrap();
        assert_eq!(wallet.state(&paid.txid()), Some(State::Conflicted { by: theft.txid() }));
    }
    assert_eq!(shop.balance().total(), coins("5"));
    assert_eq!(mallory.balance().confirmed, coins("585").checked_sub(theft.fee).unwrap());
}

#[test]
fn an_abandoned_payment_frees_its_coins() {
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    let client = node.client();
    bob.sync(&client).unwrap();
    let all = PaymentOptions { subtract_fee: true, ..PaymentOptions::default() };
    let paid = bob.build_payment(&external(&demo("shop"), 0), coins("15"), &all).unwrap();
    bob.record(&paid).unwrap();
    assert_eq!(bob.balance().spendable, Amount::ZERO);
    bob.abandon(&paid.txid()).unwrap();
    assert_eq!(bob.balance().spendable, coins("15"));
    assert_eq!(bob.sync(&client).unwrap().rebroadcast, [], "what was given up is not sent again");
    assert!(matches!(bob.abandon(&chain_spec::Txid::ZERO), Err(WalletError::NotUnconfirmed(_))));
}

#[test]
fn a_foreign_key_is_swept_whole() {
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    let client = node.client();
    for compressed in [true, false] {
        let key = PrivateKey::from_bytes(&[42 + u8::from(compressed); 32], compressed).unwrap();
        let wif = key.to_wif(&local());
        node.mine_to_address(2, &key.public_key().address(&local()));
        node.mine(2);
        bob.sync(&client).unwrap();
        let before = bob.balance().confirmed;
        let key = PrivateKey::from_wif(&wif, &local()).unwrap();
        let fee_rate = FeeRate::from_units_per_byte(60_000).unwrap();
        let dear = PaymentOptions { fee_rate, ..PaymentOptions::default() };
        let allowed = PaymentOptions { allow_high_fee: true, ..dear.clone() };
        let error = sweep::build(&bob, &client, &key, &dear, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("looks like a mistake"), "{error}");
        sweep::build(&bob, &client, &key, &allowed, &mut |_| {}).unwrap();
        let swept = sweep::build(&bob, &client, &key, &PaymentOptions::default(), &mut |_| {}).unwrap();
        bob.send(&client, &swept).unwrap();
        node.mine(1);
        bob.sync(&client).unwrap();
        let gained = bob.balance().confirmed.checked_sub(before).unwrap();
        assert_eq!(gained.checked_add(swept.fee), Some(coins("100")));
        let again = sweep::build(&bob, &client, &key, &PaymentOptions::default(), &mut |_| {}).unwrap_err();
        assert!(again.to_string().starts_with("this key has no coin"), "{again}");
    }
}

#[test]
fn a_wallet_file_holds_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.wallet");
    let words = Words::parse(&super::words("alice")).unwrap();
    let node = FakeNode::local();
    let client = node.client();
    let mut alice = Wallet::create(&path, local(), &words, "", &Password::None).unwrap();
    node.mine(300);
    alice.sync(&client).unwrap();
    let paid = payment(&alice, &external(&demo("bob"), 0), "12.5");
    alice.send(&client, &paid).unwrap();
    alice.new_address().unwrap();
    let (coins_before, history, address) = (alice.coins(), alice.history(), alice.address().unwrap());
    assert!(matches!(Wallet::open(&path, &Password::None), Err(WalletError::File(_))), "locked while in use");
    drop(alice);
    let mut alice = Wallet::open(&path, &Password::None).unwrap();
    assert_eq!((alice.coins(), alice.history(), alice.address().unwrap()), (coins_before, history, address));
    assert_eq!(alice.words().unwrap().to_text(), words.to_text());
    let report = alice.sync(&client).unwrap();
    assert_eq!((report.connected, report.rolled_back), (0, 0), "it goes on where it stopped");
    node.mine(1);
    alice.rescan();
    assert_eq!(alice.sync(&client).unwrap().connected, 302);
    assert_eq!(alice.state(&paid.txid()).unwrap().confirmations(), 1);
}

#[test]
fn client_errors_name_the_thing_and_the_remedy() {
    let node = FakeNode::local();
    let (url, directory) = (node.url(), tempfile::tempdir().unwrap());
    let wrong = directory.path().join("wrong");
    std::fs::write(&wrong, "__cookie__:wrong").unwrap();
    let call = |url: &str, auth: Auth| Client::new(url, auth).unwrap().block_count().unwrap_err();
    let cookie = |path: &std::path::Path| Auth::Cookie(path.to_owned());

    assert!(matches!(call(&url, cookie(&wrong)), ClientError::Unauthorized { .. }));
    let user = Auth::UserPassword { user: "u".into(), password: "p".to_owned().into() };
    assert!(matches!(call(&url, user), ClientError::Unauthorized { .. }));
    let error = call(&url, cookie(&directory.path().join("none"))).to_string();
    assert!(error.contains("cannot read the RPC cookie") && error.contains("--cookie"), "{error}");
    for bad in ["", "https://127.0.0.1", "http://", "ftp://x", "http://a/b", "http://u:p@h"] {
        assert!(matches!(Client::new(bad, cookie(&wrong)), Err(ClientError::Url { .. })), "{bad:?}");
    }
    let error = node.client().call("frobnicate", serde_json::json!([])).unwrap_err();
    assert_eq!(error.rpc_code(), Some(-32601));
    drop(node);
    let error = call(&url, cookie(&wrong)).to_string();
    assert!(error.starts_with(&format!("no node answers at {url} (connection refused)")), "{error}");
}

/// Whatever answers instead of a node: an error that says so, never a panic.
#[test]
fn nonsense_answers_are_errors() {
    let bodies = [
        "",
        "{}",
        "[]",
        "null",
        "<html>",
        "{\"result\":",
        "{\"result\":\"x\",\"error\":null,\"id\":0}",
        "[{\"id\":0,\"result\":\"00\"}]",
        "{\"error\":{\"code\":\"x\"}}",
    ];
    for body in bodies {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + body).as_bytes());
            // Closing with unread bytes would reset the connection under the client's hands.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let auth = Auth::UserPassword { user: "u".into(), password: "p".to_owned().into() };
        let client = Client::new(&url, auth).unwrap();
        let error = client.block_count().unwrap_err();
        assert!(matches!(error, ClientError::BadAnswer { .. }), "{body:?}: {error}");
        drop(client);
        server.join().unwrap();
    }
}
