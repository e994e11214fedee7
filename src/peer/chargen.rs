//! RFC 864: "data is sent out the connection, any data received is thrown away, until the calling
//! user terminates the connection".
//!
//! The popular pattern: lines of 72 of the 95 printing characters, each beginning one character
//! later than the last, ended by CR LF. After 95 lines it repeats, so one copy of it (and a burst
//! more) serves all connections, and a connection is no more than an offset into it.

use super::Behaviour;

const FIRST: u8 = b' ';
const CHARACTERS: usize = 95;
const WIDTH: usize = 72;
const LINE: usize = WIDTH + 2;
const CYCLE: usize = CHARACTERS * LINE;
/// How much is offered to one send(2).
const BURST: usize = 64 * 1024;

/// The Character Generator Protocol.
#[derive(Clone, Debug)]
pub struct Chargen {
    pattern: Box<[u8]>,
}

impl Chargen {
    /// The pattern, laid out so that a whole burst can start anywhere in it.
    pub fn new() -> Self {
        let pattern = (0..CYCLE).map(character).cycle().take(CYCLE + BURST);
        Self {
            pattern: pattern.collect(),
        }
    }
}

impl Default for Chargen {
    fn default() -> Self {
        Self::new()
    }
}

/// The byte at `offset` of the endless stream.
fn character(offset: usize) -> u8 {
    match offset % LINE {
        WIDTH => b'\r',
        column if column > WIDTH => b'\n',
        column => {
            let turned = (offset / LINE + column) % CHARACTERS;
            // Less than 95, so it fits.
            FIRST.saturating_add(u8::try_from(turned).unwrap_or(0))
        }
    }
}

impl Behaviour for Chargen {
    type State = usize;
    const LOOKS: bool = false;
    const ENDLESS: bool = true;

    fn reply<'data>(&'data self, _: &'data mut usize, _: &'data [u8]) -> &'data [u8] {
        &[]
    }

    fn source<'data>(&'data self, offset: &'data usize) -> &'data [u8] {
        &self.pattern[*offset..*offset + BURST]
    }

    fn advance(&self, offset: &mut usize, sent: usize) {
        *offset = (*offset + sent) % CYCLE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_those_of_the_rfc() {
        let text = String::from_utf8(Chargen::new().pattern.to_vec()).unwrap();
        let lines: Vec<_> = text.split_inclusive("\r\n").collect();
        assert!(lines[0].starts_with(" !\"#$%&'()*+,-./0123"));
        assert!(lines[0].ends_with("XYZ[\\]^_`abcdefg\r\n"));
        assert!(lines[1].starts_with("!\"#$%"));
        assert!(lines[1].ends_with("abcdefgh\r\n"));
        assert!(lines[94].starts_with("~ !\"#"));
        assert_eq!(lines[95], lines[0]);
        assert!(lines[..95].iter().all(|line| line.len() == 74));
    }

    #[test]
    fn the_stream_is_seamless_wherever_a_send_ends() {
        let chargen = Chargen::new();
        let mut offset = 0;
        let mut at = 0;
        for sent in [1, 73, 74, BURST, BURST - 1, 7_029, 1] {
            let source = chargen.source(&offset);
            let expected = (at..at + BURST).map(|at| character(at % CYCLE));
            assert!(source.iter().copied().eq(expected));
            chargen.advance(&mut offset, sent);
            at += sent;
        }
    }
}
