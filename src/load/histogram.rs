//! `Histogram`: latencies in nanoseconds, to three significant digits (hdrhistogram).

use std::time::Duration;

/// Longer ones are counted as this long.
const LONGEST_NS: u64 = 3_600 * 1_000_000_000;

/// Latencies, from 1 ns to an hour.
#[derive(Clone, Debug)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

impl Histogram {
    /// An empty histogram.
    #[expect(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "constants within hdrhistogram's limits"
    )]
    pub fn new() -> Self {
        let empty = hdrhistogram::Histogram::new_with_bounds(1, LONGEST_NS, 3);
        Self(empty.expect("1 ns to 1 h at 3 digits"))
    }

    /// Adds one.
    #[inline]
    pub fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanoseconds);
    }

    /// How many have been recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that the fraction `quantile` (0 to 1) of all were not longer than; zero if there
    /// are none.
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(quantile))
    }

    /// The longest; zero if there are none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The mean; zero if there are none.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.0.mean() / 1e9)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(seen: Duration, expected: Duration) -> bool {
        seen.abs_diff(expected) <= expected / 1000
    }

    #[test]
    fn quantiles_are_exact_to_three_digits() {
        let mut histogram = Histogram::new();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        assert_eq!(histogram.count(), 1000);
        assert!(near(histogram.quantile(0.5), Duration::from_micros(500)));
        assert!(near(histogram.quantile(0.99), Duration::from_micros(990)));
        assert!(near(histogram.max(), Duration::from_millis(1)));
        assert!(near(histogram.mean(), Duration::from_nanos(500_500)));
    }

    #[test]
    fn the_extremes_saturate() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        histogram.record(Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.count(), 2);
        assert!(near(histogram.max(), Duration::from_secs(3600)));
    }
}
