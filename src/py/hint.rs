//! Names for the generated stubs, where a Rust type alone would say too little.

use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};

const ELLIPSIS: PyStaticExpr = PyStaticExpr::Constant {
    value: PyStaticConstant::Ellipsis,
};
const NONE: PyStaticExpr = PyStaticExpr::Constant {
    value: PyStaticConstant::None,
};

/// Anything.
pub(super) const ANY: PyStaticExpr = type_hint_identifier!("typing", "Any");
/// `int`, subclasses included.
pub(super) const INT: PyStaticExpr = type_hint_identifier!("builtins", "int");
/// `float`, which for type checkers includes `int`.
pub(super) const FLOAT: PyStaticExpr = type_hint_identifier!("builtins", "float");
/// What has a descriptor: an int, or an object with `fileno()`.
pub(super) const FILE_DESCRIPTOR_LIKE: PyStaticExpr =
    type_hint_identifier!("_typeshed", "FileDescriptorLike");
/// `bytes`, `bytearray`, `memoryview`, ...
pub(super) const READABLE_BUFFER: PyStaticExpr =
    type_hint_identifier!("_typeshed", "ReadableBuffer");
/// `bytearray`, `memoryview` of one, `array`, ...
pub(super) const WRITEABLE_BUFFER: PyStaticExpr =
    type_hint_identifier!("_typeshed", "WriteableBuffer");
/// The flags of an event.
pub(super) const EVENT_FLAGS: PyStaticExpr = type_hint_identifier!("epollkit._flags", "EventFlags");
/// The flags of a poll(2) event.
pub(super) const POLL_FLAGS: PyStaticExpr = type_hint_identifier!("epollkit._flags", "PollFlags");
/// `socket.AddressFamily`.
pub(super) const ADDRESS_FAMILY: PyStaticExpr = type_hint_identifier!("socket", "AddressFamily");
/// `socket.SocketKind`.
pub(super) const SOCKET_KIND: PyStaticExpr = type_hint_identifier!("socket", "SocketKind");
/// `socket.socket`.
pub(super) const STDLIB_SOCKET: PyStaticExpr = type_hint_identifier!("socket", "socket");
/// An address as `socket` takes it: a tuple, or a Unix name.
pub(super) const ADDRESS: PyStaticExpr = type_hint_union!(
    type_hint_subscript!(type_hint_identifier!("builtins", "tuple"), ANY, ELLIPSIS),
    type_hint_identifier!("builtins", "str"),
    READABLE_BUFFER
);
/// The value of a socket option.
pub(super) const OPTION_VALUE: PyStaticExpr = type_hint_union!(INT, READABLE_BUFFER, NONE);
/// `(level, optname, value)` triples.
pub(super) const OPTIONS: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Iterable"),
    type_hint_subscript!(
        type_hint_identifier!("builtins", "tuple"),
        INT,
        INT,
        type_hint_union!(INT, READABLE_BUFFER)
    )
);
/// Many addresses.
pub(super) const ADDRESSES: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Iterable"),
    ADDRESS
);
/// What `sendto` takes second.
pub(super) const FLAGS_OR_ADDRESS: PyStaticExpr = type_hint_union!(INT, ADDRESS);
/// Pieces to send.
pub(super) const READABLE_BUFFERS: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Iterable"),
    READABLE_BUFFER
);
/// Rooms to receive into.
pub(super) const WRITEABLE_BUFFERS: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Iterable"),
    WRITEABLE_BUFFER
);
/// `(level, type, data)` triples.
pub(super) const ANCILLARY: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Iterable"),
    type_hint_subscript!(
        type_hint_identifier!("builtins", "tuple"),
        INT,
        INT,
        READABLE_BUFFER
    )
);
/// `(data, address)`, `(data, address, ancdata)`, or data.
pub(super) const MESSAGES: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Iterable"),
    type_hint_union!(
        READABLE_BUFFER,
        type_hint_subscript!(
            type_hint_identifier!("builtins", "tuple"),
            READABLE_BUFFER,
            type_hint_union!(ADDRESS, NONE)
        ),
        type_hint_subscript!(
            type_hint_identifier!("builtins", "tuple"),
            READABLE_BUFFER,
            type_hint_union!(ADDRESS, NONE),
            ANCILLARY
        )
    )
);
/// An iterator over values of several types.
pub(super) const ITERATOR: PyStaticExpr =
    type_hint_subscript!(type_hint_identifier!("collections.abc", "Iterator"), ANY);
const STR: PyStaticExpr = type_hint_identifier!("builtins", "str");
const BYTES: PyStaticExpr = type_hint_identifier!("builtins", "bytes");
const TUPLE: PyStaticExpr = type_hint_identifier!("builtins", "tuple");
/// A host's name or number.
pub(super) const HOST: PyStaticExpr =
    type_hint_union!(STR, BYTES, type_hint_identifier!("builtins", "bytearray"));
/// The same, or None for this host.
pub(super) const HOST_OR_NONE: PyStaticExpr = type_hint_union!(HOST, NONE);
/// A port's number, a service's name, or None for no port.
pub(super) const SERVICE: PyStaticExpr = type_hint_union!(INT, STR, BYTES, NONE);
/// An IP address as results have it.
pub(super) const IP_SOCKADDR: PyStaticExpr = type_hint_union!(
    type_hint_subscript!(TUPLE, STR, INT),
    type_hint_subscript!(TUPLE, STR, INT, INT, INT)
);
/// An IP address as an argument.
pub(super) const IP_ADDRESS: PyStaticExpr = type_hint_union!(
    type_hint_subscript!(TUPLE, STR, INT),
    type_hint_subscript!(TUPLE, STR, INT, INT),
    type_hint_subscript!(TUPLE, STR, INT, INT, INT)
);
/// `(host, port)`, as a connection is asked for.
pub(super) const HOST_AND_SERVICE: PyStaticExpr =
    type_hint_subscript!(TUPLE, HOST_OR_NONE, SERVICE);
/// What a sampler looks at: sources by name, or sources.
pub(super) const SOURCES: PyStaticExpr = type_hint_union!(
    type_hint_subscript!(
        type_hint_identifier!("collections.abc", "Mapping"),
        STR,
        FILE_DESCRIPTOR_LIKE
    ),
    type_hint_subscript!(
        type_hint_identifier!("collections.abc", "Iterable"),
        FILE_DESCRIPTOR_LIKE
    )
);
/// A tuple of names.
pub(super) const NAMES: PyStaticExpr = type_hint_subscript!(TUPLE, STR, ELLIPSIS);
/// Seconds, or None for ever.
pub(super) const FLOAT_OR_NONE: PyStaticExpr = type_hint_union!(FLOAT, NONE);
