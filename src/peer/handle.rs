//! `Handle`: start a peer, watch it, stop it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bound_path::BoundPath;
use super::counters::{Counters, Snapshot};
use super::server::Server;
use super::{Behaviour, Options};
use crate::error::{Error, Failure, Op, Result};
use crate::net::{Addr, Socket, socket};
use crate::sys;
use crate::sys::eventfd::Waker;
use crate::worker::{Ending, Over, Turns, Worker};

/// A running peer. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    address: Addr,
    worker: Worker<Counters>,
}

/// Binds, listens, and starts a thread that serves with `behaviour`.
///
/// # Errors
///
/// Those of bind(2) and listen(2) with the address in the note; `EMFILE`, `ENFILE`; `EAGAIN` when
/// no thread can be started.
pub fn start<B: Behaviour>(
    name: &'static str,
    behaviour: B,
    address: &Addr,
    options: Options,
) -> Result<Handle> {
    let listener = socket::listen_on(address, options.backlog)?;
    let address = listener.getsockname()?.unwrap_or_else(|| address.clone());
    let path = BoundPath::of(&address).op("stat")?;
    let turns = Arc::new(Turns::new(Counters::default()));
    let bell = Arc::new(Waker::new().op("eventfd")?);
    let keep = [
        listener.call("dup", sys::fd::duplicate)?,
        sys::fd::duplicate(bell.as_fd()).op("dup")?,
    ];
    let family = listener.family();
    drop(listener);
    let (theirs, over) = (Arc::clone(&turns), Over(Arc::clone(&turns)));
    let body = move |keep, tell: SyncSender<Result<()>>| {
        let served = serve(behaviour, family, keep, options, theirs, &tell);
        let removed = path.map_or(Ok(()), BoundPath::remove).op("unlink");
        served.and(removed)
    };
    let thread = launch(name, keep, body, over)?;
    Ok(Handle {
        address,
        worker: Worker::new(name, thread, turns, bell),
    })
}

/// Starts the thread, and waits until it serves or has failed to.
#[expect(
    unsafe_code,
    reason = "only the caller knows that the body holds no descriptor"
)]
fn launch(
    name: &'static str,
    keep: [OwnedFd; 2],
    body: impl FnOnce([OwnedFd; 2], SyncSender<Result<()>>) -> Result<()> + Send + 'static,
    over: Over<Counters>,
) -> Result<JoinHandle<Ending>> {
    let (tell, told) = sync_channel(1);
    let run = move |keep| {
        let _over = over;
        body(keep, tell)
    };
    // SAFETY: `body` is the closure of `start`: a behaviour (pure logic), numbers, a path, and
    // `Turns` of `Counters`, which hold no descriptor; so is what is added here.
    let thread = unsafe { sys::table::spawn_apart(name, keep, run) }
        .map_err(|error| Error::from_io("pthread_create", &error))?;
    match told.recv() {
        Ok(Err(error)) => {
            // It ends with nothing more to say.
            drop(thread.join());
            Err(error)
        }
        // Serves, or has panicked before it did: `stop` will tell.
        Ok(Ok(())) | Err(_) => Ok(thread),
    }
}

/// The thread's life: what it owns is made in it, and goes with it.
fn serve<B: Behaviour>(
    behaviour: B,
    family: i32,
    [listener, bell]: [OwnedFd; 2],
    options: Options,
    turns: Arc<Turns<Counters>>,
    tell: &SyncSender<Result<()>>,
) -> Result<()> {
    let listener = Socket::owning(listener, family, libc::SOCK_STREAM, 0);
    let prepared =
        no_delay(&listener).and_then(|()| Server::new(behaviour, listener, bell, options, turns));
    let (said, server) = match prepared {
        Ok(server) => (Ok(()), Some(server)),
        Err(error) => (Err(error), None),
    };
    // The starter waits for it.
    tell.send(said).unwrap_or_default();
    server.map_or(Ok(()), |mut server| server.run())
}

/// Copied to each connection: a reply must not wait for the ACK of the one before.
fn no_delay(listener: &Socket) -> Result<()> {
    match listener.family() {
        libc::AF_UNIX => Ok(()),
        _ => listener.setsockopt_int(libc::IPPROTO_TCP, libc::TCP_NODELAY, 1),
    }
}

impl Handle {
    /// Where it listens: the port that the kernel chose, if that was left to it.
    pub fn address(&self) -> &Addr {
        &self.address
    }

    /// Its numbers, as of its last turn.
    pub fn snapshot(&self) -> Snapshot {
        let turns = self.worker.turns();
        turns.board().snapshot(turns.taken())
    }

    /// Waits until the loop has made a turn after turn `seen`, at most for `timeout`; then its
    /// numbers. `turns` still at `seen`: the time is up, or [`Handle::is_over`].
    pub fn wait_turn(&self, seen: u64, timeout: Duration) -> Snapshot {
        self.worker.turns().wait(seen.saturating_add(1), timeout);
        self.snapshot()
    }

    /// Whether the loop has ended: stopped, or broken, as [`Handle::stop`] will tell.
    pub fn is_over(&self) -> bool {
        self.worker.turns().is_over()
    }

    /// Ends the loop, closes its connections and waits for its thread. Again: the same answer. In a
    /// child of the process that started it there is no thread, and nothing is done.
    ///
    /// # Errors
    ///
    /// Why the loop had ended on its own: a panic, or an error that it could not survive.
    pub fn stop(&self) -> std::result::Result<(), Failure> {
        self.worker.stop()
    }
}
