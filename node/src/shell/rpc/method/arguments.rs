//! The arguments of one call, by position, with Bitcoin Core's complaints about wrong ones.
//!
//! Named arguments have become positions before a method sees them; `null` counts as absent, as in Core.

use crate::shell::rpc::error::{
    DESERIALIZATION_ERROR, INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, RpcError, TYPE_ERROR,
};
use crate::shell::rpc::method::Method;
use chain_spec::{Amount, Decode};
use serde_json::{Map, Value};
use std::str::FromStr;

/// The arguments of one call.
pub struct Arguments {
    method: &'static Method,
    values: Vec<Value>,
}

impl Arguments {
    /// From a request's `params`: a list, an object, or nothing.
    pub fn new(method: &'static Method, parameters: Option<Value>) -> Result<Arguments, RpcError> {
        let values = match parameters {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(Value::Object(named)) => by_position(method, named)?,
            Some(_) => {
                return Err(RpcError::new(
                    crate::shell::rpc::error::INVALID_REQUEST,
                    "Params must be an array or object",
                ));
            }
        };
        let arguments = Arguments { method, values };
        let given = arguments.values.len();
        // As in Core, a null in the place of a required argument is one of the wrong type, not a missing one.
        let needed =
            (0..method.arguments.len()).rev().find(|index| method.is_required(*index)).map_or(0, |last| last + 1);
        if given < needed || given > method.arguments.len() {
            return Err(RpcError::misc(method.help_text()));
        }
        arguments.check_types()?;
        Ok(arguments)
    }

    /// Compares the types of all arguments with the method's table.
    fn check_types(&self) -> Result<(), RpcError> {
        let mut wrong = Map::new();
        for index in 0..self.method.arguments.len() {
            let Some(expected) = self.method.argument_type(index) else { continue };
            let found = self.get(index).map_or("null", type_name);
            if found != expected && (self.get(index).is_some() || self.method.is_required(index)) {
                wrong.insert(self.place(index), mismatch(found, expected).into());
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong_types(wrong)) }
    }

    /// Core's name for the place of an argument.
    fn place(&self, index: usize) -> String {
        format!("Position {} ({})", index + 1, self.name(index))
    }

    /// The value at a position, unless absent or null.
    pub fn get(&self, index: usize) -> Option<&Value> {
        self.values.get(index).filter(|value| !value.is_null())
    }

    /// All values, as they were given.
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// A text.
    pub fn text(&self, index: usize) -> Result<&str, RpcError> {
        match self.get(index) {
            Some(Value::String(text)) => Ok(text),
            other => Err(self.wrong_type(index, other, "string")),
        }
    }
    /// A text that may be left out.
    pub fn optional_text(&self, index: usize) -> Result<Option<&str>, RpcError> {
        self.get(index).is_some().then(|| self.text(index)).transpose()
    }
    /// A whole number.
    pub fn integer(&self, index: usize) -> Result<i64, RpcError> {
        match self.get(index) {
            Some(Value::Number(number)) => number.as_i64().ok_or_else(|| RpcError::misc("JSON integer out of range")),
            other => Err(self.wrong_type(index, other, "number")),
        }
    }
    /// A whole number that may be left out.
    pub fn integer_or(&self, index: usize, default: i64) -> Result<i64, RpcError> {
        if self.get(index).is_some() { self.integer(index) } else { Ok(default) }
    }
    /// A whole number within a range that may be left out.
    pub fn bounded_or(&self, index: usize, default: u32, max: u32) -> Result<u32, RpcError> {
        let value = self.integer_or(index, i64::from(default))?;
        u32::try_from(value)
            .ok()
            .filter(|value| *value <= max)
            .ok_or_else(|| RpcError::parameter(format!("{} must be between 0 and {max}", self.name(index))))
    }
    /// A number, fractions allowed, that may be left out.
    pub fn number(&self, index: usize) -> Result<Option<f64>, RpcError> {
        match self.get(index) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            other => Err(self.wrong_type(index, other, "number")),
        }
    }
    /// Yes or no, that may be left out.
    pub fn boolean_or(&self, index: usize, default: bool) -> Result<bool, RpcError> {
        match self.get(index) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            other => Err(self.wrong_type(index, other, "bool")),
        }
    }
    /// A verbosity: a number, or a boolean from the days when there were two.
    pub fn verbosity_or(&self, index: usize, default: i64) -> Result<i64, RpcError> {
        match self.get(index) {
            Some(Value::Bool(verbose)) => Ok(i64::from(*verbose)),
            _ => self.integer_or(index, default),
        }
    }
    /// A list.
    pub fn list(&self, index: usize) -> Result<&[Value], RpcError> {
        match self.get(index) {
            Some(Value::Array(values)) => Ok(values),
            other => Err(self.wrong_type(index, other, "array")),
        }
    }
    /// An object that may be left out.
    pub fn object(&self, index: usize) -> Result<Option<&Map<String, Value>>, RpcError> {
        match self.get(index) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            other => Err(self.wrong_type(index, other, "object")),
        }
    }
    /// A block hash or txid: 64 hexadecimal digits.
    pub fn hash<H: FromStr>(&self, index: usize) -> Result<H, RpcError> {
        parse_hash(self.text(index)?, self.name(index))
    }
    /// A block, header or transaction in hexadecimal.
    pub fn decoded<T: Decode>(&self, index: usize, what: &str) -> Result<T, RpcError> {
        decode_hex(self.text(index)?, what)
    }
    /// An amount of coin, as a number or a text; exact, since JSON numbers are kept as they were written.
    pub fn amount(&self, index: usize) -> Result<Option<Amount>, RpcError> {
        self.get(index).map(parse_amount).transpose()
    }
    /// A block or header in hexadecimal; what follows it is ignored, as Core does.
    pub fn decoded_prefix<T: Decode>(&self, index: usize, what: &str) -> Result<T, RpcError> {
        decode_hex_prefix(self.text(index)?, what)
    }

    /// The bare name of the argument at a position.
    fn name(&self, index: usize) -> &'static str {
        self.method.argument_names(index).next().unwrap_or("argument")
    }

    fn wrong_type(&self, index: usize, found: Option<&Value>, expected: &str) -> RpcError {
        let found = found.map_or("null", type_name);
        wrong_types(Map::from_iter([(self.place(index), mismatch(found, expected).into())]))
    }
}

/// Core's complaint about a value's type.
fn mismatch(found: &str, expected: &str) -> String {
    format!("JSON value of type {found} is not of expected type {expected}")
}

fn wrong_types(wrong: Map<String, Value>) -> RpcError {
    RpcError::new(TYPE_ERROR, format!("Wrong type passed:\n{:#}", Value::Object(wrong)))
}

/// Core's names for JSON types.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Puts named arguments in their places. `args` holds leading positional ones, as in Core.
fn by_position(method: &'static Method, mut named: Map<String, Value>) -> Result<Vec<Value>, RpcError> {
    let mut values = match named.remove("args") {
        None => Vec::new(),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(RpcError::parameter("Parameter args must be an array")),
    };
    for (name, value) in named {
        let index = (0..method.arguments.len())
            .find(|index| method.argument_names(*index).any(|known| known == name))
            .ok_or_else(|| RpcError::new(INVALID_PARAMETER, format!("Unknown named parameter {name}")))?;
        if values.len() <= index {
            values.resize(index + 1, Value::Null);
        }
        if !values[index].is_null() {
            return Err(RpcError::parameter(format!("Parameter {name} specified twice")));
        }
        values[index] = value;
    }
    Ok(values)
}

/// A number without its exponent and the zeros at its end: `1e-05`, as Python writes it, is `0.00001` (Core:
/// `ParseFixedPoint`). `None` if it is no number, or so long that it is no amount.
fn plain_decimal(text: &str) -> Option<String> {
    /// Places before and behind the point, at most.
    const PLACES_MAX: usize = 40;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.parse::<isize>().ok().filter(|exponent| exponent.unsigned_abs() <= PLACES_MAX)?;
    if !is_number(whole) || !is_number(fraction) || whole.len().max(fraction.len()) > PLACES_MAX {
        return None;
    }
    // With so many zeros on both sides, the point can be moved without leaving the digits.
    let zeros = "0".repeat(PLACES_MAX);
    let digits = format!("{zeros}{whole}{fraction}{zeros}");
    let (whole, fraction) = digits.split_at((PLACES_MAX + whole.len()).checked_add_signed(exponent)?);
    let whole = whole.trim_start_matches('0');
    Some(format!("{}.{}", if whole.is_empty() { "0" } else { whole }, fraction.trim_end_matches('0')))
}

/// Reads a hash, with Core's two complaints.
pub fn parse_hash<H: FromStr>(text: &str, name: &str) -> Result<H, RpcError> {
    if text.len() != 64 {
        return Err(RpcError::parameter(format!("{name} must be of length 64 (not {}, for '{text}')", text.len())));
    }
    text.parse().map_err(|_| RpcError::parameter(format!("{name} must be hexadecimal string (not '{text}')")))
}

/// An amount of coin, as a number or a text; exact, since JSON numbers are kept as they were written.
pub fn parse_amount(value: &Value) -> Result<Amount, RpcError> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(RpcError::new(TYPE_ERROR, "Amount is not a number or string")),
    };
    if text.starts_with('-') {
        return Err(RpcError::new(TYPE_ERROR, "Amount out of range"));
    }
    let plain = plain_decimal(&text).ok_or_else(|| RpcError::new(TYPE_ERROR, "Invalid amount"))?;
    let amount: Amount = plain.parse().map_err(|_| RpcError::new(TYPE_ERROR, "Invalid amount"))?;
    if amount.is_money() { Ok(amount) } else { Err(RpcError::new(TYPE_ERROR, "Amount out of range")) }
}

/// Reads a block or header at the beginning of hexadecimal digits, or says that `what` does not decode (−22).
pub fn decode_hex_prefix<T: Decode>(text: &str, what: &str) -> Result<T, RpcError> {
    let failed = |why: String| RpcError::new(DESERIALIZATION_ERROR, format!("{what} decode failed: {why}"));
    let bytes = hex::decode(text).map_err(|error| failed(format!("not hexadecimal: {error}")))?;
    T::decode(&mut bytes.as_slice()).map_err(|error| failed(error.to_string()))
}

/// Reads a block, header or transaction from hexadecimal, or says that `what` does not decode (−22).
pub fn decode_hex<T: Decode>(text: &str, what: &str) -> Result<T, RpcError> {
    let failed = |why: String| RpcError::new(DESERIALIZATION_ERROR, format!("{what} decode failed: {why}"));
    let bytes = hex::decode(text).map_err(|error| failed(format!("not hexadecimal: {error}")))?;
    T::from_bytes(&bytes).map_err(|error| failed(error.to_string()))
}

/// An error for an address that is not one of this chain.
pub fn bad_address(error: &chain_spec::address::AddressError) -> RpcError {
    RpcError::new(INVALID_ADDRESS_OR_KEY, format!("Invalid address: {error}"))
}

#[cfg(test)]
mod tests;
