//! RFC 863: "throws away any data received, until the calling user terminates the connection".

use super::Behaviour;

/// The Discard Protocol.
#[derive(Clone, Copy, Debug)]
pub struct Discard;

impl Behaviour for Discard {
    type State = ();
    const LOOKS: bool = false;
    const ENDLESS: bool = false;

    fn reply<'data>(&'data self, (): &'data mut (), _: &'data [u8]) -> &'data [u8] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_reply() {
        let mut state = ();
        assert!(Discard.reply(&mut state, b"hello").is_empty());
    }
}
