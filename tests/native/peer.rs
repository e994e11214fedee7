//! Native peers, over each family and with both triggers, as a client meets them.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use _epollkit::net::{Addr, Socket};
use _epollkit::peer::{Behaviour, Handle, Options, Service, Trigger, serve, start};
use _epollkit::sys::poll::Interest;
use rlimit::Resource;

use crate::support::{
    BOUND, abstract_name, connect, free_path, loopback, path_address, pattern, receive_end,
    receive_exactly, receive_to_end, send_all, wait_until,
};

const TRIGGERS: [Trigger; 2] = [Trigger::Level, Trigger::Edge];

fn peer(service: Service, trigger: Trigger, address: &Addr) -> Handle {
    let options = Options {
        trigger,
        ..Options::default()
    };
    serve(service, address, options).unwrap()
}

/// Runs `check` against a peer on TCP, a Unix path and an abstract name, with both triggers.
fn everywhere(service: Service, check: impl Fn(&Handle)) {
    for trigger in TRIGGERS {
        let path = free_path();
        for address in [loopback(), path_address(&path), abstract_name()] {
            let peer = peer(service, trigger, &address);
            check(&peer);
            peer.stop().unwrap();
        }
    }
}

/// Sends all of `data` and receives as much, both as fast as they go.
fn exchange(client: &Socket, data: &[u8]) -> Vec<u8> {
    let mut sent = 0;
    let mut back = Vec::with_capacity(data.len());
    let mut chunk = vec![0; 32_768];
    while back.len() < data.len() {
        while sent < data.len() {
            match client.send(&data[sent..], 0) {
                Ok(taken) => sent += taken,
                Err(error) => {
                    assert!(error.is(libc::EAGAIN), "{error}");
                    break;
                }
            }
        }
        // What is stuck on the way there comes back if we read.
        assert!(client.wait(Interest::Readable, Some(BOUND)).unwrap());
        let received = client.recv(&mut chunk, 0).unwrap();
        assert_ne!(received, 0);
        back.extend_from_slice(&chunk[..received]);
    }
    back
}

#[test]
fn echo_gives_back_every_byte() {
    everywhere(Service::Echo, |peer| {
        let client = connect(peer.address());
        assert_eq!(exchange(&client, b"hello"), b"hello");
        let data = pattern(3 << 20);
        assert!(exchange(&client, &data) == data, "{:?}", peer.snapshot());
        let all = data.len() as u64 + 5;
        let seen = wait_until(peer, |seen| seen.bytes_sent == all);
        assert_eq!((seen.bytes_received, seen.open), (all, 1));
        client.close().unwrap();
        let seen = wait_until(peer, |seen| seen.open == 0);
        assert_eq!((seen.accepted, seen.connection_errors), (1, 0));
    });
}

#[test]
fn echo_answers_what_was_sent_before_the_half_close() {
    everywhere(Service::Echo, |peer| {
        let client = connect(peer.address());
        let data = pattern(100_000);
        send_all(&client, &data);
        client.shutdown(libc::SHUT_WR).unwrap();
        assert!(receive_to_end(&client) == data);
        assert_eq!(
            wait_until(peer, |seen| seen.closed == 1).connection_errors,
            0
        );
    });
}

/// Sends until neither the socket nor the peer takes any more.
fn fill(client: &Socket, peer: &Handle, data: &[u8]) -> usize {
    let end = Instant::now() + BOUND;
    let mut sent = 0;
    loop {
        let is_stuck = peer.snapshot().short_sends > 0;
        match client.send(&data[sent..], 0) {
            Ok(taken) => sent += taken,
            Err(error) => {
                assert!(error.is(libc::EAGAIN), "{error}");
                if is_stuck {
                    return sent;
                }
                assert!(Instant::now() < end, "{:?}", peer.snapshot());
                // Either the peer makes room, or it gets stuck and says so.
                let glance = Some(Duration::from_millis(1));
                client.wait(Interest::Writable, glance).unwrap();
            }
        }
    }
}

#[test]
fn echo_waits_for_a_client_that_does_not_read() {
    let data = pattern(64 << 20);
    everywhere(Service::Echo, |peer| {
        let client = connect(peer.address());
        let sent = fill(&client, peer, &data);
        assert!(sent < data.len(), "no back pressure");
        client.shutdown(libc::SHUT_WR).unwrap();
        assert!(receive_to_end(&client) == data[..sent]);
        let seen = wait_until(peer, |seen| seen.closed == 1);
        assert_eq!((seen.connection_errors, seen.bytes_sent), (0, sent as u64));
    });
}

#[test]
fn discard_takes_all_and_says_nothing() {
    everywhere(Service::Discard, |peer| {
        let client = connect(peer.address());
        let data = pattern(1 << 20);
        send_all(&client, &data);
        client.shutdown(libc::SHUT_WR).unwrap();
        assert_eq!(receive_end(&client), None);
        let seen = wait_until(peer, |seen| seen.closed == 1);
        assert_eq!(seen.bytes_received, data.len() as u64);
        assert_eq!((seen.bytes_sent, seen.connection_errors), (0, 0));
    });
}

/// The lines of RFC 864, from the beginning.
fn characters(length: usize) -> Vec<u8> {
    let ring: Vec<u8> = (b' '..=b'~').collect();
    let line = |at: usize| {
        let text = ring.iter().cycle().skip(at % 95).take(72).copied();
        text.chain(*b"\r\n").collect::<Vec<u8>>()
    };
    (0..).flat_map(line).take(length).collect()
}

#[test]
fn chargen_goes_on_after_the_clients_half_close() {
    everywhere(Service::Chargen, |peer| {
        let client = connect(peer.address());
        send_all(&client, b"thrown away");
        client.shutdown(libc::SHUT_WR).unwrap();
        wait_until(peer, |seen| seen.bytes_received == 11);
        let length = 8 << 20;
        assert!(receive_exactly(&client, length) == characters(length));
        client.close().unwrap();
        wait_until(peer, |seen| seen.closed == 1);
    });
}

#[test]
fn one_connection_does_not_starve_another() {
    let peer = peer(Service::Chargen, Trigger::Edge, &loopback());
    let clients: Vec<_> = (0..4).map(|_| connect(peer.address())).collect();
    let expected = characters(1 << 20);
    for client in &clients {
        assert!(receive_exactly(client, expected.len()) == expected);
    }
}

#[test]
fn the_limit_counts_before_it_accepts() {
    for trigger in TRIGGERS {
        let options = Options {
            trigger,
            max_connections: Some(2),
            ..Options::default()
        };
        let peer = serve(Service::Echo, &loopback(), options).unwrap();
        let clients: Vec<_> = (0..5).map(|_| connect(peer.address())).collect();
        for client in &clients {
            send_all(client, b"hi");
        }
        let seen = wait_until(&peer, |seen| seen.accept_paused);
        assert_eq!((seen.accepted, seen.open), (2, 2));
        // First come, first served: each that leaves lets the next one in.
        for client in clients {
            assert_eq!(receive_exactly(&client, 2), b"hi");
            assert!(peer.snapshot().open <= 2);
            client.close().unwrap();
        }
        wait_until(&peer, |seen| seen.closed == 5 && !seen.accept_paused);
    }
}

#[test]
fn a_reset_ends_one_connection_and_is_counted() {
    for trigger in TRIGGERS {
        let peer = peer(Service::Echo, trigger, &loopback());
        let (rude, polite) = (connect(peer.address()), connect(peer.address()));
        assert_eq!(exchange(&rude, b"x"), b"x");
        // SO_LINGER on, 0 seconds: close(2) resets.
        let linger = [1_i32.to_ne_bytes(), 0_i32.to_ne_bytes()].concat();
        rude.setsockopt(libc::SOL_SOCKET, libc::SO_LINGER, &linger)
            .unwrap();
        rude.close().unwrap();
        let seen = wait_until(&peer, |seen| seen.closed == 1);
        assert_eq!(seen.connection_errors, 1);
        assert_eq!(exchange(&polite, b"y"), b"y");
    }
}

#[test]
fn stop_closes_every_connection_and_may_be_called_again() {
    for service in [Service::Echo, Service::Discard, Service::Chargen] {
        let peer = peer(service, Trigger::Edge, &loopback());
        let clients: Vec<_> = (0..400).map(|_| connect(peer.address())).collect();
        wait_until(&peer, |seen| seen.open == 400);
        peer.stop().unwrap();
        peer.stop().unwrap();
        assert!(peer.is_over());
        let seen = peer.snapshot();
        assert_eq!((seen.open, seen.closed), (0, 400));
        if service != Service::Chargen {
            assert!(clients.iter().all(|client| receive_end(client).is_none()));
        }
    }
}

#[test]
fn an_address_in_use_is_said_at_once() {
    let first = peer(Service::Echo, Trigger::Edge, &loopback());
    let second = serve(Service::Echo, first.address(), Options::default());
    let error = second.unwrap_err();
    assert!(error.is(libc::EADDRINUSE));
    assert!(error.note().unwrap().contains("127.77."), "{error}");
}

#[test]
fn a_socket_file_goes_with_its_peer() {
    let path = free_path();
    let peer = peer(Service::Echo, Trigger::Edge, &path_address(&path));
    assert!(path.exists());
    peer.stop().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_file_that_took_the_name_over_stays() {
    let path = free_path();
    let peer = peer(Service::Echo, Trigger::Edge, &path_address(&path));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    peer.stop().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    fs::remove_file(&path).unwrap();
}

/// Panics when it is spoken to.
#[derive(Debug)]
struct Touchy;

impl Behaviour for Touchy {
    type State = ();
    const LOOKS: bool = true;
    const ENDLESS: bool = false;

    fn reply<'data>(&'data self, (): &'data mut (), chunk: &'data [u8]) -> &'data [u8] {
        panic!("leave me alone, {} bytes", chunk.len())
    }
}

#[test]
fn a_panic_is_told_by_stop() {
    let path = free_path();
    let address = path_address(&path);
    let peer = start("touchy", Touchy, &address, Options::default()).unwrap();
    let client = connect(peer.address());
    send_all(&client, b"hello");
    let end = Instant::now() + BOUND;
    while !peer.is_over() {
        assert!(Instant::now() < end);
        peer.wait_turn(peer.snapshot().turns, BOUND);
    }
    let told = peer.stop().unwrap_err();
    assert_eq!(
        told.to_string(),
        "touchy: panicked: leave me alone, 5 bytes"
    );
    assert_eq!(peer.stop().unwrap_err(), told);
    assert!(!path.exists());
}

const CHILD: &str = "EPOLLKIT_TEST_CHILD";

/// Runs the test `name` again in a process of its own, where it finds [`CHILD`] set. The limit on
/// descriptors is the process's, and the other tests are in this one.
#[track_caller]
fn run_in_a_child(name: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{text}");
    let ran = String::from_utf8_lossy(&child.stdout);
    assert!(ran.contains("1 passed"), "{ran}");
}

/// The peer counts in a table of its own: standard streams, listener, bell, set, reserve, and these.
const LIMIT: u64 = 12;

#[test]
fn without_descriptors_clients_wait_and_none_is_lost() {
    if std::env::var_os(CHILD).is_none() {
        return run_in_a_child("peer::without_descriptors_clients_wait_and_none_is_lost");
    }
    for trigger in TRIGGERS {
        let peer = peer(Service::Echo, trigger, &loopback());
        // Theirs are in use before the limit comes down on the peer.
        let clients: Vec<_> = (0..30)
            .map(|_| Socket::stream_for(peer.address()).unwrap())
            .collect();
        let (before, hard) = Resource::NOFILE.get().unwrap();
        Resource::NOFILE.set(LIMIT, hard).unwrap();
        for client in &clients {
            if let Err(error) = client.connect(peer.address()) {
                assert!(error.is(libc::EINPROGRESS), "{error}");
            }
            assert!(client.wait(Interest::Writable, Some(BOUND)).unwrap());
            send_all(client, b"hi");
        }
        let seen = wait_until(&peer, |seen| seen.accept_paused);
        assert!(seen.accept_emfile >= 1 && seen.accepted < 10, "{seen:?}");
        assert_eq!(receive_exactly(&clients[0], 2), b"hi");
        does_not_spin(&peer);
        for client in &clients[1..] {
            // Everyone before has left, so there is room.
            clients_leave(&clients, client);
            assert_eq!(receive_exactly(client, 2), b"hi");
        }
        for client in &clients {
            client.close().unwrap();
        }
        let seen = wait_until(&peer, |seen| seen.closed == 30);
        assert_eq!((seen.accepted, seen.connection_errors), (30, 0));
        Resource::NOFILE.set(before, hard).unwrap();
        wait_until(&peer, |seen| !seen.accept_paused);
    }
}

/// While it can do nothing, the peer's turns are ticks.
fn does_not_spin(peer: &Handle) {
    let idle = wait_until(peer, |seen| seen.bytes_sent == 2 * seen.accepted);
    let started = Instant::now();
    let mut seen = idle;
    while seen.turns < idle.turns + 3 {
        seen = peer.wait_turn(seen.turns, BOUND);
    }
    assert!(started.elapsed() >= Duration::from_millis(30));
}

/// Closes all clients that come before `next`.
fn clients_leave(clients: &[Socket], next: &Socket) {
    let before = clients
        .iter()
        .take_while(|client| !std::ptr::eq(*client, next));
    for client in before {
        client.close().unwrap();
    }
}

#[test]
fn any_thread_may_watch() {
    let peer = Arc::new(peer(Service::Echo, Trigger::Edge, &loopback()));
    let watchers: Vec<_> = (0..3)
        .map(|_| {
            let peer = Arc::clone(&peer);
            std::thread::spawn(move || wait_until(&peer, |seen| seen.bytes_sent >= 200))
        })
        .collect();
    let client = connect(peer.address());
    for _ in 0..100 {
        assert_eq!(exchange(&client, b"hi"), b"hi");
    }
    for watcher in watchers {
        assert_eq!(watcher.join().unwrap().accepted, 1);
    }
}
