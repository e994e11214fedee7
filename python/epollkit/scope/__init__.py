"""The readiness oscilloscope: record an experiment with sockets and sets, and look at it.

`Scope` records, `Trace` is what was recorded and draws itself: as text in a terminal, as SVG in
Jupyter, as JSON, and as a trace for Chrome and Perfetto.
"""

from epollkit.scope._extension import load_ipython_extension, unload_ipython_extension
from epollkit.scope._scope import Scope
from epollkit.scope._text import legend
from epollkit.scope._trace import Call, Look, Mark, MarkKind, Mistake, Probe, Source, Tick, Trace

__all__ = [
    "Call",
    "Look",
    "Mark",
    "MarkKind",
    "Mistake",
    "Probe",
    "Scope",
    "Source",
    "Tick",
    "Trace",
    "legend",
    "load_ipython_extension",
    "unload_ipython_extension",
]
