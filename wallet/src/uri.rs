//! Payment requests as URIs, in BIP21's grammar: `testoon:ADDRESS?amount=12.5&label=Shop&message=Order%207`.
//!
//! On a chain that begins with Bitcoin's own genesis block the scheme is `bitcoin`, with Litecoin's `litecoin`. Everywhere
//! else it is `testoon`, since a Bitcoin wallet that opened a `bitcoin:` URI of a chain with Bitcoin's addresses would pay real
//! bitcoins. Pure.

use chain_spec::{Address, Amount, ChainSpec};

use crate::text::printable;

/// A request for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRequest {
    /// Who is paid.
    pub address: Address,
    /// How much, if the receiver says so.
    pub amount: Option<Amount>,
    /// What the receiver is called, safe to show.
    pub label: Option<String>,
    /// What it is for, safe to show.
    pub message: Option<String>,
}

/// Why text is no request for a payment on this chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a payment request of this chain: {0}")]
pub struct UriError(String);

/// Chains of others, whose wallets know them by a scheme of their own.
const FOREIGN: [(&str, &str); 3] =
    [("bitcoin-main", "bitcoin"), ("bitcoin-regtest", "bitcoin"), ("litecoin-main", "litecoin")];

/// The scheme of a chain's payment requests. What a chain is called does not matter: its genesis block says whose it is.
fn scheme(spec: &ChainSpec) -> &'static str {
    let is_same =
        |name: &str| ChainSpec::builtin(name).is_some_and(|foreign| foreign.genesis_hash() == spec.genesis_hash());
    FOREIGN.iter().find(|(name, _)| is_same(name)).map_or("testoon", |(_, scheme)| *scheme)
}

impl PaymentRequest {
    /// Whether text is meant as a URI rather than as an address.
    pub fn is_uri(text: &str) -> bool {
        text.contains(':')
    }

    /// Reads a URI. Unknown parameters are ignored, unless their name begins with `req-` (BIP21).
    pub fn parse(text: &str, spec: &ChainSpec) -> Result<PaymentRequest, UriError> {
        let wrong = |reason: String| UriError(printable(&reason));
        let (given, rest) = text.split_once(':').ok_or_else(|| wrong("it has no scheme".into()))?;
        if !given.eq_ignore_ascii_case(scheme(spec)) {
            return Err(wrong(format!(
                "it begins with {given:?}, those of chain {:?} with {:?}",
                spec.name,
                scheme(spec)
            )));
        }
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let address = Address::parse(address, spec).map_err(|error| wrong(error.to_string()))?;
        let mut request = PaymentRequest { address, amount: None, label: None, message: None };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = decode(value).ok_or_else(|| wrong(format!("{name} is not percent-encoded UTF-8")))?;
            match name {
                "amount" => {
                    let amount: Amount = value.parse().map_err(|error| wrong(format!("amount: {error}")))?;
                    request.amount = Some(amount);
                }
                "label" => request.label = Some(printable(&value)),
                "message" => request.message = Some(printable(&value)),
                _ if name.starts_with("req-") => return Err(wrong(format!("it demands {name:?}, which is unknown"))),
                _ => {}
            }
        }
        Ok(request)
    }

    /// Writes the URI.
    pub fn to_uri(&self, spec: &ChainSpec) -> String {
        let amount = self.amount.map(|amount| format!("amount={}", short(amount)));
        let text = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}={}", encode(value)));
        let parameters = [amount, text("label", &self.label), text("message", &self.message)];
        let query = parameters.into_iter().flatten().collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}:{}{mark}{query}", scheme(spec), self.address)
    }
}

/// An amount without zeros at its end.
fn short(amount: Amount) -> String {
    let text = amount.to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_first_chunk::<2>()?;
            bytes.push(*hex::decode(digits).ok()?.first()?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa7";

    fn spec() -> ChainSpec {
        ChainSpec::builtin("local").unwrap()
    }

    #[test]
    fn requests_round_trip() {
        let request = PaymentRequest {
            address: Address::parse(BOB, &spec()).unwrap(),
            amount: Some("12.5".parse().unwrap()),
            label: Some("Jürgen's shop & bar".into()),
            message: Some("100 % = all?".into()),
        };
        let uri = request.to_uri(&spec());
        assert_eq!(
            uri,
            format!(
                "testoon:{BOB}?amount=12.5&label=J%C3%BCrgen%27s%20shop%20%26%20bar&message=100%20%25%20%3D%20all%3F"
            )
        );
        assert_eq!(PaymentRequest::parse(&uri, &spec()).unwrap(), request);
        let bare = PaymentRequest { amount: None, label: None, message: None, ..request };
        assert_eq!(bare.to_uri(&spec()), format!("testoon:{BOB}"));
    }

    #[test]
    fn bip21_s_rules_hold() {
        let parse = |text: &str| PaymentRequest::parse(text, &spec());
        let amount = |text: &str| parse(&format!("TESTOON:{BOB}?amount={text}")).map(|request| request.amount);
        assert_eq!(amount("20.3").unwrap(), Some("20.3".parse().unwrap()));
        assert!(amount("1e3").is_err() && amount("-1").is_err() && amount("").is_err());
        assert!(parse(&format!("testoon:{BOB}?somethingyoudontunderstand=50&label=a")).is_ok());
        assert!(parse(&format!("testoon:{BOB}?req-somethingyoudontunderstand=50")).is_err());
        assert!(parse(&format!("testoon:{BOB}?label=%zz")).is_err());
        assert!(parse(&format!("testoon:{BOB}?label=%1b[2J")).unwrap().label.unwrap().contains('\u{FFFD}'));
        // Real bitcoins are not asked for by mistake, nor paid.
        assert!(parse(&format!("bitcoin:{BOB}")).unwrap_err().to_string().contains("testoon"));
    }

    /// BIP21's own examples, on the chain they are of. Their address has a wrong checksum, so that
    /// nobody pays it; here stands that of Bitcoin's first block.
    #[test]
    fn bip21_s_examples_are_read_and_written() {
        let main = ChainSpec::builtin("bitcoin-main").unwrap();
        let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        let parse = |text: &str| PaymentRequest::parse(text, &main);
        let bare = parse(&format!("bitcoin:{address}")).unwrap();
        assert_eq!((bare.address.to_string().as_str(), bare.amount), (address, None));
        let named = parse(&format!("bitcoin:{address}?label=Luke-Jr")).unwrap();
        assert_eq!(named.label.as_deref(), Some("Luke-Jr"));
        let asked = format!("bitcoin:{address}?amount=20.3&label=Luke-Jr");
        let request = parse(&asked).unwrap();
        assert_eq!(request.amount, Some("20.3".parse().unwrap()));
        assert_eq!(request.to_uri(&main), asked);
        let donation = format!("bitcoin:{address}?amount=50&label=Luke-Jr&message=Donation%20for%20project%20xyz");
        assert_eq!(parse(&donation).unwrap().message.as_deref(), Some("Donation for project xyz"));
        assert_eq!(parse(&donation).unwrap().to_uri(&main), donation);
        let demands = "req-somethingyoudontunderstand=50&req-somethingelseyoudontget=999";
        assert!(parse(&format!("bitcoin:{address}?{demands}")).is_err());
        assert!(parse(&format!("bitcoin:{address}?{}", demands.replace("req-", ""))).is_ok());
        assert!(parse(&format!("testoon:{address}")).unwrap_err().to_string().contains("\"bitcoin\""));
    }

    #[test]
    fn the_genesis_block_decides_the_scheme() {
        let mut renamed = ChainSpec::builtin("bitcoin-regtest").unwrap();
        renamed.name = "mine".into();
        let mut pretender = spec();
        pretender.name = "bitcoin-like".into();
        let litecoin = ChainSpec::builtin("litecoin-main").unwrap();
        assert_eq!([&renamed, &pretender, &litecoin].map(scheme), ["bitcoin", "testoon", "litecoin"]);
    }
}
