//! Control messages (cmsg(3)): what goes beside the bytes of a message, such as descriptors.
//!
//! The kernel's form of each is a header (length with the header, level, type), the data, and
//! padding up to the next word. It does not ask for the buffer itself to be aligned.

use std::mem::size_of;

/// Level, type and data of one control message.
pub type ControlMessage<'data> = (i32, i32, &'data [u8]);

const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 2 * size_of::<i32>();

/// `CMSG_SPACE`: what a control message with so much data takes up; `None` if that is no size.
pub fn space(length: usize) -> Option<usize> {
    HEADER.checked_add(length)?.checked_next_multiple_of(WORD)
}

/// Appends one control message in the kernel's form.
pub fn append(control: &mut Vec<u8>, (level, kind, data): ControlMessage<'_>) {
    control.extend_from_slice(&(HEADER + data.len()).to_ne_bytes());
    control.extend_from_slice(&level.to_ne_bytes());
    control.extend_from_slice(&kind.to_ne_bytes());
    control.extend_from_slice(data);
    control.resize(control.len().next_multiple_of(WORD), 0);
}

/// The control messages in `control`. The second value is false when the last one was cut short
/// (`MSG_CTRUNC`) or has an impossible length: it then has what there is of it.
pub fn parse(control: &[u8]) -> (Vec<ControlMessage<'_>>, bool) {
    let mut messages = Vec::new();
    let mut rest = control;
    while let Some((header, behind)) = rest.split_at_checked(HEADER) {
        let length = number(header, 0).map(usize::from_ne_bytes);
        let level = number(header, WORD).map_or(0, i32::from_ne_bytes);
        let kind = number(header, WORD + size_of::<i32>()).map_or(0, i32::from_ne_bytes);
        let Some(length) = length.and_then(|length| length.checked_sub(HEADER)) else {
            return (messages, false);
        };
        let Some(data) = behind.get(..length) else {
            messages.push((level, kind, behind));
            return (messages, false);
        };
        messages.push((level, kind, data));
        rest = behind.get(length.next_multiple_of(WORD)..).unwrap_or(&[]);
    }
    (messages, true)
}

fn number<const SIZE: usize>(bytes: &[u8], at: usize) -> Option<[u8; SIZE]> {
    bytes.get(at..at + SIZE)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_parsed() {
        let mut control = Vec::new();
        append(&mut control, (1, 2, b"four"));
        append(&mut control, (3, 4, b""));
        append(&mut control, (5, 6, b"longer than a word"));
        let (messages, whole) = parse(&control);
        assert!(whole);
        assert_eq!(
            messages,
            [
                (1, 2, &b"four"[..]),
                (3, 4, b""),
                (5, 6, b"longer than a word")
            ]
        );
        let sizes = [4, 0, 18].map(|length| space(length).unwrap());
        assert_eq!(control.len(), sizes.iter().sum::<usize>());
    }

    #[test]
    fn a_cut_message_keeps_what_there_is() {
        let mut control = Vec::new();
        append(&mut control, (1, 2, b"whole"));
        append(&mut control, (3, 4, b"in two parts"));
        let cut = control.len() - WORD;
        let (messages, whole) = parse(&control[..cut]);
        assert!(!whole);
        assert_eq!(messages[0], (1, 2, &b"whole"[..]));
        assert_eq!(messages[1], (3, 4, &b"in two p"[..]));
    }

    #[test]
    fn nonsense_is_refused_and_never_runs_past_the_end() {
        let too_short = [&1_usize.to_ne_bytes()[..], &[0; 8]].concat();
        assert_eq!(parse(&too_short), (vec![], false));
        let too_long = [&usize::MAX.to_ne_bytes()[..], &[0; 8]].concat();
        assert_eq!(parse(&too_long), (vec![(0, 0, &b""[..])], false));
        assert_eq!(parse(&[1, 2, 3]), (vec![], true));
        assert_eq!(space(usize::MAX), None);
    }
}
