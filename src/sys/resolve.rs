#![expect(unsafe_code, reason = "getaddrinfo and its linked list, getnameinfo")]
//! getaddrinfo(3) and getnameinfo(3): names to addresses and back. Both block for as long as the
//! resolver likes.

use std::ffi::{CStr, CString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

/// What getaddrinfo(3) is to look for; zero is any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints {
    /// `AI_*`.
    pub flags: libc::c_int,
    /// `AF_*`.
    pub family: libc::c_int,
    /// `SOCK_*`.
    pub kind: libc::c_int,
    /// `IPPROTO_*`.
    pub protocol: libc::c_int,
}

/// One entry of getaddrinfo(3)'s list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// `AF_*`.
    pub family: libc::c_int,
    /// `SOCK_*`.
    pub kind: libc::c_int,
    /// `IPPROTO_*`.
    pub protocol: libc::c_int,
    /// The host's proper name: of the first entry, where `AI_CANONNAME` asks for it.
    pub canonical: Option<CString>,
    /// The address, the port included.
    pub address: SocketAddr,
}

/// A resolver's failure: the `EAI_*` code, and the errno beside it where that is `EAI_SYSTEM`.
pub type Failure = (i32, io::Error);

/// The IP addresses of `host` in the resolver's order (RFC 6724), with the port of `service`.
///
/// # Errors
///
/// A [`Failure`].
pub fn getaddrinfo(
    host: Option<&CStr>,
    service: Option<&CStr>,
    hints: Hints,
) -> Result<Vec<Info>, Failure> {
    let hints = libc::addrinfo {
        ai_flags: hints.flags,
        ai_family: hints.family,
        ai_socktype: hints.kind,
        ai_protocol: hints.protocol,
        ai_addrlen: 0,
        ai_addr: ptr::null_mut(),
        ai_canonname: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    };
    let host = host.map_or(ptr::null(), CStr::as_ptr);
    let service = service.map_or(ptr::null(), CStr::as_ptr);
    let mut head = ptr::null_mut();
    // SAFETY: two NUL-ended texts or NULL, live hints, and a place for the list.
    let code = unsafe { libc::getaddrinfo(host, service, &raw const hints, &raw mut head) };
    if code != 0 {
        return Err((code, io::Error::last_os_error()));
    }
    let mut found = Vec::new();
    let mut next = head;
    // SAFETY: `next` is NULL or an entry of the list that getaddrinfo made and nobody has freed.
    while let Some(entry) = unsafe { next.as_ref() } {
        if let Some(address) = address_of(entry) {
            found.push(Info {
                family: entry.ai_family,
                kind: entry.ai_socktype,
                protocol: entry.ai_protocol,
                canonical: canonical_of(entry),
                address,
            });
        }
        next = entry.ai_next;
    }
    // SAFETY: the list that getaddrinfo made, freed once; `found` holds copies.
    unsafe { libc::freeaddrinfo(head) };
    Ok(found)
}

fn canonical_of(entry: &libc::addrinfo) -> Option<CString> {
    if entry.ai_canonname.is_null() {
        return None;
    }
    // SAFETY: not NULL, so a NUL-ended name that lives as long as the list.
    Some(unsafe { CStr::from_ptr(entry.ai_canonname) }.to_owned())
}

#[expect(clippy::cast_ptr_alignment, reason = "read_unaligned asks for none")]
fn address_of(entry: &libc::addrinfo) -> Option<SocketAddr> {
    match entry.ai_family {
        libc::AF_INET => {
            let address = entry.ai_addr.cast::<libc::sockaddr_in>();
            // SAFETY: an entry of family AF_INET points to a sockaddr_in (getaddrinfo(3)).
            let v4 = unsafe { address.read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            let address = entry.ai_addr.cast::<libc::sockaddr_in6>();
            // SAFETY: an entry of family AF_INET6 points to a sockaddr_in6 (getaddrinfo(3)).
            let v6 = unsafe { address.read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// getnameinfo(3): the host's and the service's name.
///
/// # Errors
///
/// A [`Failure`].
pub fn getnameinfo(address: SocketAddr, flags: libc::c_int) -> Result<(CString, CString), Failure> {
    let mut host = [0_u8; libc::NI_MAXHOST as usize];
    let mut service = [0_u8; NI_MAXSERV];
    let code = match address {
        SocketAddr::V4(v4) => {
            let kernel = libc::sockaddr_in {
                sin_family: family_number(libc::AF_INET),
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*v4.ip()).to_be(),
                },
                sin_zero: [0; 8],
            };
            names_of(&kernel, &mut host, &mut service, flags)
        }
        SocketAddr::V6(v6) => {
            let kernel = libc::sockaddr_in6 {
                sin6_family: family_number(libc::AF_INET6),
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            };
            names_of(&kernel, &mut host, &mut service, flags)
        }
    };
    if code != 0 {
        return Err((code, io::Error::last_os_error()));
    }
    Ok((until_nul(&host), until_nul(&service)))
}

/// `NI_MAXSERV` of <netdb.h>, which the libc crate has not got.
const NI_MAXSERV: usize = 32;

/// getnameinfo(3) on the `sockaddr` of a family.
fn names_of<T>(kernel: &T, host: &mut [u8], service: &mut [u8], flags: libc::c_int) -> libc::c_int {
    let length = |size: usize| libc::socklen_t::try_from(size).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: a live sockaddr of that size, and two live buffers of that length.
    unsafe {
        libc::getnameinfo(
            ptr::from_ref(kernel).cast(),
            length(size_of::<T>()),
            host.as_mut_ptr().cast(),
            length(host.len()),
            service.as_mut_ptr().cast(),
            length(service.len()),
            flags,
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "families are small numbers"
)]
fn family_number(family: libc::c_int) -> libc::sa_family_t {
    family.cast_unsigned() as libc::sa_family_t
}

fn until_nul(buffer: &[u8]) -> CString {
    CStr::from_bytes_until_nul(buffer)
        .map(CStr::to_owned)
        .unwrap_or_default()
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

    fn numeric(host: &CStr, family: libc::c_int) -> Result<Vec<Info>, Failure> {
        let hints = Hints {
            flags: libc::AI_NUMERICHOST | libc::AI_CANONNAME,
            family,
            kind: libc::SOCK_STREAM,
            protocol: 0,
        };
        getaddrinfo(Some(host), Some(c"7"), hints)
    }

    #[test]
    fn numbers_resolve_without_a_resolver() {
        let found = numeric(c"127.0.0.9", libc::AF_UNSPEC).unwrap();
        let expected = Info {
            family: libc::AF_INET,
            kind: libc::SOCK_STREAM,
            protocol: libc::IPPROTO_TCP,
            canonical: Some(c"127.0.0.9".to_owned()),
            address: "127.0.0.9:7".parse().unwrap(),
        };
        assert_eq!(found, [expected]);
        let found = numeric(c"::1", libc::AF_INET6).unwrap();
        assert_eq!(found[0].address, "[::1]:7".parse().unwrap());
    }

    #[test]
    fn nothing_is_this_host() {
        let hints = Hints {
            family: libc::AF_INET,
            kind: libc::SOCK_DGRAM,
            ..Hints::default()
        };
        let found = getaddrinfo(None, Some(c"9"), hints).unwrap();
        assert_eq!(found[0].address, "127.0.0.1:9".parse().unwrap());
    }

    #[test]
    fn an_unknown_name_gives_the_resolvers_code() {
        let (code, _) = numeric(c"host.invalid", libc::AF_INET).unwrap_err();
        assert_eq!(code, libc::EAI_NONAME);
        assert!(!gai_strerror(code).is_empty());
    }

    #[test]
    fn numbers_come_back_as_they_went() {
        for text in ["127.0.0.9:7", "[fe80::1%1]:7"] {
            let flags = libc::NI_NUMERICHOST | libc::NI_NUMERICSERV;
            let (host, service) = getnameinfo(text.parse().unwrap(), flags).unwrap();
            let host = host.to_str().unwrap().split('%').next().unwrap().to_owned();
            assert!(text.contains(&host));
            assert_eq!(service.as_c_str(), c"7");
        }
    }
}
