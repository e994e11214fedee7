//! The sampler against the kernel: what it sees, what it leaves alone, how it starts and ends.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use _epollkit::net::Socket;
use _epollkit::net::socket::listen_on;
use _epollkit::scope::{MOST_RECORDS, MOST_SOURCES, Reading, Sample, Sampler, Source};
use _epollkit::sys::eventfd::Waker;

use crate::support::{BOUND, connect, loopback};

const OFTEN: Duration = Duration::from_micros(20);
const ROOM: usize = 4096;

const IN: u16 = libc::POLLIN.cast_unsigned();
const OUT: u16 = libc::POLLOUT.cast_unsigned();
const RDHUP: u16 = libc::POLLRDHUP.cast_unsigned();

const ESTABLISHED: Option<u8> = Some(1);
const FIN_WAIT2: Option<u8> = Some(5);
const CLOSE_WAIT: Option<u8> = Some(8);
const LISTEN: Option<u8> = Some(10);

fn unix_pair() -> (Arc<Socket>, Arc<Socket>) {
    let (one, other) = Socket::pair(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
    (Arc::new(one), Arc::new(other))
}

#[track_caller]
fn watch(sources: &[&Arc<Socket>]) -> Sampler {
    let source = |socket: &&Arc<Socket>| Source::socket(Arc::clone(socket)).unwrap();
    let sources = sources.iter().map(source).collect();
    Sampler::start(sources, OFTEN, ROOM).unwrap()
}

#[track_caller]
fn look(sampler: &Sampler) {
    assert!(sampler.wait_round(sampler.round_after(1), BOUND));
}

/// What the last record of a source says; `None`: closed.
#[track_caller]
fn reading(sampler: &Sampler, source: u16) -> Option<Reading> {
    let records = sampler.samples();
    let of_it = |record: &&Sample| record.source == source;
    records.iter().rfind(of_it).unwrap().reading
}

/// Looks until the source is as it should be: a segment takes its time, loopback or not.
#[track_caller]
fn look_until(sampler: &Sampler, source: u16, holds: impl Fn(Reading) -> bool) -> Reading {
    let end = Instant::now() + BOUND;
    loop {
        look(sampler);
        match reading(sampler, source) {
            Some(seen) if holds(seen) => return seen,
            seen => assert!(Instant::now() < end, "not in time: {seen:?}"),
        }
    }
}

#[test]
fn a_connections_life_is_seen_from_both_ends() {
    let listener = listen_on(&loopback(), 1).unwrap();
    let near = Arc::new(connect(&listener.getsockname().unwrap().unwrap()));
    let far = Arc::new(listener.accept().unwrap().0);
    let listener = Arc::new(listener);
    let sampler = watch(&[&listener, &near, &far]);
    let idle = Reading {
        flags: OUT,
        inq: Some(0),
        outq: Some(0),
        state: ESTABLISHED,
    };
    assert_eq!(reading(&sampler, 1), Some(idle));
    assert_eq!(reading(&sampler, 2), Some(idle));
    let listening = Reading {
        flags: 0,
        inq: None,
        outq: None,
        state: LISTEN,
    };
    assert_eq!(reading(&sampler, 0), Some(listening));

    near.send(b"twelve bytes", 0).unwrap();
    let full = look_until(&sampler, 2, |far| {
        far.inq == Some(12) && far.flags & IN != 0
    });
    assert_eq!((full.flags, full.state), (IN | OUT, ESTABLISHED));

    near.shutdown(libc::SHUT_WR).unwrap();
    let half = look_until(&sampler, 2, |far| {
        far.state == CLOSE_WAIT && far.flags & RDHUP != 0
    });
    assert_eq!((half.flags, half.inq), (IN | OUT | RDHUP, Some(12)));
    look_until(&sampler, 1, |near| {
        near.state == FIN_WAIT2 && near.outq == Some(0)
    });

    near.close().unwrap();
    look(&sampler);
    assert_eq!(reading(&sampler, 1), None);
    sampler.stop().unwrap();
    assert!(sampler.is_over());
}

#[test]
fn only_what_changes_is_recorded() {
    let (near, far) = unix_pair();
    let sampler = watch(&[&near, &far]);
    assert!(sampler.wait_round(sampler.round_after(100), BOUND));
    assert_eq!(sampler.samples().len(), 2);
    assert_eq!(sampler.counters().records, 2);
    far.send(b"x", 0).unwrap();
    assert!(sampler.wait_round(sampler.round_after(100), BOUND));
    let seen = sampler.samples();
    // The sender's queue and the receiver's, at one look or at two.
    assert!(seen.len() >= 4 && seen.windows(2).all(|pair| pair[0].t_ns <= pair[1].t_ns));
    assert_eq!(reading(&sampler, 0).unwrap().inq, Some(1));
}

#[test]
fn a_close_is_a_close_while_it_is_watched() {
    for _ in 0..500 {
        let (near, far) = unix_pair();
        let source = Source::socket(Arc::clone(&near)).unwrap();
        let sampler = Sampler::start(vec![source], Duration::from_micros(1), ROOM).unwrap();
        near.close().unwrap();
        // Nothing waits here: with another owner left, this were EAGAIN.
        assert_eq!(far.recv(&mut [0], 0).unwrap(), 0);
        look(&sampler);
        assert_eq!(reading(&sampler, 0), None);
    }
}

#[test]
fn a_number_that_is_closed_is_not_looked_at_again() {
    let (one, _other) = UnixStream::pair().unwrap();
    let sources = vec![Source::number(one.as_raw_fd()).unwrap()];
    let sampler = Sampler::start(sources, OFTEN, ROOM).unwrap();
    drop(one);
    // Whether the number is nobody's, or another test's by now.
    look(&sampler);
    assert_eq!(reading(&sampler, 0), None);
    assert!(sampler.wait_round(sampler.round_after(100), BOUND));
    assert_eq!(sampler.counters().records, 2);
}

#[test]
fn what_is_not_a_socket_has_what_it_has() {
    let bell = Waker::new().unwrap();
    let number = bell.as_fd().as_raw_fd();
    let sources = vec![Source::number(number).unwrap()];
    let sampler = Sampler::start(sources, OFTEN, ROOM).unwrap();
    let quiet = Reading {
        flags: OUT,
        inq: None,
        outq: None,
        state: None,
    };
    assert_eq!(reading(&sampler, 0), Some(quiet));
    bell.wake().unwrap();
    look(&sampler);
    let rung = Reading {
        flags: IN | OUT,
        ..quiet
    };
    assert_eq!(reading(&sampler, 0), Some(rung));
    assert!(bell.drain().unwrap(), "the sampler has taken it");
}

#[test]
fn the_ring_keeps_the_newest_and_counts_the_others() {
    let (near, far) = unix_pair();
    let source = Source::socket(Arc::clone(&near)).unwrap();
    let sampler = Sampler::start(vec![source], OFTEN, 3).unwrap();
    for length in 1..=10 {
        far.send(b"x", 0).unwrap();
        look(&sampler);
        assert_eq!(reading(&sampler, 0).unwrap().inq, Some(length));
    }
    sampler.stop().unwrap();
    let kept: Vec<_> = sampler
        .samples()
        .iter()
        .map(|sample| sample.reading.unwrap().inq)
        .collect();
    assert_eq!(kept, [Some(8), Some(9), Some(10)]);
    let counters = sampler.counters();
    assert_eq!((counters.records, counters.dropped), (11, 8));
}

#[test]
fn stopping_is_final_and_leaves_the_records() {
    let (near, _far) = unix_pair();
    let sampler = watch(&[&near]);
    assert!(!sampler.is_over());
    sampler.stop().unwrap();
    sampler.stop().unwrap();
    assert!(sampler.is_over());
    let counters = sampler.counters();
    assert!(!sampler.wait_round(sampler.round_after(1), BOUND));
    assert_eq!(sampler.counters(), counters);
    assert_eq!(sampler.samples().len(), 1);
    sampler.close().unwrap();
    assert!(sampler.samples().is_empty());
}

#[test]
fn an_interval_of_hours_ends_at_once() {
    let (near, _far) = unix_pair();
    let source = Source::socket(near).unwrap();
    let sampler = Sampler::start(vec![source], Duration::from_secs(86_400), ROOM).unwrap();
    assert_eq!((sampler.samples().len(), sampler.counters().rounds), (1, 1));
    sampler.stop().unwrap();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (near, far) = unix_pair();
    let of = |socket: &Arc<Socket>| Source::socket(Arc::clone(socket)).unwrap();
    let refused = |sources, interval, capacity| {
        let error = Sampler::start(sources, interval, capacity).unwrap_err();
        assert!(error.is(libc::EINVAL), "{error}");
    };
    refused(vec![], OFTEN, ROOM);
    refused(vec![of(&near), of(&far), of(&near)], OFTEN, ROOM);
    refused(vec![of(&near); MOST_SOURCES + 1], OFTEN, ROOM);
    refused(vec![of(&near)], Duration::from_nanos(999), ROOM);
    refused(vec![of(&near)], OFTEN, 0);
    refused(vec![of(&near)], OFTEN, MOST_RECORDS + 1);
    near.close().unwrap();
    assert!(Source::socket(near).unwrap_err().is(libc::EBADF));
    assert!(Source::number(-1).unwrap_err().is(libc::EBADF));
}
