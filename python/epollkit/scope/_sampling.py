"""What a `Sampler` saw between the calls, as ticks of a trace."""

from collections.abc import Generator, Iterable
from itertools import groupby

from epollkit._epollkit import Sample, SamplerCounters
from epollkit._flags import PollFlags
from epollkit.scope._trace import Call, Look, Tick

__all__ = ["in_words", "ticks_of"]


def ticks_of(samples: Iterable[Sample], began_ns: int) -> Generator[Tick]:
    """A tick without a call for each moment at which something was seen to have changed.

    Args:
        samples: oldest first.
        began_ns: when the trace began (CLOCK_MONOTONIC).
    """
    known = dict[str, Look]()
    for moment, changed in groupby(samples, lambda sample: sample.t_ns):
        before = dict(known)
        known.update((sample.name, _look(sample)) for sample in changed)
        if before:  # the first looks are no change
            yield Tick(moment - began_ns, moment - began_ns, Call("", ""), before, dict(known))


def _look(sample: Sample) -> Look:
    if sample.closed:
        return Look(PollFlags.NVAL)
    return Look(sample.flags, sample.inq, sample.outq, sample.state)


def in_words(counters: SamplerCounters, interval: float) -> str:
    """What was sampled, and what was not."""
    return (
        f"sampled every {interval * 1e6:g} us: {counters.rounds:,} looks, "
        f"{counters.missed:,} missed, longest gap {counters.largest_gap_ns / 1e3:,.0f} us; "
        f"{counters.dropped:,} of {counters.records:,} records dropped"
    )
