#![expect(unsafe_code, reason = "getaddrinfo and its linked list")]
//! getaddrinfo(3): names to addresses. It blocks for as long as the resolver likes.

use std::ffi::CStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

/// The IP addresses of `host` in the resolver's order (RFC 6724), each with `port`.
///
/// # Errors
///
/// The `EAI_*` code, and the errno beside it where that is `EAI_SYSTEM`.
pub fn getaddrinfo(
    host: &CStr,
    port: u16,
    family: libc::c_int,
    socket_type: libc::c_int,
) -> Result<Vec<SocketAddr>, (i32, std::io::Error)> {
    let hints = libc::addrinfo {
        ai_flags: 0,
        ai_family: family,
        ai_socktype: socket_type,
        ai_protocol: 0,
        ai_addrlen: 0,
        ai_addr: ptr::null_mut(),
        ai_canonname: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    };
    let mut head = ptr::null_mut();
    // SAFETY: a NUL-ended name, live hints, and a place for the list.
    let code =
        unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &raw const hints, &raw mut head) };
    if code != 0 {
        return Err((code, std::io::Error::last_os_error()));
    }
    let mut found = Vec::new();
    let mut next = head;
    // SAFETY: `next` is NULL or an entry of the list that getaddrinfo made and nobody has freed.
    while let Some(entry) = unsafe { next.as_ref() } {
        if let Some(address) = address_of(entry, port) {
            found.push(address);
        }
        next = entry.ai_next;
    }
    // SAFETY: the list that getaddrinfo made, freed once; `found` holds copies.
    unsafe { libc::freeaddrinfo(head) };
    Ok(found)
}

#[expect(clippy::cast_ptr_alignment, reason = "read_unaligned asks for none")]
fn address_of(entry: &libc::addrinfo, port: u16) -> Option<SocketAddr> {
    match entry.ai_family {
        libc::AF_INET => {
            let address = entry.ai_addr.cast::<libc::sockaddr_in>();
            // SAFETY: an entry of family AF_INET points to a sockaddr_in (getaddrinfo(3)).
            let v4 = unsafe { address.read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, port).into())
        }
        libc::AF_INET6 => {
            let address = entry.ai_addr.cast::<libc::sockaddr_in6>();
            // SAFETY: an entry of family AF_INET6 points to a sockaddr_in6 (getaddrinfo(3)).
            let v6 = unsafe { address.read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// gai_strerror(3).
pub fn gai_strerror(code: i32) -> String {
    // SAFETY: takes any int.
    let text = unsafe { libc::gai_strerror(code) };
    // SAFETY: always a static, NUL-ended text, for unknown codes too.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_resolve_without_a_resolver() {
        let v4 = getaddrinfo(c"127.0.0.9", 7, libc::AF_UNSPEC, libc::SOCK_STREAM).unwrap();
        assert_eq!(v4, ["127.0.0.9:7".parse().unwrap()]);
        let v6 = getaddrinfo(c"::1", 7, libc::AF_INET6, libc::SOCK_STREAM).unwrap();
        assert_eq!(v6, ["[::1]:7".parse().unwrap()]);
    }

    #[test]
    fn an_unknown_name_gives_the_resolvers_code() {
        let (code, _) =
            getaddrinfo(c"host.invalid", 7, libc::AF_INET, libc::SOCK_STREAM).unwrap_err();
        assert!(code < 0);
        assert!(!gai_strerror(code).is_empty());
    }
}
