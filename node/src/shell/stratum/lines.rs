//! Reads lines of bounded length from a stranger.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Longest line that is read, bytes. The longest request of a working miner has a few hundred.
pub const LINE_BYTES_MAX: usize = 8 * 1024;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line without its end.
    Whole(Vec<u8>),
    /// More than [`LINE_BYTES_MAX`] without an end.
    TooLong,
    /// The other side is gone.
    Closed,
}

/// A reader of lines. What was read of a line stays when [`Lines::next`] is dropped.
pub struct Lines<R> {
    reader: R,
    partial: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Reads from here.
    pub fn new(reader: R) -> Lines<R> {
        Lines { reader, partial: Vec::new() }
    }

    /// The next line that is not empty.
    pub async fn next(&mut self) -> Line {
        loop {
            let Ok(buffer) = self.reader.fill_buf().await else { return Line::Closed };
            if buffer.is_empty() {
                return Line::Closed;
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let (taken, consumed) = end.map_or((buffer.len(), buffer.len()), |end| (end, end + 1));
            if self.partial.len() + taken > LINE_BYTES_MAX {
                return Line::TooLong;
            }
            self.partial.extend_from_slice(&buffer[..taken]);
            self.reader.consume(consumed);
            if end.is_some() {
                let line = std::mem::take(&mut self.partial);
                let line = line.strip_suffix(b"\r").map(<[u8]>::to_vec).unwrap_or(line);
                if !line.is_empty() {
                    return Line::Whole(line);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt as _, BufReader};

    #[tokio::test]
    async fn lines_come_whole_however_they_were_cut() {
        let (mut writer, reader) = tokio::io::duplex(7);
        let mut lines = Lines::new(BufReader::with_capacity(5, reader));
        let sent = tokio::spawn(async move {
            let long = format!("{}\n", "x".repeat(LINE_BYTES_MAX));
            for text in ["a\n", "\r\n", "bc", "d\r\ne\nlast\n", &long, &"y".repeat(LINE_BYTES_MAX + 1)] {
                if writer.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        for expected in ["a", "bcd", "e", "last", &"x".repeat(LINE_BYTES_MAX)] {
            assert_eq!(lines.next().await, Line::Whole(expected.into()));
        }
        assert_eq!(lines.next().await, Line::TooLong);
        drop(lines);
        // The writer may have been done before the reader left.
        let _ = sent.await;
    }

    #[tokio::test]
    async fn the_end_is_told_and_a_torn_line_is_none() {
        let mut lines = Lines::new(BufReader::new(&b"whole\ntorn"[..]));
        assert_eq!(lines.next().await, Line::Whole(b"whole".to_vec()));
        assert_eq!(lines.next().await, Line::Closed);
    }
}
