#![expect(unsafe_code, reason = "clock_gettime")]
//! `Duration` to the kernel's time types: never too early, never wrapped. And the time itself.

use std::time::{Duration, Instant};

/// Milliseconds for poll(2) and epoll_wait(2): rounded up, so that 1 ns does not become a busy
/// loop, and saturated at 24.8 days; `None` is -1, forever.
pub fn to_millis(timeout: Option<Duration>) -> libc::c_int {
    let Some(timeout) = timeout else { return -1 };
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX)
}

/// `struct timespec`, saturated at the type's limit.
pub fn to_timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(duration.subsec_nanos().cast_signed()),
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds, which is Python's `time.monotonic_ns()`. Rust's `Instant` is the
/// same clock and does not say what it shows.
#[inline]
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a live timespec. It cannot fail: every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let whole = u64::try_from(now.tv_sec).unwrap_or(0);
    whole * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// A point in time to wait for. Survives `EINTR`: what is left is asked anew.
#[derive(Clone, Copy, Debug)]
pub enum Deadline {
    /// Zero was asked for. Costs no look at the clock.
    Past,
    /// The time is up then.
    At(Instant),
    /// Forever.
    Never,
}

impl Deadline {
    /// `timeout` from now; `None`, and what the clock cannot hold, is never.
    pub fn after(timeout: Option<Duration>) -> Self {
        match timeout {
            Some(Duration::ZERO) => Self::Past,
            Some(timeout) => Instant::now()
                .checked_add(timeout)
                .map_or(Self::Never, Self::At),
            None => Self::Never,
        }
    }

    /// Time left: `None` is forever, zero is past.
    pub fn remaining(self) -> Option<Duration> {
        match self {
            Self::Past => Some(Duration::ZERO),
            Self::At(end) => Some(end.saturating_duration_since(Instant::now())),
            Self::Never => None,
        }
    }

    /// Whether the time is up.
    pub fn has_passed(self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millis_round_up_and_saturate() {
        assert_eq!(to_millis(None), -1);
        assert_eq!(to_millis(Some(Duration::ZERO)), 0);
        assert_eq!(to_millis(Some(Duration::from_nanos(1))), 1);
        assert_eq!(to_millis(Some(Duration::from_micros(1001))), 2);
        assert_eq!(to_millis(Some(Duration::MAX)), libc::c_int::MAX);
    }

    #[test]
    fn timespec_keeps_nanoseconds_and_saturates() {
        let exact = to_timespec(Duration::new(3, 7));
        assert_eq!((exact.tv_sec, exact.tv_nsec), (3, 7));
        assert_eq!(to_timespec(Duration::MAX).tv_sec, libc::time_t::MAX);
    }

    #[test]
    fn the_time_is_that_of_the_deadlines_and_goes_on() {
        let (before, begin) = (monotonic_ns(), Instant::now());
        while begin.elapsed() < Duration::from_millis(1) {}
        assert!(monotonic_ns() >= before + 1_000_000);
    }

    #[test]
    fn a_deadline_past_the_clock_is_never() {
        assert_eq!(Deadline::after(Some(Duration::MAX)).remaining(), None);
        assert!(!Deadline::after(None).has_passed());
        assert!(Deadline::after(Some(Duration::ZERO)).has_passed());
    }
}
