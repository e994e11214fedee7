//! `Handle`: start a peer, watch it, stop it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bound_path::BoundPath;
use super::counters::Snapshot;
use super::observe::Observed;
use super::server::Server;
use super::{Behaviour, Options};
use crate::error::{Error, Failure, Op, Result};
use crate::net::{Addr, Socket, socket};
use crate::sys;
use crate::sys::eventfd::Waker;
use crate::sys::owner::Owner;
use crate::sys::thread;

/// How the loop's thread ended: well, with an error, or (the outer `Err`) in a panic.
type Ending = std::result::Result<Result<()>, String>;

#[derive(Debug)]
enum Life {
    Running(JoinHandle<Ending>),
    Stopped(std::result::Result<(), Failure>),
}

/// A running peer. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    name: &'static str,
    address: Addr,
    observed: Arc<Observed>,
    bell: Waker,
    life: Mutex<Life>,
    owner: Owner,
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
    let observed = Arc::new(Observed::default());
    let bell = Waker::new().op("eventfd")?;
    let keep = [
        listener.call("dup", sys::fd::duplicate)?,
        sys::fd::duplicate(bell.as_fd()).op("dup")?,
    ];
    let family = listener.family();
    drop(listener);
    let theirs = Arc::clone(&observed);
    let body = move |keep, tell: SyncSender<Result<()>>| {
        let served = serve(behaviour, family, keep, options, theirs, &tell);
        let removed = path.map_or(Ok(()), BoundPath::remove).op("unlink");
        served.and(removed)
    };
    let thread = launch(name, keep, body, Arc::clone(&observed))?;
    Ok(Handle {
        name,
        address,
        observed,
        bell,
        life: Mutex::new(Life::Running(thread)),
        owner: Owner::here(),
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
    observed: Arc<Observed>,
) -> Result<JoinHandle<Ending>> {
    let (tell, told) = sync_channel(1);
    let over = Over(observed);
    let run = move |keep| {
        let _over = over;
        body(keep, tell)
    };
    // SAFETY: `body` is the closure of `start`: a behaviour (pure logic), numbers, a path, and
    // `Observed`, which holds no descriptor; so is what is added here.
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
    observed: Arc<Observed>,
    tell: &SyncSender<Result<()>>,
) -> Result<()> {
    let listener = Socket::owning(listener, family, libc::SOCK_STREAM, 0);
    let prepared = no_delay(&listener)
        .and_then(|()| Server::new(behaviour, listener, bell, options, observed));
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

/// However the thread ends, nobody goes on waiting for it.
#[derive(Debug)]
struct Over(Arc<Observed>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Handle {
    /// Where it listens: the port that the kernel chose, if that was left to it.
    pub fn address(&self) -> &Addr {
        &self.address
    }

    /// Its numbers, as of its last turn.
    pub fn snapshot(&self) -> Snapshot {
        self.observed.snapshot()
    }

    /// Waits until the loop has made a turn after turn `seen`, at most for `timeout`; then its
    /// numbers. `turns` still at `seen`: the time is up, or [`Handle::is_over`].
    pub fn wait_turn(&self, seen: u64, timeout: Duration) -> Snapshot {
        self.observed.wait_turn(seen, timeout)
    }

    /// Whether the loop has ended: stopped, or broken, as [`Handle::stop`] will tell.
    pub fn is_over(&self) -> bool {
        self.observed.is_over()
    }

    /// Ends the loop, closes its connections and waits for its thread. Again: the same answer. In a
    /// child of the process that started it there is no thread, and nothing is done.
    ///
    /// # Errors
    ///
    /// Why the loop had ended on its own: a panic, or an error that it could not survive.
    pub fn stop(&self) -> std::result::Result<(), Failure> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let running = std::mem::replace(&mut *life, Life::Stopped(Ok(())));
        let outcome = match running {
            Life::Stopped(outcome) => outcome,
            Life::Running(_) if !self.owner.is_here() => Ok(()),
            Life::Running(thread) => {
                self.observed.stop();
                let rung = self.bell.wake().op("eventfd");
                let judged = self.judge(thread.join());
                judged.and_then(|()| rung.map_err(|error| Failure::new(self.name, error)))
            }
        };
        *life = Life::Stopped(outcome.clone());
        outcome
    }

    fn judge(&self, joined: std::thread::Result<Ending>) -> std::result::Result<(), Failure> {
        let ending = joined.unwrap_or_else(|payload| Err(thread::panic_text(&*payload)));
        match ending {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::new(self.name, error)),
            Err(panic) => Err(Failure::new(self.name, panic)),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nobody is left to be told.
        drop(self.stop());
    }
}
