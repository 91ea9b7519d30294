//! A script cut into instructions, as Bitcoin cuts it.
use super::opcode;

/// One opcode, with the bytes it pushes where it is `OP_0`, a direct push or `OP_PUSHDATA`.
pub(super) struct Instruction<'a> {
    pub opcode: u8,
    pub data: Option<&'a [u8]>,
}

/// Takes one instruction off the front; `None` at the end or where a push is longer than what is left (Core: `GetOp`).
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<Instruction<'a>> {
    let (&opcode, mut tail) = rest.split_first()?;
    let length_bytes = match opcode {
        opcode::PUSHDATA1 => 1,
        opcode::PUSHDATA2 => 2,
        opcode::PUSHDATA4 => 4,
        _ => 0,
    };
    if opcode > opcode::PUSHDATA4 {
        *rest = tail;
        return Some(Instruction { opcode, data: None });
    }
    let length = if length_bytes == 0 {
        usize::from(opcode)
    } else {
        let (length, after) = tail.split_at_checked(length_bytes)?;
        tail = after;
        length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte))
    };
    let (data, after) = tail.split_at_checked(length)?;
    *rest = after;
    Some(Instruction { opcode, data: Some(data) })
}

/// Appends the shortest push of `data` by length (a number 1..=16 is not turned into `OP_n`).
pub(super) fn push(data: &[u8], out: &mut Vec<u8>) {
    match data.len() {
        length @ 0..=75 => out.push(length as u8),
        length @ 76..=0xff => out.extend([opcode::PUSHDATA1, length as u8]),
        length @ 0x100..=0xffff => {
            out.push(opcode::PUSHDATA2);
            out.extend((length as u16).to_le_bytes());
        }
        length => {
            out.push(opcode::PUSHDATA4);
            out.extend((length as u32).to_le_bytes());
        }
    }
    out.extend_from_slice(data);
}
