//! Text of others (a node's error message, a label in a URI) made safe to show.
//!
//! Control characters could move the cursor, colour a terminal, or hide what was written before; characters that change
//! the direction of writing could make one text look like another.

/// Characters of a foreign text that are shown; the rest is cut.
const SHOWN_MAX: usize = 400;

/// The text with every control and direction character replaced by `�`, cut to 400 characters.
pub fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).map(|c| if is_hidden(c) { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Control characters (with line breaks and tabs), line separators, and Unicode's bidirectional and invisible formatting.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{061C}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_remains() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}c\u{9b}1m"), "a�[2J�b�c�1m");
        assert_eq!(printable("missing-inputs, für Jürgen 10⁻⁸"), "missing-inputs, für Jürgen 10⁻⁸");
        assert_eq!(printable(&"x".repeat(500)).chars().count(), SHOWN_MAX + 1);
    }
}
