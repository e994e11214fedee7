"""Perform experiments."""

import time
from collections.abc import Iterable

from epollkit.semantics._lab import Lab
from epollkit.semantics._outcome import NotShownHere, Outcome
from epollkit.semantics._registry import CLAIMS, TOPICS, Claim
from epollkit.semantics._report import Report

__all__ = ["run", "run_all", "select_claims"]


def select_claims(only: str | Iterable[str] = ()) -> list[Claim]:
    """The claims of these topics, or with these names; all of them without any.

    Raises:
        ValueError: neither a topic nor a claim is called so.
    """
    wanted = [only] if isinstance(only, str) else list(only)
    for name in wanted:
        if name not in TOPICS and name not in CLAIMS:
            near = [each for each in CLAIMS if name in each]
            hint = f"; claims with it in their name: {', '.join(near)}" if near else ""
            raise ValueError(f"no topic and no claim {name!r}; topics: {', '.join(TOPICS)}{hint}")
    claims = sorted(CLAIMS.values(), key=lambda each: TOPICS.index(each.topic))
    return [each for each in claims if not wanted or each.topic in wanted or each.name in wanted]


def run(claim: Claim | str, *, record: bool = False, address: str = "") -> Outcome:
    """Perform one claim's experiment on this kernel.

    Args:
        claim: the claim, or its name.
        record: keep a trace of all calls and deliveries in the outcome.
        address: the loopback address to use; by default one of its own.

    Returns:
        What was found. An experiment that fails is an outcome with a `problem`, not an exception.

    Raises:
        ValueError: there is no such claim.
    """
    if isinstance(claim, str):
        if claim not in CLAIMS:
            raise ValueError(f"no claim {claim!r}; `epollkit semantics` lists them")
        claim = CLAIMS[claim]
    scope = None
    if record:
        from epollkit.scope import Scope  # noqa: PLC0415 - only recordings need it

        scope = Scope()
    problem, broken = "", False
    began = time.perf_counter()
    with Lab(scope, address) as lab:
        try:
            claim.experiment(lab)
        except NotShownHere as lacking:
            problem = str(lacking)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the outcome
            problem, broken = f"{type(error).__name__}: {error}", True
        elapsed = time.perf_counter() - began
        trace = None
        if scope is not None:
            trace = scope.trace
            scope.close()
    return Outcome(claim, tuple(lab.findings), elapsed, problem, broken, trace)


def run_all(only: str | Iterable[str] = (), *, notebook: str = "") -> Report:
    """Perform several experiments, one after the other.

    Args:
        only: topics or names of claims; by default all.
        notebook: only the claims that this notebook shows, "04" say.

    Returns:
        What they found. It shows itself as a table.

    Raises:
        ValueError: neither a topic nor a claim is called so.
    """
    claims = select_claims(only)
    return Report(tuple(run(each) for each in claims if notebook in ("", each.notebook)))
