"""Anomaly detection: limits on how many commands a user may send, and on the values in them.

What goes beyond a limit is told with its reasons; holding it back is the caller's.  A volume limit that was reached
stays closed until somebody opens it again: a mass of valid commands is stopped after at most as many as the limit
allows, however long it goes on.

Must not live here: where commands come from and go to (the transform service), what a command says (``building``).

Source: mission SA-3, SA-8; the form of the limits is [our choice].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from devices.machines.core import MachineError
from devices.machines.parts.building import arguments_of
from devices.wire import utrn
from devices.wire.errors import WireError
from devices.wire.gbcs import Message

__all__ = ["TOP_UP", "AnomalyDetection", "Limits", "Observed", "ValueLimit", "VolumeLimit", "observe"]

TOP_UP: Final = "top-up amount in pence"
"""The name under which the amount of a prepayment token is held against value limits."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """Which commands a limit is for.  An empty set stands for all."""

    name: str
    requests: frozenset[str] = frozenset()
    users: frozenset[bytes] = frozenset()

    def covers(self, command: Observed) -> bool:
        """Whether the limit is for this command."""
        asked = not self.requests or not self.requests.isdisjoint(command.requests)
        return asked and (not self.users or command.user in self.users)


@dataclass(frozen=True, slots=True)
class VolumeLimit(_Scope):
    """At most ``most`` commands in any ``window_ns``, of each user apart or of all users together."""

    most: int = 0
    window_ns: int = 3_600_000_000_000
    each_user: bool = True
    latches: bool = True  # once reached it stays closed until it is opened; False: until the window has moved on


@dataclass(frozen=True, slots=True)
class ValueLimit(_Scope):
    """Values whose name contains ``value`` (in any case) lie between ``low`` and ``high``, both allowed; None: no such
    end."""

    value: str = ""
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits.  Their names must differ."""

    volumes: Sequence[VolumeLimit] = ()
    values: Sequence[ValueLimit] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What of a command is held against the limits.  ``values`` is None where they could not be read."""

    requests: frozenset[str]
    user: bytes
    values: Sequence[tuple[str, int]] | None = ()


def observe(message: Message, requests: frozenset[str], user: bytes) -> Observed:
    """Take from a command itself, not from what its user says of it, every number with its name."""
    try:
        return Observed(requests, user, tuple(_numbers("", arguments_of(message))))
    except (MachineError, WireError):
        return Observed(requests, user, None)


@dataclass(slots=True)
class _Count:
    """When commands went through, and whether the limit is closed."""

    times: list[int] = field(default_factory=list)
    closed: bool = False


class AnomalyDetection:
    """The limits of one broker, and how far they are used up.  Times are civil, in ns since 1970."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        names = [limit.name for limit in (*self.limits.volumes, *self.limits.values)]
        if len(set(names)) != len(names):
            raise ValueError(f"two limits have the same name: {', '.join(sorted(names))}; give each its own")
        self._counts: dict[str, _Count] = {}

    def judge(self, command: Observed, at: int) -> list[str]:
        """Why this command must be held back; empty where it may pass.  A limit that it is the first to exceed
        closes."""
        reasons = []
        for limit in self._volumes(command):
            count = self._count(limit, command, at)
            if len(count.times) >= limit.most or count.closed:
                count.closed = limit.latches
                reasons.append(f"{limit.name}: more than {limit.most} in {limit.window_ns // 1_000_000_000} s")
        for value_limit in self.limits.values:
            if value_limit.covers(command):
                reasons += _beyond(value_limit, command)
        return reasons

    def passed(self, command: Observed, at: int) -> None:
        """Count a command that goes on to its device."""
        for limit in self._volumes(command):
            self._count(limit, command, at).times.append(at)

    def open(self, name: str) -> None:
        """Open a closed limit again, for every user, and begin its count anew.  Raises :class:`MachineError`."""
        if name not in {limit.name for limit in self.limits.volumes}:
            known = ", ".join(limit.name for limit in self.limits.volumes) or "none"
            raise MachineError(f"expected the name of a volume limit ({known}), got {name!r}")
        for key in [key for key in self._counts if key.partition("/")[0] == name]:
            del self._counts[key]

    @property
    def closed(self) -> list[str]:
        """The limits that are closed, each with the user where it is one user's."""
        return sorted(key for key, count in self._counts.items() if count.closed)

    def as_json(self) -> dict[str, Any]:
        """JSON types, for what outlives a power cut."""
        return {key: [count.closed, *count.times] for key, count in self._counts.items()}

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take over what :meth:`as_json` gave."""
        self._counts = {key: _Count(list(times), closed) for key, (closed, *times) in (saved or {}).items()}

    def _volumes(self, command: Observed) -> list[VolumeLimit]:
        return [limit for limit in self.limits.volumes if limit.covers(command)]

    def _count(self, limit: VolumeLimit, command: Observed, at: int) -> _Count:
        """The count of what went through in the window that ends now.  Times after now (the clock went back) stay."""
        key = f"{limit.name}/{command.user.hex()}" if limit.each_user else limit.name
        count = self._counts.setdefault(key, _Count())
        count.times = [time for time in count.times if time > at - limit.window_ns]
        return count


def _beyond(limit: ValueLimit, command: Observed) -> Iterator[str]:
    if command.values is None:
        yield f"{limit.name}: the values of the command cannot be read"
        return
    for name, number in command.values:
        too_low = limit.low is not None and number < limit.low
        if limit.value.lower() in name.lower() and (too_low or (limit.high is not None and number > limit.high)):
            low, high = ("any" if end is None else end for end in (limit.low, limit.high))
            yield f"{limit.name}: {name} is {number}, allowed from {low} to {high}"


def _numbers(name: str, value: Any) -> Iterator[tuple[str, int]]:
    """Every number in named arguments, under its name; elements of a list share one.  A prepayment token counts with
    the amount that it carries."""
    if isinstance(value, Mapping):
        for inner, element in value.items():
            yield from _numbers(f"{name} / {inner}" if name else str(inner), element)
    elif isinstance(value, (list, tuple)):
        for element in value:
            yield from _numbers(name, element)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, value
    elif isinstance(value, str):
        amount = _amount(value)
        if amount is not None:
            yield TOP_UP, amount


def _amount(text: str) -> int | None:
    """The pence of a prepayment token, written plainly or as the hexadecimal of its digits; None for other texts."""
    if len(text) == 2 * utrn.DIGITS and text[::2] == "3" * utrn.DIGITS:
        text = text[1::2]
    try:
        token = utrn.decode(text)
    except WireError:
        return None
    return token.value * (100 if token.value_class == utrn.ValueClass.WHOLE else 1)
