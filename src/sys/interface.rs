#![expect(unsafe_code, reason = "if_nametoindex and if_indextoname")]
//! Network interfaces: their names and numbers (if_nametoindex(3)).

use std::ffi::CStr;
use std::io;

/// The number of the interface `name`.
///
/// # Errors
///
/// `ENODEV`: there is none of that name.
pub fn if_nametoindex(name: &CStr) -> io::Result<u32> {
    // SAFETY: a NUL-ended name.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// The name of interface number `index`; `None` if there is none (0 means any).
pub fn if_indextoname(index: u32) -> Option<Vec<u8>> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: room for the longest name and its NUL.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(&name)
        .ok()
        .map(|name| name.to_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_both_ways() {
        let index = if_nametoindex(c"lo").unwrap();
        assert_eq!(if_indextoname(index).unwrap(), b"lo");
        assert_eq!(if_indextoname(0), None);
        let error = if_nametoindex(c"no such one").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
