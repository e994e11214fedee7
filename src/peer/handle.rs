//! `Handle`: start a peer, watch it, stop it.

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
    let observed = Arc::new(Observed::new()?);
    let started = launch(name, behaviour, listener, options, &observed, path);
    Ok(Handle {
        name,
        address,
        observed,
        life: Mutex::new(Life::Running(started?)),
        owner: Owner::here(),
    })
}

fn launch<B: Behaviour>(
    name: &'static str,
    behaviour: B,
    listener: Socket,
    options: Options,
    observed: &Arc<Observed>,
    path: Option<BoundPath>,
) -> Result<JoinHandle<Ending>> {
    if !matches!(listener.family(), libc::AF_UNIX) {
        // Copied to each connection: a reply must not wait for the ACK of the one before.
        listener.setsockopt_int(libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    }
    let over = Over(Arc::clone(observed));
    let mut server = Server::new(behaviour, listener, options, Arc::clone(observed))?;
    let body = move || {
        let _over = over;
        let ran = server.run();
        let removed = path.map_or(Ok(()), BoundPath::remove).op("unlink");
        drop(server);
        ran.and(removed)
    };
    thread::spawn(name, body).map_err(|error| Error::from_io("pthread_create", &error))
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
                let rung = self.observed.stop();
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
