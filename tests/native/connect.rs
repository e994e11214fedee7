//! Connecting without blocking: one attempt, many, and a race.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use _epollkit::net::socket::listen_on;
use _epollkit::net::{Addr, Connecting, Dialer, Options, Outcome, Progress, Race, Socket};
use _epollkit::sys::clock::Deadline;
use _epollkit::sys::poll::Interest;

use crate::support::{BOUND, abstract_name, connect, loopback};

fn address_of(socket: &Socket) -> Addr {
    socket.getsockname().unwrap().unwrap()
}

fn start(address: &Addr) -> Connecting {
    Connecting::start(address.clone(), &Options::default()).unwrap()
}

/// Bound but not listening: connects to it are refused.
fn refusing() -> Socket {
    let address = loopback();
    let socket = Socket::stream_for(&address).unwrap();
    socket.bind(&address).unwrap();
    socket
}

/// A listener whose queue is full, so that a connect to it stays pending; and what fills it.
fn full() -> (Socket, Socket) {
    let listener = listen_on(&loopback(), 0).unwrap();
    let filler = connect(&address_of(&listener));
    (listener, filler)
}

#[test]
fn a_connect_to_a_listener_has_a_peer() {
    let listener = listen_on(&loopback(), 8).unwrap();
    let mut connecting = start(&address_of(&listener));
    assert!(
        connecting
            .socket()
            .wait(Interest::Writable, Some(BOUND))
            .unwrap()
    );
    assert!(matches!(connecting.check().unwrap(), Progress::Connected));
    let peer = connecting.socket().getpeername().unwrap();
    assert_eq!(peer, Some(address_of(&listener)));
}

#[test]
fn a_refusal_is_final_and_so_error_is_read_once() {
    let target = refusing();
    let mut connecting = start(&address_of(&target));
    assert!(
        connecting
            .socket()
            .wait(Interest::Writable, Some(BOUND))
            .unwrap()
    );
    let first = connecting.check().unwrap_err();
    assert!(first.is(libc::ECONNREFUSED));
    assert!(first.note().unwrap().contains("127.77."), "{first}");
    assert_eq!(connecting.socket().take_error().unwrap(), 0);
    assert_eq!(connecting.check().unwrap_err(), first);
}

#[test]
fn a_refusal_that_somebody_else_has_read_is_still_a_failure() {
    let target = refusing();
    let mut connecting = start(&address_of(&target));
    assert!(
        connecting
            .socket()
            .wait(Interest::Writable, Some(BOUND))
            .unwrap()
    );
    assert_eq!(
        connecting.socket().take_error().unwrap(),
        libc::ECONNREFUSED
    );
    assert!(connecting.check().unwrap_err().is(libc::ENOTCONN));
}

#[test]
fn a_full_queue_leaves_the_connect_pending() {
    let (listener, _filler) = full();
    let mut connecting = start(&address_of(&listener));
    assert!(matches!(connecting.check().unwrap(), Progress::Pending));
    let late = connecting.timed_out(Duration::from_millis(5));
    assert!(late.is(libc::ETIMEDOUT));
}

#[test]
fn connecting_what_is_connected_is_connected() {
    let listener = listen_on(&loopback(), 8).unwrap();
    let socket = connect(&address_of(&listener));
    // The call after the one that was under way reports its success, as it would have.
    socket.connect(&address_of(&listener)).unwrap();
    let again = socket.connect(&address_of(&listener)).unwrap_err();
    assert!(again.is(libc::EISCONN));
    let mut connecting = Connecting::start_on(socket, address_of(&listener)).unwrap();
    assert!(matches!(connecting.check().unwrap(), Progress::Connected));
}

#[test]
fn a_unix_name_that_nobody_has_is_refused_at_once() {
    let error = Connecting::start(abstract_name(), &Options::default()).unwrap_err();
    assert!(error.is(libc::ECONNREFUSED));
}

/// Turns the dialer until `count` outcomes are there, in the order of their tags.
fn outcomes(dialer: &mut Dialer, mut ended: VecDeque<Outcome>, count: usize) -> Vec<Outcome> {
    let end = Instant::now() + BOUND;
    while ended.len() < count {
        assert!(Instant::now() < end, "{} of {count}", ended.len());
        dialer.turn(Some(BOUND), &mut ended).unwrap();
    }
    let mut sorted = Vec::from(ended);
    sorted.sort_by_key(|outcome| outcome.tag);
    sorted
}

#[test]
fn a_dialer_tells_each_attempts_fate() {
    let listener = listen_on(&loopback(), 64).unwrap();
    let refused = refusing();
    let (busy, _filler) = full();
    let timeout = Duration::from_millis(40);
    let mut dialer = Dialer::new(Some(timeout), Options::default()).unwrap();
    let targets = [&listener, &refused, &busy, &listener];
    let at_once = targets
        .iter()
        .enumerate()
        .filter_map(|(tag, target)| dialer.submit(tag, address_of(target)))
        .collect();
    let ended = outcomes(&mut dialer, at_once, 4);
    assert!(ended[0].result.is_ok() && ended[3].result.is_ok());
    let errno = |tag: usize| ended[tag].result.as_ref().unwrap_err();
    assert!(errno(1).is(libc::ECONNREFUSED));
    assert!(errno(2).is(libc::ETIMEDOUT));
    assert!(ended[2].elapsed >= timeout);
    assert_eq!(dialer.pending(), 0);
}

#[test]
fn a_race_goes_to_the_first_that_connects() {
    let listener = listen_on(&loopback(), 8).unwrap();
    let refused = refusing();
    let lanes = vec![address_of(&refused), address_of(&listener)];
    let deadline = Deadline::after(Some(BOUND));
    let mut race = Race::new(lanes, Options::default(), deadline).unwrap();
    let socket = loop {
        if let Some(socket) = race.turn().unwrap() {
            break socket;
        }
    };
    assert_eq!(socket.getpeername().unwrap(), Some(address_of(&listener)));
}

#[test]
fn a_race_that_all_lose_tells_of_each() {
    let refused = [refusing(), refusing()];
    let deadline = Deadline::after(Some(BOUND));
    let addresses = refused.iter().map(address_of).collect();
    let mut race = Race::new(addresses, Options::default(), deadline).unwrap();
    let errors = race.turn().unwrap_err();
    assert!(errors.late.is_none());
    assert_eq!(errors.failures.len(), 2);
    assert!(
        errors
            .failures
            .iter()
            .all(|error| error.is(libc::ECONNREFUSED))
    );
}

#[test]
fn a_race_ends_at_its_deadline() {
    let (busy, _filler) = full();
    let started = Instant::now();
    let patience = Duration::from_millis(30);
    let deadline = Deadline::after(Some(patience));
    let mut race = Race::new(vec![address_of(&busy)], Options::default(), deadline).unwrap();
    assert!(race.turn().unwrap_err().late.unwrap().is(libc::ETIMEDOUT));
    assert!(started.elapsed() >= patience);
}

#[test]
fn the_time_of_an_attempt_may_have_begun_before_it() {
    let (busy, _filler) = full();
    let timeout = Duration::from_secs(3600);
    let mut dialer = Dialer::new(Some(timeout), Options::default()).unwrap();
    let mut ended = VecDeque::new();
    let now = Instant::now();
    for (tag, started) in [(0, now), (1, now.checked_sub(timeout).unwrap()), (2, now)] {
        assert!(
            dialer
                .submit_since(tag, address_of(&busy), started)
                .is_none()
        );
    }
    dialer.turn(Some(BOUND), &mut ended).unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].tag, 1);
    assert!(ended[0].result.as_ref().unwrap_err().is(libc::ETIMEDOUT));
    assert_eq!(dialer.pending(), 2);
}
