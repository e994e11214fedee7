//! `Worker`: a thread as its handle knows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::turns::Turns;
use crate::error::{Failure, Op, Result};
use crate::sys::eventfd::Waker;
use crate::sys::owner::Owner;
use crate::sys::thread;

/// How the thread ended: well, with an error, or (the outer `Err`) in a panic.
pub(crate) type Ending = std::result::Result<Result<()>, String>;

#[derive(Debug)]
enum Life {
    Running(JoinHandle<Ending>, Arc<Waker>),
    Stopped(std::result::Result<(), Failure>),
}

/// A thread that was started. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Worker<Board> {
    name: &'static str,
    turns: Arc<Turns<Board>>,
    life: Mutex<Life>,
    owner: Owner,
}

impl<Board> Worker<Board> {
    /// The handle of `thread`, which takes `turns`, holds their `Over`, and wakes up when `bell` rings.
    pub(crate) fn new(
        name: &'static str,
        thread: JoinHandle<Ending>,
        turns: Arc<Turns<Board>>,
        bell: Arc<Waker>,
    ) -> Self {
        Self {
            name,
            turns,
            life: Mutex::new(Life::Running(thread, bell)),
            owner: Owner::here(),
        }
    }

    pub(crate) fn turns(&self) -> &Turns<Board> {
        &self.turns
    }

    /// Whether this is the process that the thread is in, and not a child of it.
    pub(crate) fn is_here(&self) -> bool {
        self.owner.is_here()
    }

    /// Ends the thread and waits for it. Again: the same answer. In a child of the process that
    /// started it there is no thread, and nothing is done.
    ///
    /// # Errors
    ///
    /// Why the thread had ended on its own: a panic, or an error that it could not survive.
    pub(crate) fn stop(&self) -> std::result::Result<(), Failure> {
        if !self.is_here() {
            return Ok(());
        }
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let running = std::mem::replace(&mut *life, Life::Stopped(Ok(())));
        let outcome = match running {
            Life::Stopped(outcome) => outcome,
            Life::Running(thread, bell) => {
                self.turns.stop();
                let rung = bell.wake().op("eventfd");
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

impl<Board> Drop for Worker<Board> {
    fn drop(&mut self) {
        // Nobody is left to be told.
        drop(self.stop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::worker::Over;

    type Ends = fn() -> Result<()>;

    /// One that goes round until it is told to stop, and ends as `ends` says.
    fn worker(ends: Ends) -> Worker<()> {
        let turns = Arc::new(Turns::new(()));
        let theirs = Over(Arc::clone(&turns));
        let body = move || {
            while !theirs.0.is_stopping() {
                theirs.0.advance();
            }
            ends()
        };
        let thread = thread::spawn("epollkit-test", body).unwrap();
        let bell = Arc::new(Waker::new().unwrap());
        Worker::new("epollkit-test", thread, turns, bell)
    }

    #[test]
    fn how_it_ended_is_told_each_time() {
        let endings: [(Ends, _); 3] = [
            (|| Ok(()), None),
            (
                || Err(Error::from_errno("poll", libc::ENOMEM)),
                Some("epollkit-test: poll: Cannot allocate memory (os error 12)"),
            ),
            (
                || panic!("a reason"),
                Some("epollkit-test: panicked: a reason"),
            ),
        ];
        for (ends, text) in endings {
            let worker = worker(ends);
            let told = worker.stop();
            assert_eq!(
                told.as_ref().err().map(ToString::to_string).as_deref(),
                text
            );
            assert_eq!(worker.stop(), told);
            assert!(worker.turns().is_over());
        }
    }

    #[test]
    fn dropped_it_is_stopped() {
        let worker = worker(|| Ok(()));
        let turns = Arc::clone(&worker.turns);
        drop(worker);
        assert!(turns.is_over());
    }
}
