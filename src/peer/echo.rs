//! RFC 862: "any data received is sent back, until the calling user terminates the connection".

use super::Behaviour;

/// The Echo Protocol.
#[derive(Clone, Copy, Debug)]
pub struct Echo;

impl Behaviour for Echo {
    type State = ();
    const LOOKS: bool = true;
    const ENDLESS: bool = false;

    fn reply<'data>(&'data self, (): &'data mut (), chunk: &'data [u8]) -> &'data [u8] {
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_is_the_chunk_itself() {
        let chunk = *b"hello";
        let mut state = ();
        assert_eq!(Echo.reply(&mut state, &chunk).as_ptr(), chunk.as_ptr());
    }
}
