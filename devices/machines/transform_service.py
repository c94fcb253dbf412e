"""The transform service of the broker: service requests in, pre-commands out, signed ones in, answers matched.

A user asks by number or name.  What is critical comes back as the pre-command to sign, and what is signed must be what
was transformed; the rest goes on at once.  Everything is held against the anomaly limits, written into the audit trail
before it has an effect, and waited for no longer than set.  Schedules put requests of their own.

It is a part of the broker's machine: the broker asks it (:meth:`TransformService.asked`,
:meth:`~TransformService.submitted`, :meth:`~TransformService.returned`, :meth:`~TransformService.fired`) and carries
out what is :class:`Ready`.

Must not live here: MACs and delivery (``access_control_broker``), how a request becomes a command
(``parts.transforming``).

Source: facts/gbcs.md 1.4, 5.7 [2 sources], 11 no. 23; mission SA-2 to SA-6, DG-1 to DG-3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from devices.events import Event, fields
from devices.events.service import (
    LimitOpened,
    RequestAnswered,
    RequestEvent,
    RequestOverdue,
    RequestQuarantined,
    RequestRejected,
    RequestReleased,
    RequestRequested,
    RequestSent,
    ScheduleAdded,
    ScheduleFailed,
    ScheduleRemoved,
    ServiceAlert,
    ServiceClosed,
    UnexpectedResponse,
)
from devices.machines.core import Answer, MachineError, Persist, Record, SetTimer, StopTimer
from devices.machines.parts.anomaly_detection import AnomalyDetection, observe
from devices.machines.parts.asked import eui_argument
from devices.machines.parts.audit_trail import AuditError, AuditTrail
from devices.machines.parts.building import arguments
from devices.machines.parts.civil_clock import CivilClock
from devices.machines.parts.schedules import Due, Schedule, Schedules, filled
from devices.machines.parts.service_ledger import Entry, ServiceLedger, State, request_id
from devices.machines.parts.transforming import Asking, request_named, transform
from devices.machines.transform_settings import Ready, Step, TransformSettings
from devices.model import use_cases
from devices.model.service_requests import CommandVariant
from devices.trust.ledger import Ledger
from devices.wire import gbcs
from devices.wire.gbcs import CRA, Message

__all__ = ["Ready", "Step", "TransformService", "TransformSettings"]

_TIMER: Final = "service"


class TransformService:
    """One service.  ``broker`` is the broker's identity, ``ledger`` holds its originator counters."""

    def __init__(self, settings: TransformSettings, broker: bytes, ledger: Ledger) -> None:
        self.settings, self._broker, self._ledger = settings, broker, ledger
        self.clock = CivilClock(settings.clock)
        self.requests = ServiceLedger(settings.remembered)
        self.anomaly = AnomalyDetection(settings.limits)
        self.audit = AuditTrail(settings.audit)
        self.schedules = Schedules()
        self._closed = ""  # why nothing is served; a trail that does not hold is never written on
        self._verbs: dict[str, Callable[[Mapping[str, Any], int, Step], None]] = {
            "request": self._request,
            "state_of": self._state_of,
            "requests": self._own,
            "release": self._release,
            "reject": self._reject,
            "open_limit": self._open_limit,
            "schedule": self._schedule,
            "schedules": self._own_schedules,
            "unschedule": self._unschedule,
            "audit": self._audit,
        }

    @property
    def verbs(self) -> tuple[str, ...]:
        """What it can be asked for."""
        return tuple(self._verbs)

    def restore(self, saved: Mapping[str, Any], now: int) -> Step:
        """Take over what an earlier life kept, and see what is due since."""
        self.requests.restore(saved)
        self.anomaly.restore(saved.get("anomaly"))
        self.schedules.restore(saved.get("schedules"))
        try:
            self.audit.restore(saved)
        except AuditError as problem:
            self._closed = f"the audit trail does not hold ({problem}); restore its store from a copy"
            return Step([Record(ServiceClosed(reason=self._closed))])
        return self.fired(_TIMER, now)

    def asked(self, verb: str, args: Mapping[str, Any], now: int) -> Step:
        """Do what a user or the operator asks.  Raises :class:`MachineError`."""
        step = self._begun()
        self._verbs[verb](args, self._at(now), step)
        return self._ended(step, now)

    def fired(self, name: str, now: int) -> Step:
        """Take a timer: give up what was waited for too long, put the scheduled requests that are due."""
        step = Step()
        if name != _TIMER or self._closed:
            return step
        at = self._at(now)
        for entry in self.requests.overdue(at):
            entry.state = State.EXPIRED if entry.state is State.UNSIGNED else State.TIMED_OUT
            step.given_up.add(entry.key)
            self._note(step, RequestOverdue, entry, at)
        due = self.schedules.take(at)
        if due:
            step.effects.append(Persist("schedules", self.schedules.as_json()))
        for period in due:
            self._put_scheduled(period, at, step)
        step.effects += self.audit.purge(at)
        return self._ended(step, now)

    # ------------------------------------------------------------------------------------------------ commands, answers

    def submitted(self, message: Message, user: bytes, way: str, now: int) -> Step:
        """Take a pre-command that a user hands in, its signature checked.  Raises :class:`MachineError`."""
        step, at = self._begun(), self._at(now)
        plain = message._replace(signature=None)
        entry = self.requests.matching(message.originator, message.recipient, message.counter)
        if entry is None:
            if self.settings.only_transformed:
                raise MachineError("no service request was transformed into this command; ask for it first")
            use_case = use_cases.by_code(message.message_code)
            numbers = use_case.service_requests if use_case else ()
            identifier = request_id(user, message.recipient, message.counter)
            entry = Entry(identifier, user, numbers, plain, way, State.UNSIGNED, at)
            step.effects += self.requests.add(entry)
        if entry.user != user or entry.message._replace(signature=None) != plain:
            raise MachineError(f"it is not what request {entry.identifier} was transformed into; sign that, unchanged")
        if entry.state is not State.UNSIGNED:
            raise MachineError(f"request {entry.identifier} is {entry.state.value}; take the next counter")
        entry.message, entry.way = message, way
        self._forward(entry, at, step)
        return self._ended(step, now)

    def returned(self, message: Message, now: int) -> Step:
        """Take note of what a device sends."""
        step, at = Step(), self._at(now)
        if self._closed:
            return step
        if message.cra == CRA.RESPONSE:
            entry = self.requests.matching(message.recipient, message.originator, message.counter)
            if entry is None or entry.state not in (State.SENT, State.TIMED_OUT):
                self._write(step, _unasked(UnexpectedResponse, message), at)
            else:
                entry.state = State.ANSWERED
                self._note(step, RequestAnswered, entry, at)
        else:
            self._write(step, _unasked(ServiceAlert, message), at)
        return self._ended(step, now)

    def user_of(self, message: Message) -> bytes:
        """For whom the broker asked, in its own name, what this response answers; empty where for nobody."""
        entry = self.requests.matching(message.recipient, message.originator, message.counter)
        return b"" if entry is None or message.cra != CRA.RESPONSE else entry.user

    def _forward(self, entry: Entry, at: int, step: Step) -> None:
        """Send it on its way, unless it goes beyond a limit."""
        observed = observe(entry.message, frozenset(entry.requests), entry.user)
        entry.reasons = self.anomaly.judge(observed, at)
        if entry.reasons:
            entry.state, entry.due = State.QUARANTINED, None
            self._note(step, RequestQuarantined, entry, at)
        else:
            self._go(entry, at, step)

    def _go(self, entry: Entry, at: int, step: Step) -> None:
        self.anomaly.passed(observe(entry.message, frozenset(entry.requests), entry.user), at)
        entry.state, entry.due = State.SENT, at + self.settings.answer_ns
        self._note(step, RequestSent, entry, at)
        step.ready.append(Ready(entry.message, entry.way, entry.user))

    # ----------------------------------------------------------------------------------------------------------- verbs

    def _request(self, args: Mapping[str, Any], at: int, step: Step) -> None:
        """``request {user, request, device, counter, args?, use_case?, variant?}``: transform, and send on or give back
        to sign."""
        asking = self._asking(args)
        variants = asking.request.variants
        variant = args.get("variant", int(variants[0]))
        if variant not in [int(known) for known in variants] or variant == CommandVariant.NO_DEVICE:
            known = ", ".join(str(int(known)) for known in variants if known is not CommandVariant.NO_DEVICE)
            raise MachineError(f"{asking.request.title} comes in command variants {known or 'none'}, got {variant!r}")
        entry = self._transformed(asking, CommandVariant(variant), at, step)
        answer = {"receipt": [self.audit.head.number, self.audit.head.link.hex()], **_told(entry)}
        if entry.state is State.UNSIGNED:
            signature = b"" if self.settings.trailing_zero else None
            answer["pre_command"] = gbcs.encode(entry.message._replace(signature=signature)).hex()
        step.effects.append(Answer(answer))

    def _transformed(self, asking: Asking, variant: CommandVariant, at: int, step: Step) -> Entry:
        use_case, message = transform(asking, self.settings.registry, self._broker)
        identifier = request_id(asking.user, asking.device, asking.counter)
        if asking.scheduled or message.originator == self._broker:
            if self.requests.find(identifier) is not None:
                raise MachineError(f"request {identifier} was made already; take the next counter")
            message = self._own_command(asking, message)
        if asking.scheduled:
            identifier = request_id(asking.user, asking.device, message.counter) + ":scheduled"
        numbers = (asking.request.number,)
        entry = Entry(identifier, asking.user, numbers, message, variant.way, State.UNSIGNED, at)
        entry.due = at + self.settings.signature_ns
        step.effects += self.requests.add(entry)
        told = {"use_case": use_case.use_case, "variant": int(variant), "octets": gbcs.encode(message)}
        self._note(step, RequestRequested, entry, at, **told)
        if variant is not CommandVariant.TRANSFORM:
            self._forward(entry, at, step)
        return entry

    def _own_command(self, asking: Asking, message: Message) -> Message:
        """A command of the broker itself, with its own next counter: payloads carry the counter too."""
        counter = self._ledger.take(self.settings.series)
        given = counter if asking.scheduled else asking.counter
        again = transform(replace(asking, counter=given), self.settings.registry, self._broker, counter)[1]
        return again if again.originator == self._broker else message

    def _asking(self, args: Mapping[str, Any], *, scheduled: bool = False) -> Asking:
        counter = 0 if scheduled else args.get("counter")
        if isinstance(counter, bool) or not isinstance(counter, int) or not 0 <= counter < 1 << 63:
            raise MachineError(f"argument 'counter': expected the user's next counter, got {counter!r}")
        request = request_named(str(args.get("request", "")))
        use_case = args.get("use_case")
        named = None if use_case is None else str(use_case)
        return Asking(
            eui_argument(args, "user"),
            request,
            eui_argument(args, "device"),
            counter,
            arguments(args),
            named,
            scheduled,
        )

    def _state_of(self, args: Mapping[str, Any], _at: int, step: Step) -> None:
        """``state_of {user, request_id}``: of a user's own request."""
        entry = self._named(args)
        if entry.user != eui_argument(args, "user"):
            raise MachineError(f"there is no request {entry.identifier!r}; see the list of your own")
        step.effects.append(Answer(entry.as_json()))

    def _own(self, args: Mapping[str, Any], _at: int, step: Step) -> None:
        """``requests {user?, state?}``: a user's own; the operator, who names no user, sees all."""
        user = eui_argument(args, "user") if "user" in args else None
        state = args.get("state")
        found = [e for e in self.requests if user in (None, e.user) and state in (None, e.state.name.lower())]
        step.effects.append(Answer({"requests": [_told(entry) for entry in found], "closed": self.anomaly.closed}))

    def _release(self, args: Mapping[str, Any], at: int, step: Step) -> None:
        """``release {request_id}``: what was held back goes on after all."""
        entry = self._held(args)
        self._note(step, RequestReleased, entry, at)
        self._go(entry, at, step)
        step.effects.append(Answer(_told(entry)))

    def _reject(self, args: Mapping[str, Any], at: int, step: Step) -> None:
        """``reject {request_id}``: what was held back never goes."""
        entry = self._held(args)
        entry.state = State.REJECTED
        self._note(step, RequestRejected, entry, at)
        step.effects.append(Answer(_told(entry)))

    def _open_limit(self, args: Mapping[str, Any], at: int, step: Step) -> None:
        """``open_limit {limit}``: let a closed volume limit count anew."""
        name = str(args.get("limit", ""))
        self.anomaly.open(name)
        self._write(step, LimitOpened(limit=name), at)
        step.effects += [Persist("anomaly", self.anomaly.as_json()), Answer()]

    def _audit(self, args: Mapping[str, Any], at: int, step: Step) -> None:  # noqa: ARG002
        """``audit``: the whole trail, with the proof of what was purged."""
        step.effects += [*self.audit.purge(at), Answer({"trail": self.audit.as_json()})]

    # ------------------------------------------------------------------------------------------------------- schedules

    def _schedule(self, args: Mapping[str, Any], at: int, step: Step) -> None:
        """``schedule {user, name, request, device, args?, use_case?, unit, every, start, end?, local?}``: times in ns
        since 1970; ``args`` may hold the marks of :func:`~devices.machines.parts.schedules.filled`."""
        request = {name: args[name] for name in ("user", "request", "device", "use_case", "args") if name in args}
        user, name = eui_argument(args, "user"), str(args.get("name", ""))
        start, end, every = (args.get(key, default) for key, default in (("start", at), ("end", None), ("every", 1)))
        if not all(isinstance(number, int) for number in (start, every, 0 if end is None else end)):
            raise MachineError("arguments 'start', 'end', 'every': expected whole numbers; times in ns since 1970")
        unit, local = str(args.get("unit", "day")), args.get("local", False) is True
        schedule = Schedule(f"{user.hex()}/{name}", start, unit, every, end, local, request)
        trial = filled(request, Due(schedule, 0, start, schedule.boundary(1)))
        transform(self._asking(trial, scheduled=True), self.settings.registry, self._broker)
        self.schedules.add(schedule)
        self._changed(step, ScheduleAdded(name=schedule.name, unit=unit, every=every), at)

    def _own_schedules(self, args: Mapping[str, Any], _at: int, step: Step) -> None:
        """``schedules {user}``: a user's own."""
        own = [s for s in self.schedules.all if s.name.startswith(f"{eui_argument(args, 'user').hex()}/")]
        rows = [{"name": s.name.partition("/")[2], "done": s.done, "next": s.next, "what": s.what} for s in own]
        step.effects.append(Answer({"schedules": rows}))

    def _unschedule(self, args: Mapping[str, Any], at: int, step: Step) -> None:
        """``unschedule {user, name}``."""
        gone = self.schedules.remove(f"{eui_argument(args, 'user').hex()}/{args.get('name', '')}")
        self._changed(step, ScheduleRemoved(name=gone.name, done=gone.done), at)

    def _changed(self, step: Step, told: Event, at: int) -> None:
        self._write(step, told, at)
        step.effects += [Persist("schedules", self.schedules.as_json()), Answer(fields(told))]

    def _put_scheduled(self, due: Due, at: int, step: Step) -> None:
        """One period of a schedule: a request like any other.  One that cannot be made is told, and not tried again."""
        try:
            asking = self._asking(filled(due.schedule.what or {}, due), scheduled=True)
            self._transformed(asking, CommandVariant.OVER_WAN, at, step)
        except MachineError as problem:
            failed = ScheduleFailed(name=due.schedule.name, period=due.number, reason=str(problem))
            self._write(step, failed, at)

    # --------------------------------------------------------------------------------------------------------- helpers

    def _begun(self) -> Step:
        if self._closed:
            raise MachineError(self._closed)
        return Step()

    def _at(self, now: int) -> int:
        return self.clock.at(now).ns

    def _held(self, args: Mapping[str, Any]) -> Entry:
        entry = self._named(args)
        if entry.state is not State.QUARANTINED:
            raise MachineError(f"request {entry.identifier}: it {_is(entry)}, and is not held back")
        return entry

    def _named(self, args: Mapping[str, Any]) -> Entry:
        identifier = str(args.get("request_id", ""))
        entry = self.requests.find(identifier)
        if entry is None:
            raise MachineError(f"there is no request {identifier!r}; see the list of your own")
        return entry

    def _note(self, step: Step, what: type[RequestEvent], entry: Entry, at: int, **more: Any) -> None:
        """Keep the entry as it is now, and write down what happened to it."""
        told = what(
            request_id=entry.identifier,
            requests=tuple(entry.requests),
            recipient=entry.message.recipient,
            message_code=entry.message.message_code,
            state=entry.state.name.lower(),
            reasons=tuple(entry.reasons),
            **more,
        )
        self._write(step, told, at)
        step.effects += [self.requests.kept(entry), Persist("anomaly", self.anomaly.as_json())]

    def _write(self, step: Step, told: Event, at: int) -> None:
        """Into the audit trail and onto the time line; the trail calls an event by the last part of its kind."""
        kind = told.kind.removeprefix("service.").replace("_", " ")
        step.effects += self.audit.add(kind, fields(told), at)[1]
        step.effects.append(Record(told))

    def _ended(self, step: Step, now: int) -> Step:
        """Set the one timer to what is due next."""
        times = [time for time in (self.requests.next_due, self.schedules.next) if time is not None]
        wait = [SetTimer(_TIMER, now + max(0, min(times) - self._at(now)))] if times else [StopTimer(_TIMER)]
        step.effects += wait
        return step


def _is(entry: Entry) -> str:
    return entry.state.value if entry.state is State.UNSIGNED else f"is {entry.state.value}"


def _told(entry: Entry) -> dict[str, Any]:
    row = entry.as_json()
    return {name: row[name] for name in ("request_id", "requests", "device", "message_code", "state", "reasons")}


def _unasked(what: type[UnexpectedResponse | ServiceAlert], message: Message) -> Event:
    return what(from_=message.originator, message_code=message.message_code, counter=message.counter)
