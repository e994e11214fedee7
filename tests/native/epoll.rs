//! Trigger modes, and closing a set that others wait on.

use std::fs;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use _epollkit::epoll::{Epoll, EventFlags};
use _epollkit::net::Socket;
use _epollkit::sys::epoll::RawEvent;
use _epollkit::sys::fd;

use crate::support::{BOUND, receive_exactly, send_all, tcp_pair};

const NOW: Option<Duration> = Some(Duration::ZERO);

/// What `wait` reports: (token, flags).
fn wait(epoll: &Epoll, timeout: Option<Duration>) -> Vec<(u64, EventFlags)> {
    let mut events = Vec::<RawEvent>::new();
    epoll.wait(&mut events, 16, timeout).unwrap();
    let flags = |event: &RawEvent| EventFlags::from_bits_retain(event.flags());
    events
        .iter()
        .map(|event| (event.token(), flags(event)))
        .collect()
}

/// A set that watches one end of a connection; the other end.
fn watching(flags: EventFlags) -> (Epoll, Socket, Socket) {
    let (near, far) = tcp_pair();
    let epoll = Epoll::new(0).unwrap();
    epoll.add(near.fileno(), flags.bits(), 7).unwrap();
    (epoll, near, far)
}

#[test]
fn level_reports_while_there_is_something_to_read() {
    let (epoll, near, far) = watching(EventFlags::IN);
    assert_eq!(wait(&epoll, NOW), []);
    send_all(&far, b"ab");
    assert_eq!(wait(&epoll, Some(BOUND)), [(7, EventFlags::IN)]);
    receive_exactly(&near, 1);
    assert_eq!(wait(&epoll, NOW), [(7, EventFlags::IN)]);
    receive_exactly(&near, 1);
    assert_eq!(wait(&epoll, NOW), []);
}

#[test]
fn edge_reports_an_arrival_once_and_the_next_one_too() {
    let (epoll, near, far) = watching(EventFlags::IN | EventFlags::ET);
    send_all(&far, b"ab");
    assert_eq!(wait(&epoll, Some(BOUND)), [(7, EventFlags::IN)]);
    receive_exactly(&near, 1);
    assert_eq!(wait(&epoll, NOW), []);
    send_all(&far, b"c");
    assert_eq!(wait(&epoll, Some(BOUND)), [(7, EventFlags::IN)]);
    assert_eq!(receive_exactly(&near, 2), b"bc");
}

#[test]
fn modify_fires_an_edge_for_what_is_there() {
    let flags = EventFlags::IN | EventFlags::ET;
    let (epoll, near, far) = watching(flags);
    send_all(&far, b"a");
    assert_eq!(wait(&epoll, Some(BOUND)).len(), 1);
    epoll.modify(near.fileno(), flags.bits(), 8).unwrap();
    assert_eq!(wait(&epoll, NOW), [(8, EventFlags::IN)]);
}

#[test]
fn oneshot_reports_once_until_it_is_rearmed() {
    let flags = EventFlags::IN | EventFlags::ONESHOT;
    let (epoll, near, far) = watching(flags);
    send_all(&far, b"a");
    assert_eq!(wait(&epoll, Some(BOUND)), [(7, EventFlags::IN)]);
    far.close().unwrap();
    assert_eq!(wait(&epoll, NOW), []);
    epoll.modify(near.fileno(), flags.bits(), 7).unwrap();
    assert_eq!(wait(&epoll, NOW), [(7, EventFlags::IN)]);
}

#[test]
fn exclusive_goes_with_add_only() {
    let (epoll, near, _far) = watching(EventFlags::IN | EventFlags::EXCLUSIVE);
    let modified = epoll.modify(near.fileno(), EventFlags::IN.bits(), 7);
    assert!(modified.unwrap_err().is(libc::EINVAL));
    epoll.delete(near.fileno()).unwrap();
    let both = EventFlags::EXCLUSIVE | EventFlags::ONESHOT;
    let added = epoll.add(near.fileno(), both.bits(), 7);
    assert!(added.unwrap_err().is(libc::EINVAL));
}

#[test]
fn the_kernels_refusals_keep_their_errno() {
    let (epoll, near, _far) = watching(EventFlags::IN);
    let bits = EventFlags::IN.bits();
    assert!(
        epoll
            .add(near.fileno(), bits, 0)
            .unwrap_err()
            .is(libc::EEXIST)
    );
    assert!(epoll.add(-1, bits, 0).unwrap_err().is(libc::EBADF));
    assert!(
        epoll
            .add(epoll.fileno(), bits, 0)
            .unwrap_err()
            .is(libc::EINVAL)
    );
    epoll.delete(near.fileno()).unwrap();
    assert!(epoll.delete(near.fileno()).unwrap_err().is(libc::ENOENT));
    epoll.close().unwrap();
    assert!(epoll.delete(near.fileno()).unwrap_err().is(libc::EBADF));
}

/// Whether the thread (a folder of /proc) sleeps in the kernel.
fn is_asleep(thread: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{thread}/stat")).unwrap();
    // The state follows the name, which is in brackets.
    stat.rsplit(") ").next().unwrap().starts_with('S')
}

#[test]
fn close_wakes_all_waiters_and_its_bell_stays_inside() {
    let epoll = Arc::new(Epoll::new(0).unwrap());
    let shared = fd::adopt(epoll.fileno()).unwrap();
    let other = fd::duplicate(std::os::fd::AsFd::as_fd(&shared)).unwrap();
    // The number belongs to `epoll`.
    std::mem::forget(shared);
    let (sender, started) = mpsc::channel();
    let wait_for_ever = || {
        let (epoll, sender) = (Arc::clone(&epoll), sender.clone());
        thread::spawn(move || {
            let me = fs::read_link("/proc/thread-self").unwrap();
            sender.send(me.to_str().unwrap().to_owned()).unwrap();
            epoll.wait(&mut Vec::new(), 16, None).unwrap_err()
        })
    };
    let waiters: Vec<_> = (0..4).map(|_| wait_for_ever()).collect();
    for _ in &waiters {
        let waiter = started.recv_timeout(BOUND).unwrap();
        while !is_asleep(&waiter) {
            thread::yield_now();
        }
    }
    epoll.close().unwrap();
    for waiter in waiters {
        assert!(waiter.join().unwrap().is(libc::EBADF));
    }
    let other = Epoll::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(other)).unwrap();
    assert_eq!(wait(&other, NOW), []);
}
