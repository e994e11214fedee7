//! When to look: at multiples of the interval since the start. Pure: the time is an argument.
//!
//! The deadlines are absolute, so one late round does not move those after it. A round that comes
//! so late that others have passed meanwhile stands for all of them: it is one round, the others are
//! counted as missed, and there is no burst to make up for them.

#[derive(Debug)]
pub(super) struct Pace {
    interval: u64,
    next: u64,
    last: Option<u64>,
    missed: u64,
    largest_gap: u64,
}

impl Pace {
    /// The first round is due `now`. All times are nanoseconds of one clock.
    pub(super) fn new(interval: u64, now: u64) -> Self {
        Self {
            interval: interval.max(1),
            next: now,
            last: None,
            missed: 0,
            largest_gap: 0,
        }
    }

    /// How long until a round is due; 0: now.
    pub(super) fn left(&self, now: u64) -> u64 {
        self.next.saturating_sub(now)
    }

    /// A round begins; it is due.
    pub(super) fn begin(&mut self, now: u64) {
        if let Some(last) = self.last {
            self.largest_gap = self.largest_gap.max(now.saturating_sub(last));
        }
        self.last = Some(now);
        let passed = now.saturating_sub(self.next) / self.interval;
        self.missed += passed;
        let step = self.interval.saturating_mul(passed.saturating_add(1));
        self.next = self.next.saturating_add(step);
    }

    /// Rounds that should have been and were not.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// The longest time between the beginnings of two rounds.
    pub(super) fn largest_gap(&self) -> u64 {
        self.largest_gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_time_nothing_is_missed() {
        let mut pace = Pace::new(50, 1000);
        for round in 0..100 {
            assert_eq!(pace.left(1000 + 50 * round), 0);
            pace.begin(1000 + 50 * round);
        }
        assert_eq!((pace.missed(), pace.largest_gap()), (0, 50));
    }

    #[test]
    fn a_late_round_does_not_move_the_next() {
        let mut pace = Pace::new(50, 1000);
        pace.begin(1000);
        pace.begin(1090); // due at 1050
        assert_eq!(pace.left(1090), 10);
        assert_eq!((pace.missed(), pace.largest_gap()), (0, 90));
    }

    #[test]
    fn what_is_missed_is_counted_and_not_made_up_for() {
        let mut pace = Pace::new(50, 1000);
        pace.begin(1000);
        pace.begin(1225); // for 1200: 1050, 1100 and 1150 are missed
        assert_eq!((pace.missed(), pace.largest_gap()), (3, 225));
        assert_eq!(pace.left(1225), 25);
        pace.begin(1250);
        assert_eq!(pace.missed(), 3);
        assert_eq!(pace.left(1250), 50);
    }

    #[test]
    fn rounds_and_missed_ones_are_as_many_as_there_were_intervals() {
        let mut pace = Pace::new(7, 0);
        let mut now = 0;
        let mut rounds = 0;
        for delay in (0..1000).map(|step| step * 13 % 41) {
            now += pace.left(now);
            pace.begin(now);
            rounds += 1;
            now += delay;
        }
        assert_eq!(rounds + pace.missed(), pace.next / 7);
    }

    #[test]
    fn an_interval_beyond_the_clock_has_one_round() {
        let mut pace = Pace::new(u64::MAX, 5);
        pace.begin(5);
        assert_eq!(pace.left(5), u64::MAX - 5);
    }
}
