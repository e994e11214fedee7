//! Closed-loop load: what it counts, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use _epollkit::load::{ClosedLoop, Limit, Report};
use _epollkit::net::socket::listen_on;
use _epollkit::net::{Addr, Socket};
use _epollkit::peer::{Behaviour, Handle, Options, Service, serve, start};
use _epollkit::sys::poll::Interest;

use crate::support::{BOUND, abstract_name, connect, loopback, pattern, receive_exactly, send_all};

fn echo(address: &Addr) -> Handle {
    serve(Service::Echo, address, Options::default()).unwrap()
}

fn connections(count: usize, address: &Addr) -> Vec<Arc<Socket>> {
    (0..count).map(|_| Arc::new(connect(address))).collect()
}

fn messages(count: u64) -> Limit {
    Limit {
        messages: Some(count),
        duration: None,
    }
}

#[track_caller]
fn finish(run: &ClosedLoop) -> Arc<Report> {
    assert!(run.wait(BOUND), "{} messages, and no end", run.progress());
    run.report().unwrap().unwrap()
}

#[test]
fn exactly_as_many_messages_as_asked_for() {
    for address in [loopback(), abstract_name()] {
        let peer = echo(&address);
        let sockets = connections(10, peer.address());
        let run = ClosedLoop::start(&sockets, pattern(64), messages(1003)).unwrap();
        let report = finish(&run);
        assert_eq!((report.messages, report.mismatched), (1003, 0));
        assert_eq!(
            (report.eof, report.errors.len(), report.unfinished),
            (0, 0, 0)
        );
        assert_eq!((report.histogram.count(), run.progress()), (1003, 1003));
        assert!(report.histogram.quantile(0.5) <= report.histogram.max());
        // The sockets are as they were before.
        send_all(&sockets[3], b"still here");
        assert_eq!(receive_exactly(&sockets[3], 10), b"still here");
    }
}

#[test]
fn a_message_larger_than_the_buffers_gets_through() {
    for address in [loopback(), abstract_name()] {
        let peer = echo(&address);
        let sockets = connections(2, peer.address());
        let run = ClosedLoop::start(&sockets, pattern(8 << 20), messages(6)).unwrap();
        let report = finish(&run);
        assert_eq!((report.messages, report.mismatched), (6, 0));
    }
}

#[test]
fn a_run_ends_with_its_time_and_leaves_nothing_under_way() {
    let peer = echo(&loopback());
    let sockets = connections(5, peer.address());
    let duration = Duration::from_millis(30);
    let limit = Limit {
        duration: Some(duration),
        messages: None,
    };
    let report = finish(&ClosedLoop::start(&sockets, pattern(64), limit).unwrap());
    assert!(report.elapsed >= duration && report.messages > 0);
    assert_eq!(report.unfinished, 0);
}

#[test]
fn a_run_without_limits_goes_on_until_it_is_stopped() {
    let peer = echo(&loopback());
    let sockets = connections(1, peer.address());
    let run = ClosedLoop::start(&sockets, pattern(1), Limit::default()).unwrap();
    while run.progress() < 100 {
        assert!(!run.is_done());
        std::thread::yield_now();
    }
    run.stop().unwrap();
    assert!(run.is_done());
    assert_eq!(run.report().unwrap().unwrap().unfinished, 0);
    run.stop().unwrap();
}

#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    let listener = listen_on(&loopback(), 8).unwrap();
    let sockets = connections(2, &listener.getsockname().unwrap().unwrap());
    let limit = Limit {
        duration: Some(Duration::from_millis(5)),
        messages: None,
    };
    let report = finish(&ClosedLoop::start(&sockets, pattern(64), limit).unwrap());
    assert_eq!((report.messages, report.unfinished), (0, 2));
}

/// Accepts one connection.
fn accept(listener: &Socket) -> Socket {
    assert!(listener.wait(Interest::Readable, Some(BOUND)).unwrap());
    listener.accept().unwrap().0
}

#[test]
fn an_end_before_the_reply_is_counted() {
    let listener = listen_on(&loopback(), 8).unwrap();
    let sockets = connections(2, &listener.getsockname().unwrap().unwrap());
    let servers = [accept(&listener), accept(&listener)];
    let run = ClosedLoop::start(&sockets, pattern(64), Limit::default()).unwrap();
    let request = receive_exactly(&servers[0], 64);
    // Half a reply, then the end.
    send_all(&servers[0], &request[..32]);
    servers[0].close().unwrap();
    // close(2) with unread input resets.
    assert!(servers[1].wait(Interest::Readable, Some(BOUND)).unwrap());
    servers[1].close().unwrap();
    let report = finish(&run);
    assert_eq!((report.messages, report.eof, report.unfinished), (0, 1, 0));
    assert_eq!(report.errors.get(&libc::ECONNRESET), Some(&1));
}

/// Answers with as many other bytes.
#[derive(Debug)]
struct Liar;

impl Behaviour for Liar {
    type State = Vec<u8>;
    const LOOKS: bool = true;
    const ENDLESS: bool = false;

    fn reply<'data>(&'data self, lie: &'data mut Vec<u8>, chunk: &'data [u8]) -> &'data [u8] {
        lie.clear();
        lie.extend(chunk.iter().map(|byte| !byte));
        lie
    }
}

#[test]
fn wrong_replies_are_counted() {
    let peer = start("liar", Liar, &loopback(), Options::default()).unwrap();
    let sockets = connections(2, peer.address());
    let report = finish(&ClosedLoop::start(&sockets, pattern(64), messages(10)).unwrap());
    assert_eq!((report.messages, report.mismatched), (10, 10));
}

#[test]
fn a_lane_out_of_step_drops_out() {
    let peer = serve(Service::Chargen, &loopback(), Options::default()).unwrap();
    let sockets = connections(2, peer.address());
    let report = finish(&ClosedLoop::start(&sockets, pattern(64), Limit::default()).unwrap());
    assert_eq!((report.messages, report.mismatched), (0, 2));
}

#[test]
fn bad_arguments_are_refused_at_once() {
    let peer = echo(&loopback());
    let socket = Arc::new(connect(peer.address()));
    let start = |sockets: &[Arc<Socket>], message: &[u8]| {
        ClosedLoop::start(sockets, message.to_vec(), messages(1)).unwrap_err()
    };
    assert!(start(std::slice::from_ref(&socket), b"").is(libc::EINVAL));
    let twice = [Arc::clone(&socket), Arc::clone(&socket)];
    assert!(start(&twice, b"x").is(libc::EEXIST));
    socket.close().unwrap();
    assert!(start(&[socket], b"x").is(libc::EBADF));
}

#[test]
fn no_connections_are_no_messages() {
    let report = finish(&ClosedLoop::start(&[], pattern(1), Limit::default()).unwrap());
    assert_eq!(report.messages, 0);
}
