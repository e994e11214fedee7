//! `Names`: host names on their way to addresses, beside the attempts of a [`super::Dialer`].
//!
//! Each name is looked up once, in a thread that may be left behind ([`super::Resolving`]). Its
//! answer rings a bell in the dialer's epoll set, so that one wait is for names and attempts alike.
//! Whoever waits for a name has the time-out of an attempt; the look-up itself goes on, for those
//! that come later.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Addr;
use super::resolve::{Info, Query, Resolving, first};
use crate::epoll::{Epoll, EventFlags};
use crate::error::{Error, Op, Result};
use crate::sys::eventfd::Waker;

/// The bell's token in the dialer's set: no attempt's slot has it, so the dialer takes no notice.
const BELL: u64 = u64::MAX - 1;

/// As many names may be waited for at the same time; each is a thread.
const AWAITED: usize = 64;

/// As many threads may there be, those included that nobody waits for any more.
const LOOK_UPS: usize = 512;

/// What has become of a name that was waited for.
#[derive(Debug)]
pub struct Settled {
    /// The number that [`Names::ask`] was given.
    pub tag: usize,
    /// When it was asked for.
    pub started: Instant,
    /// Its first address, or why there is none; the name is in the error's note.
    pub result: Result<Addr>,
}

type Key = (String, u16);

#[derive(Debug)]
struct Waiting {
    tag: usize,
    started: Instant,
}

#[derive(Debug)]
struct LookUp {
    key: Key,
    query: Query,
    resolving: Resolving<Vec<Info>>,
    /// In the order in which they came, which is that of their expiry.
    waiting: VecDeque<Waiting>,
}

/// Names that are known and names that are being looked up.
#[derive(Debug)]
pub struct Names {
    epoll: Arc<Epoll>,
    timeout: Option<Duration>,
    known: HashMap<Key, Result<Addr>>,
    under_way: Vec<LookUp>,
    /// Made for the first name.
    bell: Option<Arc<Waker>>,
}

impl Names {
    /// Knows no name yet. Rings in `epoll`; `timeout` is for each that waits.
    pub fn new(epoll: Arc<Epoll>, timeout: Option<Duration>) -> Self {
        Self {
            epoll,
            timeout,
            known: HashMap::new(),
            under_way: Vec::new(),
            bell: None,
        }
    }

    /// The first address of `host`; `None`: [`Names::settle`] will tell.
    pub fn ask(&mut self, tag: usize, host: String, port: u16) -> Option<Result<Addr>> {
        let key = (host, port);
        if let Some(known) = self.known.get(&key) {
            return Some(known.clone());
        }
        let waiting = Waiting {
            tag,
            started: Instant::now(),
        };
        if let Some(look_up) = self.under_way.iter_mut().find(|found| found.key == key) {
            look_up.waiting.push_back(waiting);
            return None;
        }
        self.begin(key, waiting).transpose()
    }

    fn begin(&mut self, key: Key, waiting: Waiting) -> Result<Option<Addr>> {
        let query = Query::stream(&key.0, key.1, libc::AF_UNSPEC)?;
        if let Some(answer) = query.ask_at_once() {
            return answer
                .and_then(|found| first(&query, &found))
                .map(|address| Some(address.into()));
        }
        let bell = self.bell()?;
        let asked = query.clone();
        let resolving = Resolving::start(
            move || asked.ask(),
            move || {
                // The bell is gone when nobody waits any more. An open one can be rung.
                if let Some(bell) = bell.upgrade() {
                    drop(bell.wake());
                }
            },
        )
        .map_err(|error| error.about(format_args!("to look up {query}")))?;
        self.under_way.push(LookUp {
            key,
            query,
            resolving,
            waiting: VecDeque::from([waiting]),
        });
        Ok(None)
    }

    fn bell(&mut self) -> Result<Weak<Waker>> {
        if let Some(bell) = &self.bell {
            return Ok(Arc::downgrade(bell));
        }
        let bell = Arc::new(Waker::new().op("eventfd")?);
        let raw = bell.as_fd().as_raw_fd();
        self.epoll.add(raw, EventFlags::IN.bits(), BELL)?;
        Ok(Arc::downgrade(self.bell.insert(bell)))
    }

    /// How many wait for a name.
    pub fn waiting(&self) -> usize {
        self.under_way.iter().map(|found| found.waiting.len()).sum()
    }

    /// Whether another name may be asked for now. If not, the bell will ring when it may.
    pub fn has_room(&self) -> bool {
        let is_awaited = |found: &&LookUp| !found.waiting.is_empty();
        self.under_way.len() < LOOK_UPS
            && self.under_way.iter().filter(is_awaited).count() < AWAITED
    }

    /// Time until the oldest of those that wait gives up.
    pub fn next_expiry(&self) -> Option<Duration> {
        let timeout = self.timeout?;
        let oldest = self
            .under_way
            .iter()
            .filter_map(|found| found.waiting.front());
        oldest
            .map(|waiting| timeout.saturating_sub(waiting.started.elapsed()))
            .min()
    }

    /// Appends those whose name has been answered and those whose time is up.
    ///
    /// # Errors
    ///
    /// None that an open eventfd gives.
    pub fn settle(&mut self, settled: &mut Vec<Settled>) -> Result<()> {
        if self.under_way.is_empty() {
            return Ok(());
        }
        if let Some(bell) = &self.bell {
            // Before the look: what is answered after it rings again.
            bell.drain().op("read")?;
        }
        let timeout = self.timeout;
        let known = &mut self.known;
        self.under_way.retain_mut(|look_up| {
            let answer = look_up.answer();
            match &answer {
                Some(answer) => look_up.tell(answer, settled),
                None => look_up.expire(timeout, settled),
            }
            match answer {
                Some(answer) => {
                    known.insert(look_up.key.clone(), answer);
                    false
                }
                None => true,
            }
        });
        Ok(())
    }
}

impl LookUp {
    fn answer(&mut self) -> Option<Result<Addr>> {
        let answer = self.resolving.wait(Duration::ZERO).transpose()?;
        let first = |found: Vec<Info>| first(&self.query, &found).map(Addr::Ip);
        Some(answer.and_then(first))
    }

    fn tell(&mut self, answer: &Result<Addr>, settled: &mut Vec<Settled>) {
        settled.extend(self.waiting.drain(..).map(|waiting| Settled {
            tag: waiting.tag,
            started: waiting.started,
            result: answer.clone(),
        }));
    }

    fn expire(&mut self, timeout: Option<Duration>, settled: &mut Vec<Settled>) {
        let Some(timeout) = timeout else { return };
        while let Some(oldest) = self.waiting.front() {
            if oldest.started.elapsed() < timeout {
                return;
            }
            settled.push(Settled {
                tag: oldest.tag,
                started: oldest.started,
                result: Err(timed_out(&self.query, timeout)),
            });
            self.waiting.pop_front();
        }
    }
}

/// The error of a look-up that was given up after `timeout`.
pub fn timed_out(query: impl std::fmt::Display, timeout: Duration) -> Error {
    Error::from_errno("getaddrinfo", libc::ETIMEDOUT)
        .about(format_args!("{query} (gave up after {timeout:?})"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    #[test]
    fn a_name_is_looked_up_once_for_all_that_wait() {
        let epoll = Arc::new(Epoll::new(0).unwrap());
        let mut names = Names::new(Arc::clone(&epoll), None);
        for tag in 0..3 {
            assert!(names.ask(tag, "localhost".to_owned(), 7).is_none());
        }
        assert_eq!((names.waiting(), names.under_way.len()), (3, 1));
        let mut settled = Vec::new();
        while names.waiting() > 0 {
            let mut events = Vec::new();
            epoll
                .wait(&mut events, 8, Some(Duration::from_secs(5)))
                .unwrap();
            assert_eq!(events.len(), 1, "the bell");
            names.settle(&mut settled).unwrap();
        }
        let tags: Vec<usize> = settled.iter().map(|each| each.tag).collect();
        assert_eq!(tags, [0, 1, 2]);
        let known = names.ask(3, "localhost".to_owned(), 7).unwrap();
        assert_eq!(known, settled[0].result);
        assert_eq!(known.unwrap().port(), Some(7));
    }

    /// A look-up that ends, without an address, when the sender is dropped.
    fn slow(waiting: VecDeque<Waiting>) -> (LookUp, Sender<()>) {
        let (end, question) = channel();
        let never = move || {
            let hung_up = question.recv().is_err();
            assert!(hung_up);
            Ok(Vec::new())
        };
        let look_up = LookUp {
            key: ("slow".to_owned(), 7),
            query: Query::stream("slow", 7, libc::AF_UNSPEC).unwrap(),
            resolving: Resolving::start(never, || {}).unwrap(),
            waiting,
        };
        (look_up, end)
    }

    #[test]
    fn who_waits_too_long_gives_up_and_the_look_up_goes_on() {
        let epoll = Arc::new(Epoll::new(0).unwrap());
        let mut names = Names::new(epoll, Some(Duration::ZERO));
        let (tag, started) = (5, Instant::now());
        let (look_up, end) = slow(VecDeque::from([Waiting { tag, started }]));
        names.under_way.push(look_up);
        assert_eq!(names.next_expiry(), Some(Duration::ZERO));
        let mut settled = Vec::new();
        names.settle(&mut settled).unwrap();
        assert_eq!(settled[0].tag, 5);
        assert!(settled[0].result.clone().unwrap_err().is(libc::ETIMEDOUT));
        assert!(names.ask(6, "slow".to_owned(), 7).is_none());
        assert_eq!((names.waiting(), names.under_way.len()), (1, 1));
        drop(end);
    }

    #[test]
    fn threads_that_nobody_waits_for_are_counted() {
        let mut names = Names::new(Arc::new(Epoll::new(0).unwrap()), None);
        let mut ends = Vec::new();
        while names.has_room() {
            let (look_up, end) = slow(VecDeque::new());
            names.under_way.push(look_up);
            ends.push(end);
        }
        assert_eq!(ends.len(), LOOK_UPS);
        drop(ends.pop());
        while !names.has_room() {
            names.settle(&mut Vec::new()).unwrap();
        }
        assert_eq!(names.under_way.len(), LOOK_UPS - 1);
    }
}
