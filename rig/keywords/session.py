"""The session of a Robot run with its bench: the events that were seen, and how to wait for more.

Every library of this room works through the one :class:`Session`; nothing here connects before a keyword asks for it.

    Unmet(AssertionError)     the device or the contact did not do what the test expects: a FAIL
    Misused(ValueError)       a keyword was called wrongly: a FAIL that says how to call it (``connection``)
    (SkipExecution "INFRA:")  the bench broke: never a failure of the device

Must not live here: what a keyword means.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from robot.api import SkipExecution, logger
from robot.libraries.BuiltIn import BuiltIn

from devices.events import Event as Told
from devices.events.bench import BenchStalled, LinkSwitched, SendingFailed
from devices.events.commands import CommandRefused
from devices.events.hub import FirewallDropped, HubQueued, HubUnroutable
from devices.events.messages import MessageReceived
from devices.events.parties import BrokerRefused, PartyReceived
from devices.events.terminals import JobInterrupted
from devices.events.tunnels import TransferBroken, TransferDropped, TunnelGivenUp
from devices.wire import eui64
from rig.bus.errors import BusError
from rig.bus.messages import Answer, Context, Event
from rig.evidence import bench_times
from rig.evidence.judging import Outcome
from rig.keywords import lines
from rig.keywords.allowance import Allowance, allowance
from rig.keywords.connection import Connection, Misused, allowance_s
from rig.keywords.judge import Unmet, judge
from rig.keywords.matching import Matcher, nanoseconds, spoken
from rig.keywords.silence import Asked, Loaded, blame, sound

__all__ = ["Matcher", "Misused", "Session", "Unmet", "nanoseconds", "session"]

OBSTACLES: tuple[type[Told], ...] = (
    CommandRefused,
    LinkSwitched,
    SendingFailed,
    HubUnroutable,
    HubQueued,
    TransferBroken,
    TransferDropped,
    TunnelGivenUp,
    FirewallDropped,
    BrokerRefused,
    JobInterrupted,
)
ALERT = 3
"""The CRA flag of an alert."""
DESCRIBE = "bench.describe"
PRESS = "operator.press"
FRAMING = (DESCRIBE, "bench.reset", "bench.state", "evidence.open", "evidence.close")
"""Verbs that prepare or end a test instead of being part of it."""
CHANGING = ("wan.set", "air.reach", "air.cut_after", "supply.switch")
"""Verbs that change by which roads, and whether at all, a device can be heard."""


class Session:
    """One run's conversation with one bench."""

    def __init__(self) -> None:
        self._connection = Connection()
        self._broken = ""
        self._known = False
        """Whether this life of the bench was asked what it consists of; a keyword may be ended before it was."""
        self._names: dict[str, str] = {}
        self._order = 0
        self._times: dict[int, int] = {}
        self._unstamped: int | None = None
        """The mark that was taken last, while the bench has told no time since."""
        self.clock = "virtual"
        """Whether bench time passes by itself (real) or by command (virtual)."""
        self.longest_s = 0.0
        """How long a test may keep the bench on a real clock, s."""
        self.devices: dict[str, dict[str, Any]] = {}
        self.capabilities: frozenset[str] = frozenset()
        self.events: list[Event] = []
        self.now = 0
        self.test, self.full_name = "", ""
        """The test whose premises these are: its name, and that with its suites', which no other test has."""
        self.evidence = ""
        self.prepared = ""
        self.begun = 0
        self.files: list[dict[str, Any]] = []
        """The evidence of the test, as its manifest says: name in the results folder, size, SHA-256."""
        self.absent: dict[str, str] = {}
        """The captures that are not there, each with the reason."""
        self.described: Mapping[str, Any] = {}
        self.before: Mapping[str, Any] = {}
        self.after: Mapping[str, Any] = {}
        """What was sensed of each device before the test and after it."""
        self.unasked: tuple[dict[str, Any], ...] = ()
        """The alerts that the test, now over, had not asked for, as its record has them."""
        judge().clock = lambda: self.now
        self.action = 0
        """The last event before the latest thing that the test did; waits count from there unless told otherwise."""
        self.asked: Asked | None = None
        """The command that was the latest thing that the test did; None where it did something else."""
        self.earlier: dict[str, Asked] = {}
        """The latest command of this test for each device before that, by EUI-64 in hex, that went out."""
        self.scanned: dict[str, int] = {}
        """The last event before the latest scan, by terminal."""
        self.flows: dict[str, tuple[int, int]] = {}
        """How much gas the test lets flow, by meter, and the last event before; none flows once an emulated meter has
        started anew."""
        self.changed = 0
        """The last event before links, radios or supplies were last changed: what was carried before shows nothing."""
        self.out_of_reach: set[str] = set()
        """The devices whose radios this test has carried out of reach."""
        self.loaded: dict[str, Loaded] = {}
        """The commands in a terminal, by name."""
        self.admitted: dict[str, Asked] = {}
        """The latest command by which a hub was told to let a device in, by the EUI-64 of the device in hex."""
        self.claimed: set[int] = set()
        """The alerts that this test has asked for, by order number."""

    # ------------------------------------------------------------------------------------------------------ the bus

    def connect(self) -> None:
        """Take the lease of the bench, and ask what it consists of; nothing where that is done already."""
        if self._connection.open and self._known:
            return
        try:
            self._connection.claim()
        except BusError as problem:
            self._infra(problem)
        self._begin_anew()

    def watch(self, gone: Callable[[], str]) -> None:
        """Know from ``gone`` what part of the bench has ended and will not come back (empty: none)."""
        self._connection.gone = gone

    def mend(self) -> None:
        """Begin anew with the bench where something broke in an earlier test: that test is INFRA, and the next need not
        be.  Skips this one too, as INFRA, where the bench cannot be had."""
        if not self._broken:
            self.connect()
            return
        if not self._connection.gone():
            logger.warn(f"The bench broke in an earlier test ({self._broken}); it is claimed anew.")
        self._known = False
        try:
            self._connection.claim_anew()
        except BusError as problem:  # what broke first stays what is told, however many tests come to nothing after it
            raise SkipExecution(f"INFRA: {problem} (after the bench broke earlier: {self._broken})") from None
        self._broken = ""
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._order, self._unstamped = 0, None
        self._times.clear()
        self.events.clear()
        self.describe()
        self._known = True

    def describe(self) -> None:
        """Ask the bench what it consists of."""
        told = self.described = self.call(DESCRIBE)
        judge().of_bench(told)
        self.devices = told["devices"]
        self._names = chart_names(self.devices)
        self.capabilities = frozenset(told["capabilities"])
        self.clock, self.longest_s = told["clock"], told["longest_test_ns"] / 1e9
        self._order = max(self._order, int(told["order"]))

    def close(self) -> None:
        """Give the lease back and leave the bus."""
        self._known = False
        self._connection.close()

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        """Run one numbered command at the node of ``device`` (without one: at the bench) and return its data.

        Raises :class:`Misused` when the bench refuses the command; skips the test as INFRA when the bench broke.
        """
        answer = self._answer(verb, device, args)
        if answer.st in ("refused", "error") and answer.err is not None:
            if answer.err.code == "bench":
                self._infra(f"the bench failed in {verb}: {answer.err.message}. {answer.err.advice}")
            raise Misused(f"{answer.err.message} {answer.err.advice}".strip())
        if answer.st != "ok":
            self._infra(f"{verb} was answered {answer.st}: {answer.err.message if answer.err else 'no reason given'}")
        return answer.data

    def act(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        """As :meth:`call`, for what a test does as opposed to what it looks at: waits count from here."""
        self.begin_action(verb)
        return self.call(verb, device=device, **args)

    def start_test(self) -> None:
        """A test begins: what is known of the one before is not its own, be it of the same name."""
        self.full_name = self.prepared = self.evidence = ""
        self.events.clear()
        self.files, self.absent, self.before, self.after, self.unasked = [], {}, {}, {}, ()

    def begin_action(self, cause: str = "") -> None:
        """The test does something now: ``cause`` is the use case that it sends, or the verb, for what is expected after
        it."""
        if self.asked is not None and self.asked.out:  # one that was only handed out has led to nothing yet
            self.earlier[self.asked.recipient] = self.asked
        self.action, self.asked = self.mark, None
        judge().cause = cause

    def name_test(self) -> None:
        """Know which test runs now."""
        self.test, self.full_name = running_test()

    def begin_test(self) -> None:
        """The premises are as the test needs them; what comes now is the test itself."""
        self.begin_action()
        self.earlier.clear()
        self.begun = self.mark

    def begin_premises(self, before: int) -> None:
        """The premises were made anew after the event ``before``: what came until then is no part of this test."""
        self.events[:] = [event for event in self.events if event.order > before]
        self.changed = before
        self.prepared = self.full_name
        self.loaded.clear()
        self.admitted.clear()
        self.out_of_reach.clear()
        self.claimed.clear()
        self.flows.clear()
        self.scanned.clear()
        self.describe()

    def since(self, given: int | None) -> int:
        """From which event a wait counts: from ``given``, else from the latest thing that the test did."""
        return self.action if given is None else given

    def ask(self, device: str, verb: str, /, **args: Any) -> Mapping[str, Any]:
        """Put a request to the machine of ``device`` (operator of a terminal, user of a party)."""
        self._need_premises()
        self.told(device)
        return self.call("device.ask", device=device, request=verb, values=args)

    def _need_premises(self) -> None:
        """Keywords work on the premises of their own test."""
        if not self.prepared or self.prepared != running_test()[1]:
            raise Misused(
                "no premises are prepared for this test; begin it with "
                "[Setup]    Prepare Premises    needs=...    leaves=..."
            )

    def _answer(self, verb: str, device: str, args: Mapping[str, Any]) -> Answer:
        if verb not in FRAMING:
            self._need_premises()
        if verb in CHANGING:
            self.changed = self.last
        if verb == "air.reach":
            (self.out_of_reach.discard if args["in_reach"] else self.out_of_reach.add)(device)
        elif verb == "air.cut_after":
            self.out_of_reach.add(device)
        if self._broken:
            raise SkipExecution(f"INFRA: not run, since the bench broke earlier: {self._broken}")
        if verb != DESCRIBE:  # which is part of connecting
            self.connect()
        node = str(self.devices[device]["node"]) if device in self.devices else ""
        sent = {**args, "device": device} if device else dict(args)
        try:
            answer = self._connection.call(node, verb, sent, allowance_s(args, self.clock), Context(test=self.test))
        except BusError as problem:
            self._infra(problem)
        self._take_in(answer)
        self._stamp(verb)
        return answer

    def _stamp(self, verb: str) -> None:
        """What was known of the time when a mark was taken is as old as the answer before it, and a person's dialog or
        a sleep of Robot's may lie between.  So the first answer after it says when it was taken; one that let time pass
        does not."""
        mark, self._unstamped = self._unstamped, None
        if mark is not None and verb != "clock.advance":
            self._times[mark] = self.now

    def _take_in(self, answer: Answer) -> None:
        for event in answer.events:
            self.events.append(event)
            self._order = max(self._order, event.order)
            self.now = max(self.now, event.at_ns)
            _log(event, self._names)
        self.now = int(answer.data.get("now", self.now))

    def _infra(self, problem: object) -> NoReturn:
        self._broken = str(problem)
        raise SkipExecution(f"INFRA: {problem}")

    # -------------------------------------------------------------------------------------------------------- events

    @property
    def last(self) -> int:
        """The order number of the last event seen."""
        return self._order

    @property
    def mark(self) -> int:
        """As :attr:`last`, where something begins: waits count from a mark, and times from when it was last taken, for
        many a quiet minute may pass without an event."""
        self._times[self._order] = self.now
        self._unstamped = self._order
        return self._order

    def asked_of(self, device: str) -> Asked | None:
        """The command that was the latest thing that the test did, where it was for this device."""
        return self.asked if self.asked is not None and self.asked.recipient == self.eui(device) else None

    def led_to(self, device: str) -> Asked | None:
        """The command that a device acts on now: the latest thing that the test did; or the one before it, where that
        was pressing a button of a device that had to be made ready."""
        pressed = judge().cause == PRESS
        return self.asked_of(device) or (self.earlier.get(self.eui(device)) if pressed else None)

    def cause_ends(self) -> None:
        """What the test did took time itself; how long a device takes counts from here."""
        self._times[self.action], self._unstamped = self.now, None

    def time_of(self, mark: int) -> int:
        """The bench time, ns, at which a mark was taken."""
        if mark in self._times:
            return self._times[mark]
        return max((event.at_ns for event in self.events if event.order <= mark), default=self.now)

    def find(self, wanted: Matcher, since: int) -> Event | None:
        """The first event after ``since`` that fits, among those seen."""
        return next((event for event in self.events if event.order > since and wanted.fits(event)), None)

    def wait(self, wanted: Matcher, within: timedelta, since: int) -> Event | None:
        """The first event after ``since`` that fits, waiting up to ``within`` of bench time; None when none came.

        What was seen is looked through here, and what happened since then by the bench before it lets time pass: on a
        real clock, too, no event is missed for having come a moment before.
        """
        found, begun = self.find(wanted, since), self.now
        if found is None:
            self.call("clock.advance", span_ns=nanoseconds(within), until=wanted.as_json(), since=self._order)
            found = self.find(wanted, since)
        if found is None and (stalled := self.stalled_s(begun)):
            raise SkipExecution(
                f"INFRA: waited {within.total_seconds():g} s for {wanted}, and the bench itself was held up for "
                f"{stalled:.1f} s of them. Is its machine too busy?"
            )
        return found

    def stalled_s(self, begun: int) -> float:
        """For how long, s, the bench was held up since the bench time ``begun``, so that nothing was seen in time."""
        spans = (e.fields["span_ns"] for e in self.events if e.kind == BenchStalled.kind and e.at_ns >= begun)
        return float(sum(spans)) / 1e9

    def pass_time(self, span: timedelta) -> None:
        """Let so much bench time pass, whatever happens.  Skips the test where that would keep a bench on a real clock
        for longer than its bench file allows: nobody need have recorded how long the test takes."""
        self.check_slow(self.now / 1e9 + span.total_seconds())
        self.call("clock.advance", span_ns=nanoseconds(span), until=None)

    def check_slow(self, seconds: float) -> None:
        """Skip the test where it takes ``seconds`` of bench time and a bench on a real clock allows it less."""
        if self.clock != "real" or seconds <= self.longest_s:
            return
        BuiltIn().set_tags("slow")
        raise SkipExecution(
            f"SKIPPED: slow: it takes {bench_times.spoken(seconds)} on a real clock, and this bench allows a test "
            f"{bench_times.spoken(self.longest_s)} (longest_test in the bench file)"
        )

    def expect(
        self,
        wanted: Matcher,
        allowed: Allowance,
        since: int,
        *,
        within: timedelta | None = None,
        asked: Asked | None = None,
        hears: str = "",
        needs: Sequence[str] = (),
    ) -> Event:
        """The first event after ``since`` that fits, within the time that a device is ``allowed`` and some more, or
        ``within`` the time that a test gives it.

        No event is a failure of that device where it is shown to be the silent one (:mod:`rig.keywords.silence`), and
        INFRA otherwise; ``asked`` is the command that it should have taken, ``hears`` the party that it should have
        told of its own accord, ``needs`` the devices that must be up and in reach for it.  An event that came later
        than was declared is a finding of its own.
        """
        span = allowed.patience if within is None else within
        found = self.wait(wanted, span, since)
        if found is None:
            failure = self.unseen(wanted, span, since)
            sound(self, failure, *needs)
            code = wanted.fields.get("alert")
            blame(self, allowed.device, asked, failure, hears=hears, since=since, alert=code)
        self.timed(allowed, found, since)
        return found

    def unseen(self, wanted: Matcher, span: timedelta, since: int) -> Unmet:
        """The failure that says what was seen instead of what was waited for."""
        near = [event for event in self.events if event.order > since and event.kind == wanted.event.kind]
        seen = "; ".join(lines.words(event, self._names) for event in near[-4:]) or "none"
        return self.unmet(f"{wanted} within {span.total_seconds():g} s", seen + self.obstacles(since))

    def timed(self, allowed: Allowance, event: Event, since: int) -> None:
        """Hold the time that a device took against what was declared of it."""
        begun = self.time_of(since)
        self.timed_span(allowed, event.at_ns - begun, begun)

    def timed_span(self, allowed: Allowance, took_ns: int, begun: int) -> None:
        """As :meth:`timed`, of a time in ns that was measured already, from the bench time ``begun`` on.  Where the
        bench itself was held up meanwhile, nobody knows how long the device took."""
        finding = allowed.held_against(timedelta(microseconds=took_ns // 1000), self.now)
        if finding is not None and (stalled := self.stalled_s(begun)):
            what = f"{finding.what}; the bench itself was held up for {stalled:.1f} s meanwhile"
            finding = replace(finding, what=what, outcome=Outcome.INCONCLUSIVE)
        if finding is not None:
            judge().noted(finding)
            logger.warn(str(finding))

    def takes(self, device: str, *what: str) -> Allowance:
        """What a device may take for these things together."""
        return allowance(device, self.told(device), *what)

    def obstacles(self, since: int) -> str:
        """What happened meanwhile that may be why: links that are cut, refusals, transfers that broke off."""
        hindering = {cls.kind for cls in OBSTACLES}
        told = [
            lines.words(e, self._names)
            for e in self.events
            if e.order > since and e.kind in hindering and not (e.kind == LinkSwitched.kind and e.fields["up"])
        ]
        return f"; meanwhile: {'; '.join(told[-3:])}" if told else ""

    def unmet(self, expected: object, got: object) -> Unmet:
        """The failure: expected, got, at which bench time, and where the evidence lies."""
        where = f"; evidence in {self.evidence}" if self.evidence else ""
        return Unmet(f"expected {spoken(expected)}, got {spoken(got)} (bench time {self.now / 1e9:.6f} s{where})")

    def tell_nothing_came(self, what: str, begun: int, tap: str, over: int | None = None) -> None:
        """Say in the log over which time, ns, and on which tap nothing came; ``over``: left out, until now.

        Skips the test as INFRA where the bench was held up meanwhile: what came then may not have been seen yet."""
        end = self.now if over is None else over
        if stalled := self.stalled_s(begun):
            raise SkipExecution(
                f"INFRA: no {what} was seen, and the bench itself was held up for {stalled:.1f} s meanwhile. Is its "
                f"machine too busy?"
            )
        logger.info(f"No {what} from {begun / 1e9:.6f} s to {end / 1e9:.6f} s; looked at: {tap}.")

    def words(self, event: Event) -> str:
        """An event in a line of text."""
        return lines.words(event, self._names)

    # ------------------------------------------------------------------------------------------------------- devices

    def told(self, device: str) -> dict[str, Any]:
        """What the bench tells of a device.  Raises :class:`Misused` where it has none of that name."""
        if device not in self.devices:
            raise Misused(f"no device {device!r} on this bench; it has {', '.join(self.devices)}")
        return self.devices[device]

    def told_of(self, device: str) -> dict[str, Any]:
        """As :meth:`told`; empty where the bench has no device of that name."""
        return self.devices.get(device, {})

    def kind_of(self, device: str) -> str:
        return str(self.told_of(device).get("kind", ""))

    def eui(self, device: str) -> str:
        """The EUI-64 of a device in hex."""
        return str(self.told(device)["eui"])

    def printed(self, eui: str) -> str:
        """An EUI-64 in hex as it is printed on devices and told by taps."""
        return eui64.text(bytes.fromhex(eui))

    def hub_of(self, device: str) -> str:
        """The hub that a device is behind; the device itself where it is a hub or has a line of its own."""
        return str(self.told(device).get("behind") or device)

    def of_kind(self, kind: str) -> str:
        """The first device of a kind.  Raises :class:`Misused` where there is none."""
        for name, told in self.devices.items():
            if told["kind"] == kind:
                return name
        raise Misused(f"this bench has no {kind}; it has {', '.join(self.devices)}")

    def device_with(self, eui: str) -> str:
        """The device name behind a printed EUI-64; the EUI itself when the bench has no such device."""
        plain = eui.replace("-", "").lower()
        return next((name for name, told in self.devices.items() if told["eui"] == plain), eui)

    # -------------------------------------------------------------------------------------------------------- alerts

    def unasked_alerts(self) -> tuple[dict[str, Any], ...]:
        """The alerts that came to parties in this test and that it has not asked for: ``code``, ``use_case`` of the
        message, ``device``, ``party`` and ``at_ns`` (bench time)."""
        crossed = {e.fields["octets"]: e for e in self.events if e.kind == MessageReceived.kind}
        return tuple(
            {
                "code": f"0x{event.fields['alert'] or 0:04X}",
                "use_case": _use_case(event, crossed),
                "device": self.device_with(str(event.fields["from"])),
                "party": str(event.fields["device"]),
                "at_ns": event.at_ns,
            }
            for event in self.events
            if event.kind == PartyReceived.kind and event.fields["cra"] == ALERT and event.order not in self.claimed
        )


def _use_case(alert: Event, crossed: Mapping[str, Event]) -> str:
    """The use case of an alert's message, as the tap where it crossed has it; its message code where none has."""
    tapped = crossed.get(alert.fields["octets"])
    code = f"0x{alert.fields['message_code']:04X}"
    return code if tapped is None else str(tapped.fields.get("use_case", code))


def _log(event: Event, names: Mapping[str, str]) -> None:
    """One line a tapped event in the Robot log, under the keyword that caused it."""
    if lines.shown(event):
        logger.info(lines.html_line(event, names), html=True)
    else:
        logger.debug(lines.words(event, names))


_SESSION = Session()


def session() -> Session:
    """The session of this run."""
    return _SESSION


def running_test() -> tuple[str, str]:
    """The name of the test that runs, and its full one; both empty outside of a test."""
    suite, test = (str(BuiltIn().get_variable_value(f"${{{what} NAME}}") or "") for what in ("SUITE", "TEST"))
    return test, f"{suite}.{test}" if test else ""


def chart_names(devices: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Device names by EUI-64 in hex, for charts."""
    return {str(told["eui"]): name for name, told in devices.items()}


def as_timeline(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Events as the objects of the time line."""
    return [{"order": e.order, "at_ns": e.at_ns, "node": e.node, "kind": e.kind, "fields": e.fields} for e in events]


def evidence_folder() -> Path | None:
    """Where this run keeps its evidence; None outside `rig run`."""
    folder = os.environ.get("RIG_EVIDENCE")
    return Path(folder) if folder else None
