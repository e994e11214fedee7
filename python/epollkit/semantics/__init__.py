"""What people claim about sockets, select, poll and epoll, decided on the kernel in hand.

    >>> from epollkit import semantics
    >>> outcome = semantics.run("edge_reports_only_changes")
    >>> outcome.verdict
    <Verdict.TRUE: 'true'>

Every claim has an experiment that anyone can repeat: `run` performs one, `epollkit semantics` all
of them. An experiment reports findings, each of which speaks for the claim, against it, or aside;
the verdict follows from them, so that another kernel may give another one.
"""

import importlib
import pkgutil

from epollkit.semantics import _claims
from epollkit.semantics._lab import Lab
from epollkit.semantics._outcome import Bearing, Finding, NotShownHere, Outcome
from epollkit.semantics._registry import CLAIMS, TOPICS, Claim, Verdict
from epollkit.semantics._report import Report, as_data
from epollkit.semantics._run import run, run_all, select_claims
from epollkit.semantics._words import link, verdict_in_words

__all__ = [
    "CLAIMS",
    "TOPICS",
    "Bearing",
    "Claim",
    "Finding",
    "Lab",
    "NotShownHere",
    "Outcome",
    "Report",
    "Verdict",
    "as_data",
    "link",
    "run",
    "run_all",
    "select_claims",
    "verdict_in_words",
]

for _module in pkgutil.iter_modules(_claims.__path__):
    importlib.import_module(f"{_claims.__name__}.{_module.name}")
