"""The messages that cross the bus: frozen dataclasses <-> JSON in UTF-8.

Payloads: facts/mqtt.md 5.  Every message carries ``v``; unknown fields are ignored, wrong ones raise
:class:`~rig.bus.errors.BadMessage` and nothing else.  Octets travel as lower-case hex, times as integer nanoseconds.

Must not live here: topics, or what a verb means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from rig.bus.errors import BadMessage

__all__ = [
    "BENCH",
    "CLAIM",
    "LARGEST",
    "REBIRTH",
    "RELEASE",
    "RENEW",
    "VERSION",
    "WITHDRAW",
    "Answer",
    "Caps",
    "ChannelState",
    "Command",
    "Context",
    "Event",
    "EventBatch",
    "Fault",
    "Holder",
    "Manifest",
    "Presence",
]

VERSION = 1
LARGEST = 4 << 20
"""The largest payload in octets that is looked at; a longer one is refused unread."""

BENCH = "bench"
"""The fault code of everything that is the bench's own failure; a controller makes INFRA of it."""

CLAIM, RENEW, RELEASE, REBIRTH = "lease-claim", "lease-renew", "lease-release", "rebirth"
WITHDRAW = "withdraw"
"""The verbs that every node knows.  They carry no number.  Rebirth: publish again whatever is retained (a broker may
have lost it, or never shown it).  Withdraw: the command with the id ``command`` is wanted no more; like a renewal it
counts at once, also while that command runs, and has no answer of its own."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_KINDS: dict[type, str] = {str: "text", int: "an integer", bool: "true or false", dict: "an object", list: "a list"}


def _load(payload: bytes, what: str) -> dict[str, Any]:
    """One JSON object of our version."""
    if len(payload) > LARGEST:
        raise BadMessage(what, f"{len(payload)} octets, at most {LARGEST} are read")
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as problem:
        raise BadMessage(what, f"not JSON ({type(problem).__name__}): {payload[:60]!r}") from None
    if not isinstance(found, dict):
        raise BadMessage(what, f"expected an object, got {type(found).__name__}")
    if found.get("v") != VERSION:
        raise BadMessage(what, f"expected version {VERSION}, got {found.get('v')!r}", "Run the same rig on all nodes.")
    return found


def _dump(what: str, body: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "backslashreplace")  # of a lone surrogate, and then it is JSON's escape
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadMessage(what, f"cannot be put into JSON: {problem}") from None


class _Fields:
    """Takes typed fields out of one JSON object."""

    def __init__(self, what: str, body: Mapping[str, Any]) -> None:
        self.what, self.body = what, body

    def _take(self, name: str, kind: type, default: Any) -> Any:
        value = self.body.get(name)
        if value is None:
            if default is ...:
                raise BadMessage(self.what, f"field {name!r} is missing")
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise BadMessage(self.what, f"field {name!r}: expected {_KINDS[kind]}, got {value!r:.60}")
        return value

    def text(self, name: str, default: str = ...) -> str:  # type: ignore[assignment]
        found: str = self._take(name, str, default)
        return found

    def number(self, name: str, default: int = ...) -> int:  # type: ignore[assignment]
        found: int = self._take(name, int, default)
        if found < 0:
            raise BadMessage(self.what, f"field {name!r}: expected 0 or more, got {found}")
        return found

    def mapping(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._take(name, dict, {})
        return found

    def numbers(self, name: str) -> dict[str, int]:
        found = self.mapping(name)
        for key, value in found.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise BadMessage(self.what, f"field {name!r}: {key!r} has no number but {value!r:.60}")
        return found

    def ident(self, name: str) -> str:
        found = self.text(name)
        if not _ID.match(found):
            raise BadMessage(self.what, f"field {name!r}: {found!r:.80} is no id", "Use 1 to 64 of A-Z a-z 0-9 _ -.")
        return found

    def seconds(self, name: str, default: float) -> float:
        value = self.body.get(name, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 1e9:
            raise BadMessage(self.what, f"field {name!r}: expected seconds above 0, got {value!r:.60}")
        return float(value)

    def one_of(self, name: str, choices: Sequence[str]) -> str:
        found = self.text(name)
        if found not in choices:
            raise BadMessage(self.what, f"field {name!r}: expected one of {', '.join(choices)}, got {found!r:.60}")
        return found


@dataclass(frozen=True, slots=True)
class Context:
    """To what something belongs; empty where it does not apply."""

    campaign: str = ""
    run: str = ""
    attempt: str = ""
    test: str = ""
    step: str = ""
    customer: str = ""

    def as_json(self) -> dict[str, str]:
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        take = _Fields("context", body)
        return cls(**{item.name: take.text(item.name, "") for item in fields(cls)})


@dataclass(frozen=True, slots=True)
class Command:
    """One order to one node.

    ``n`` counts the commands of a lease over all nodes, from 1; ``after`` is the number of the last one that the same
    executor is known to have decided; both 0 for the unnumbered ones (lease, rebirth).  ``ttl`` counts seconds from
    arrival at the node.  ``seen`` is the last event number without a gap that the sender has of each node: a repeated
    command is answered with every later event.
    """

    id: str
    re: str
    verb: str
    args: Mapping[str, Any] = field(default_factory=dict)
    ttl: float = 30.0
    lease: str = ""
    n: int = 0
    after: int = 0
    context: Context = Context()
    seen: Mapping[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        body = {"v": VERSION, "id": self.id, "re": self.re, "ttl": self.ttl, "lease": self.lease, "verb": self.verb}
        body |= {"args": dict(self.args), "n": self.n, "after": self.after, "context": self.context.as_json()}
        return _dump("command", body | {"seen": dict(self.seen)})

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        take = _Fields("command", _load(payload, "command"))
        n, after = take.number("n", 0), take.number("after", 0)
        if n and after >= n:
            raise BadMessage("command", f"number {n} cannot come after {after}")
        return cls(
            id=take.ident("id"),
            re=take.text("re"),
            verb=take.text("verb"),
            args=take.mapping("args"),
            ttl=take.seconds("ttl", 30.0),
            lease=take.text("lease", ""),
            n=n,
            after=after,
            context=Context.of(take.mapping("context")),
            seen=take.numbers("seen"),
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a command was not carried out: a code for programs, a message for people, and what to do next."""

    code: str
    message: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "advice": self.advice}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a node.

    ``seq`` counts the events of one node since ``boot`` from 1, ``order`` those of all nodes of its executor, ``at_ns``
    is the bench clock.
    """

    seq: int
    order: int
    boot: str
    node: str
    kind: str
    at_ns: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    context: Context = Context()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command.  ``watermark`` is the last event number of every node of the executor.

    ``st``: ok, error (it failed), refused (nothing was done), expired (its turn came too late), withdrawn (its sender
    gave it up; a command that lets time pass stopped where it was), busy (somebody else holds the bench).

    ``events`` is filled by the controller and does not cross the bus in this message.
    """

    STATES: ClassVar[tuple[str, ...]] = ("ok", "error", "expired", "withdrawn", "busy", "refused")

    id: str
    n: int
    st: str
    boot: str
    data: Mapping[str, Any] = field(default_factory=dict)
    err: Fault | None = None
    watermark: Mapping[str, int] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    def encode(self) -> bytes:
        body: dict[str, Any] = {"v": VERSION, "id": self.id, "n": self.n, "st": self.st, "data": dict(self.data)}
        body["err"] = self.err.as_json() if self.err else None
        return _dump("answer", body | {"boot": self.boot, "watermark": dict(self.watermark)})

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        take = _Fields("answer", _load(payload, "answer"))
        fault = take.mapping("err")
        why = _Fields("answer, err", fault)
        return cls(
            id=take.ident("id"),
            n=take.number("n", 0),
            st=take.one_of("st", cls.STATES),
            boot=take.text("boot"),
            data=take.mapping("data"),
            err=Fault(why.text("code"), why.text("message", ""), why.text("advice", "")) if fault else None,
            watermark=take.numbers("watermark"),
        )

    def with_events(self, events: Sequence[Event]) -> Self:
        return replace(self, events=tuple(events))


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one node in the order of their numbers, in one payload."""

    node: str
    boot: str
    events: tuple[Event, ...]

    def encode(self) -> bytes:
        rows = []
        for one in self.events:
            row = {"seq": one.seq, "order": one.order, "kind": one.kind, "at_ns": one.at_ns, "fields": dict(one.fields)}
            if context := one.context.as_json():
                row["context"] = context
            rows.append(row)
        return _dump("events", {"v": VERSION, "node": self.node, "boot": self.boot, "events": rows})

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """A batch; a message with a single event in its own fields is read as a batch of one."""
        body = _load(payload, "events")
        take = _Fields("events", body)
        node, boot = take.text("node"), take.text("boot")
        rows = body.get("events", [body])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadMessage("events", "field 'events': expected a list of objects")
        return cls(node, boot, tuple(_event(node, boot, _Fields("event", row)) for row in rows))


def _event(node: str, boot: str, take: _Fields) -> Event:
    return Event(
        seq=take.number("seq"),
        order=take.number("order"),
        boot=boot,
        node=node,
        kind=take.text("kind"),
        at_ns=take.number("at_ns"),
        fields=take.mapping("fields"),
        context=Context.of(take.mapping("context")),
    )


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a node is there.  ``boot`` names the life of its process, ``seq`` counts its words of presence in that
    life (0: the last will), ``executor`` names the process: nodes that share it share one order.

    ``starting`` and ``claimed`` are words between lives that want the same name (``rig.node.name_claim``), and nobody
    else's business.  ``owner`` says who started it, ``holder`` who holds its lease, for ``ttl`` more seconds; for
    people."""

    STATES: ClassVar[tuple[str, ...]] = ("online", "draining", "offline", "lost", "starting", "claimed")
    CLAIMS: ClassVar[tuple[str, ...]] = ("starting", "claimed")

    st: str
    boot: str
    seq: int = 0
    sw: str = ""
    executor: str = ""
    owner: str = ""
    holder: str = ""
    ttl: float = 10.0

    def encode(self) -> bytes:
        body = {"v": VERSION, "st": self.st, "boot": self.boot, "seq": self.seq, "sw": self.sw}
        body |= {"executor": self.executor, "owner": self.owner}
        return _dump("presence", body | {"holder": self.holder, "ttl": self.ttl})

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        take = _Fields("presence", _load(payload, "presence"))
        st = take.one_of("st", cls.STATES)
        return cls(
            st=st,
            boot=take.text("boot"),
            seq=take.number("seq", 0),
            sw=take.text("sw", ""),
            executor=take.text("executor", ""),
            owner=take.text("owner", ""),
            holder=take.text("holder", ""),
            ttl=take.seconds("ttl", 10.0),
        )


@dataclass(frozen=True, slots=True)
class Caps:
    """What a node can do: its verbs, and whatever else its part of the bench declares."""

    boot: str
    verbs: tuple[str, ...] = ()
    caps: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        body = {"v": VERSION, "boot": self.boot, "verbs": list(self.verbs), "caps": dict(self.caps)}
        return _dump("capabilities", body)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        body = _load(payload, "capabilities")
        take = _Fields("capabilities", body)
        verbs = body.get("verbs", [])
        if not isinstance(verbs, list) or not all(isinstance(verb, str) for verb in verbs):
            raise BadMessage("capabilities", "field 'verbs': expected a list of text")
        return cls(take.text("boot"), tuple(verbs), take.mapping("caps"))


@dataclass(frozen=True, slots=True)
class ChannelState:
    """The present value of one channel: ``ts`` civil time (ISO 8601, may be empty), ``mono_ns`` bench clock,
    ``q`` good, stale or sim."""

    STATES: ClassVar[tuple[str, ...]] = ("good", "stale", "sim")

    value: Any
    mono_ns: int
    seq: int
    boot: str
    q: str = "good"
    ts: str = ""

    def encode(self) -> bytes:
        body = {"v": VERSION, "ts": self.ts, "mono_ns": self.mono_ns, "seq": self.seq, "boot": self.boot}
        return _dump("channel state", body | {"value": self.value, "q": self.q})

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        body = _load(payload, "channel state")
        take = _Fields("channel state", body)
        if "value" not in body:
            raise BadMessage("channel state", "field 'value' is missing")
        stamp, seq = take.number("mono_ns"), take.number("seq")
        return cls(body["value"], stamp, seq, take.text("boot"), take.one_of("q", cls.STATES), take.text("ts", ""))


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where an evidence file is and what it must hash to; the file itself does not cross the bus in this message."""

    size: int
    sha256: str
    media_type: str
    url: str

    def encode(self) -> bytes:
        body = {"v": VERSION, "size": self.size, "sha256": self.sha256, "media_type": self.media_type}
        return _dump("manifest", body | {"url": self.url})

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        take = _Fields("manifest", _load(payload, "manifest"))
        digest = take.text("sha256")
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise BadMessage("manifest", f"field 'sha256': expected 64 hexadecimal digits, got {digest!r:.80}")
        return cls(take.number("size"), digest, take.text("media_type"), take.text("url"))


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the bench, for people and dashboards; the lease itself is kept by the executors.

    ``st`` is held, free or lost (the holder's last will); ``ttl`` is how many seconds the lease lasts unrenewed.
    """

    STATES: ClassVar[tuple[str, ...]] = ("held", "free", "lost")

    st: str
    holder: str
    ttl: float

    def encode(self) -> bytes:
        return _dump("lease", {"v": VERSION, "st": self.st, "holder": self.holder, "ttl": self.ttl})

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        take = _Fields("lease", _load(payload, "lease"))
        return cls(take.one_of("st", cls.STATES), take.text("holder"), take.seconds("ttl", 10.0))
