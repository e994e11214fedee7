"""What a claim is, and the one list of them.

A claim is written once: a function that performs its experiment in a `Lab` and reports findings,
under the `claim` decorator, which says what study notes claim, what Linux was seen to do, and where
to read on. The tests, `epollkit semantics` and the notebooks all read this list.
"""

import enum
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from epollkit.semantics._lab import Lab

__all__ = ["CLAIMS", "TOPICS", "Claim", "Verdict", "claim"]

Experiment = TypeVar("Experiment", bound="Callable[[Lab], None]")

TOPICS: Final = (
    "creation",
    "connect",
    "accept",
    "transfer",
    "close",
    "descriptors",
    "select",
    "poll",
    "epoll",
)
"""What claims are about, in the order in which they are shown."""


class Verdict(enum.Enum):
    """What an experiment says of a claim."""

    TRUE = "true"
    CONDITION = "true with a condition"
    """It held in some of the cases and not in others."""
    FALSE = "false"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about the kernel, and the experiment that decides it."""

    name: str
    """An identifier, unique: the experiment's name."""
    topic: str
    """One of `TOPICS`."""
    text: str
    """What is claimed, in the words of those who claim it."""
    verdict: Verdict
    """What Linux 6.18 was seen to say. An experiment's own verdict may differ on another kernel."""
    truth: str
    """The condition of a conditional claim, or what is true instead of a false one. Else empty."""
    man: tuple[str, ...]
    """The pages that say so: "epoll(7)", "RFC 9293"."""
    notebook: str
    """The number of the notebook that shows it: "04"."""
    about: str
    """What the experiment does and why it answers so: the function's docstring."""
    experiment: "Callable[[Lab], None]" = field(repr=False, compare=False)


CLAIMS: Final[dict[str, Claim]] = {}
"""Every claim by its name, in the order of its definition. `epollkit.semantics` fills it."""


def claim(
    text: str, *, topic: str, verdict: Verdict, truth: str = "", man: str, notebook: str
) -> Callable[[Experiment], Experiment]:
    """Enter an experiment into the list.

    Args:
        text: what is claimed.
        topic: one of `TOPICS`.
        verdict: what Linux 6.18 was seen to say.
        truth: the condition, or what is true instead; needed unless the verdict is TRUE.
        man: pages, separated by commas.
        notebook: the number of the notebook that shows it.

    Raises:
        ValueError: an unknown topic, a name that is taken, a verdict without its `truth`, or an
            experiment without a docstring.
    """

    def enter(experiment: Experiment) -> Experiment:
        name = experiment.__name__
        about = inspect.getdoc(experiment)
        if topic not in TOPICS:
            raise ValueError(f"{name}: no topic {topic!r}; topics: {', '.join(TOPICS)}")
        if name in CLAIMS:
            raise ValueError(f"{name}: the name is taken by: {CLAIMS[name].text}")
        if (verdict is Verdict.TRUE) == bool(truth):
            raise ValueError(
                f"{name}: a truth is for claims that are not simply true, and only them"
            )
        if not about:
            raise ValueError(f"{name}: its docstring must say what the experiment does")
        pages = tuple(page.strip() for page in man.split(","))
        CLAIMS[name] = Claim(name, topic, text, verdict, truth, pages, notebook, about, experiment)
        return experiment

    return enter
