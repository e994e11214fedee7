"""Which sources the sets of an experiment ask for, and what each call on a set means for them."""

import selectors
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from epollkit._flags import EventFlags
from epollkit.scope._look import number_of
from epollkit.scope._trace import Mark, MarkKind, Probe

__all__ = ["Registrations", "events_of"]

_DEFAULT_MASK: Final = EventFlags.IN | EventFlags.PRI | EventFlags.OUT


class Registrations:
    """The probes of every set, kept up from the calls that are made on it.

    Args:
        name_of: the name of a source; None for what is not watched, which makes no probe.
    """

    def __init__(self, name_of: Callable[[Any], str | None]) -> None:
        self._name_of = name_of
        self._sets: dict[str, dict[int, str]] = {}
        """By set: the probe that each registered number belongs to."""
        self._probes: dict[str, Probe] = {}

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Every probe there ever was, in the order of its first registration."""
        return tuple(self._probes.values())

    def __contains__(self, name: str) -> bool:
        """Whether something was ever registered in the set of this name."""
        return name in self._sets

    def after(
        self, name: str, call: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> dict[str, Mark]:
        """What register, modify, rearm or unregister on a set meant for its probes."""
        if not arguments:
            return {}
        source = arguments[0]
        mask = arguments[1] if len(arguments) > 1 else keywords.get("eventmask", _DEFAULT_MASK)
        if call in ("register", "modify"):
            return self.register(name, source, mask)
        probe = self._sets.get(name, {}).get(number_of(source))
        if probe is None:
            return {}
        if call == "unregister":
            del self._sets[name][number_of(source)]
            return {probe: Mark(MarkKind.REMOVED)}
        return {probe: Mark(MarkKind.ARMED, self._probes[probe].mask)} if call == "rearm" else {}

    def register(self, name: str, source: Any, mask: int) -> dict[str, Mark]:  # noqa: ANN401
        """A registration, new or modified, becomes a probe if its source is watched."""
        watched = self._name_of(source)
        if watched is None:
            return {}
        again = (each.name for each in self.probes if (each.set, each.source) == (name, watched))
        fresh = name if name not in self._probes else f"{name} {watched}"
        probe = next(again, fresh)
        flags = EventFlags(mask)
        self._sets.setdefault(name, {})[number_of(source)] = probe
        self._probes[probe] = Probe(probe, name, watched, flags)
        return {probe: Mark(MarkKind.ARMED, flags)}

    def rearmed(self, name: str) -> dict[str, Mark]:
        """All of a set's registrations were modified with the masks that they have."""
        probes = self._sets.get(name, {}).values()
        return {probe: Mark(MarkKind.ARMED, self._probes[probe].mask) for probe in probes}

    def numbers(self, name: str) -> tuple[int, ...]:
        """The descriptors that are registered in a set."""
        return tuple(self._sets.get(name, ()))

    def told(self, name: str, result: Iterable[Any]) -> dict[str, Mark]:
        """What each probe of a set was told by a wait with this result."""
        registered = self._sets.get(name, {})
        marks = {probe: Mark(MarkKind.EMPTY) for probe in registered.values()}
        for number, flags in events_of(result):
            if number in registered:
                marks[registered[number]] = Mark(MarkKind.DELIVERED, flags)
        return marks


def events_of(result: Iterable[Any]) -> list[tuple[int, EventFlags]]:
    """What a wait returned, as numbers and flags, whichever kind of set it was."""
    return list(map(_number_and_flags, result))


_OF_SELECTORS: Final = {selectors.EVENT_READ: EventFlags.IN, selectors.EVENT_WRITE: EventFlags.OUT}


def _number_and_flags(event: Any) -> tuple[int, EventFlags]:  # noqa: ANN401 - what a set gave
    """An event as `Epoll.wait`, `poll`, and a selector's `select` give it."""
    if not issubclass(type(event), tuple):
        return event.fd, event.flags
    source, bits = event
    if type(source) is int:
        return source, EventFlags(bits)
    flags = EventFlags(0)
    for bit, flag in _OF_SELECTORS.items():
        flags |= flag if bits & bit else EventFlags(0)
    return source.fd, flags
