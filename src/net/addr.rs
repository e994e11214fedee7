//! `Addr`: where a socket is, or is to be.

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use socket2::SockAddr;

use crate::error::{Error, Result};
use crate::sys::message::{address_bytes, address_from_bytes};

/// An address. Two families are known here; others are bytes, which the layers above may know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Addr {
    /// `AF_INET` or `AF_INET6` (with flow label and scope id).
    Ip(SocketAddr),
    /// `AF_UNIX`, see unix(7): empty is unnamed, a leading NUL is the abstract namespace, all else
    /// is a path.
    Unix(Box<[u8]>),
    /// Any other: the kernel's `sockaddr`, the family's two bytes first.
    Other(Box<[u8]>),
}

impl Addr {
    /// The abstract Unix name `name`.
    pub fn unix_abstract(name: &[u8]) -> Self {
        Self::Unix([b"\0", name].concat().into_boxed_slice())
    }

    /// `AF_*`.
    pub fn family(&self) -> libc::c_int {
        match self {
            Self::Other(bytes) => match **bytes {
                [first, second, ..] => u16::from_ne_bytes([first, second]).into(),
                _ => libc::AF_UNSPEC,
            },
            Self::Ip(SocketAddr::V4(_)) => libc::AF_INET,
            Self::Ip(SocketAddr::V6(_)) => libc::AF_INET6,
            Self::Unix(_) => libc::AF_UNIX,
        }
    }

    /// The port, for the families that have one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            Self::Unix(_) | Self::Other(_) => None,
        }
    }

    /// The kernel's form.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a Unix name longer than `sun_path` (108 bytes, 107 for a path), and for more
    /// bytes than any address has.
    pub fn to_sockaddr(&self) -> Result<SockAddr> {
        match self {
            Self::Ip(address) => Ok(SockAddr::from(*address)),
            Self::Unix(name) => SockAddr::unix(OsStr::from_bytes(name))
                .map_err(|error| Error::from_io("AF_UNIX path too long:", &error).about(self)),
            Self::Other(bytes) => address_from_bytes(bytes)
                .ok_or_else(|| Error::from_errno("sockaddr too long:", libc::EINVAL).about(self)),
        }
    }

    /// From the kernel's form; `None` for one of no length, which is its way to say nothing.
    pub fn from_sockaddr(address: &SockAddr) -> Option<Self> {
        if let Some(ip) = address.as_socket() {
            return Some(Self::Ip(ip));
        }
        if !address.is_unix() {
            let bytes = address_bytes(address);
            return (!bytes.is_empty()).then(|| Self::Other(bytes.into()));
        }
        let path = address
            .as_pathname()
            .map(Path::as_os_str)
            .map(OsStr::as_bytes);
        Some(match (path, address.as_abstract_namespace()) {
            (Some(path), _) => Self::Unix(path.into()),
            (None, Some(name)) => Self::unix_abstract(name),
            (None, None) => Self::Unix(Box::default()),
        })
    }
}

impl From<SocketAddr> for Addr {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(name) => match &**name {
                [] => f.write_str("unix:(unnamed)"),
                [0, name @ ..] => write!(f, "unix:@{}", String::from_utf8_lossy(name)),
                path => write!(f, "unix:{}", String::from_utf8_lossy(path)),
            },
            Self::Other(bytes) => {
                write!(f, "family {}:", self.family())?;
                let data = bytes.get(2..).unwrap_or(&[]);
                data.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Addr> {
        let scoped = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 3, 2);
        vec![
            Addr::Ip("127.0.0.1:7".parse().unwrap()),
            Addr::Ip(scoped.into()),
            Addr::Unix((*b"/tmp/socket").into()),
            Addr::unix_abstract(b"na\0me"),
            Addr::Unix(Box::default()),
            Addr::Other((*b"\x10\0\0\0\x01\0\0\0\0\0\0\0").into()), // AF_NETLINK
        ]
    }

    #[test]
    fn addresses_survive_the_kernels_form() {
        for address in samples() {
            let kernel = address.to_sockaddr().unwrap();
            assert_eq!(Addr::from_sockaddr(&kernel), Some(address));
        }
    }

    #[test]
    fn addresses_print_as_people_write_them() {
        let text: Vec<String> = samples().iter().map(ToString::to_string).collect();
        assert_eq!(text[0], "127.0.0.1:7");
        assert_eq!(text[1], "[fe80::1%2]:7");
        assert_eq!(
            text[2..],
            [
                "unix:/tmp/socket",
                "unix:@na\0me",
                "unix:(unnamed)",
                "family 16:00000100000000000000"
            ]
        );
    }

    #[test]
    fn a_long_path_is_refused_before_any_call() {
        let long = Addr::Unix(vec![b'x'; 109].into_boxed_slice());
        assert!(long.to_sockaddr().unwrap_err().is(libc::EINVAL));
    }
}
