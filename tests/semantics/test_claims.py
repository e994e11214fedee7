"""Every claim's experiment gives the verdict and every finding that Linux is known for.

The experiments are in `epollkit.semantics._claims`, one function for each claim.
"""

import pytest

from epollkit import semantics


@pytest.mark.parametrize("record", [False, True], ids=["bare", "recorded"])
@pytest.mark.parametrize("name", semantics.CLAIMS)
def test_claim(name: str, loopback: str, *, record: bool) -> None:
    outcome = semantics.run(name, record=record, address=loopback)
    if outcome.problem and not outcome.broken:
        pytest.skip(outcome.problem)
    assert outcome.problem == ""
    unexpected = [f"{each.text}: {each.seen}, not {each.expected}" for each in outcome.surprises]
    assert unexpected == []
    assert outcome.verdict is outcome.claim.verdict, outcome.evidence
    assert (outcome.trace is not None) == record
