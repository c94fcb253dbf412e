"""How a gas proxy gets what it missed of its meter: flags in what answers a report, questions, answers.

The meter sleeps, so the proxy asks while it hears it.  Whoever finds a gap between the half hours that it was told of
raises a flag for each thing that it wants; the flags go out with the answer to the last report of a waking
(MirrorReportAttributeResponse); the meter calls for what a flag stands for (GetNotifiedMessage), is asked, and answers.
A flag stays up until its question is answered, over a power cut too.

Must not live here: what the proxy makes of the answers (``gpf``), what the meter pushes unasked (``gas_pushing``).

Source: facts/gbcs.md 10.6.1 (which questions, from when [spec text, second hand]), 8.3 (scheme, five flag words, when
they are sent [2 sources]; which bits a meter acts on [single source]); which bit stands for which question, and how a
meter calls for it: Zigbee Smart Energy 1.2 [recalled].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from devices.machines.core import Persist
from devices.machines.parts import gbz_answers
from devices.machines.parts.gas_recording import HALF_HOUR
from devices.machines.parts.gbz_answers import DAILY, DAY
from devices.machines.parts.gbz_steps import Act, Call, ZclRefusal, number
from devices.model.zcl_objects import ClusterModel, conduct_rows
from devices.wire import gbz, gbz_typed, zcl, zcl_fields, zcl_general
from devices.wire.zcl_fields import Command, DefaultResponse, Value
from devices.wire.zcl_general import AttributeValue, ReportAttributes

__all__ = ["COMPLETE", "CatchUpSettings", "CatchingUp", "answers_to", "frame_of", "is_complete"]

KEY: Final = "missed"
METERING: Final = 0x0702
COMPLETE: Final = AttributeValue(0xFFFE, 0x30, 1)
"""AttributeReportingStatus: this report is the last of its kind for now."""
_SCHEME_B: Final = 2
_REPORT_ANSWERED, _NOTIFIED = 0x09, 0x0B
_FLAG_WORDS: Final = (
    "Functional Notification Flags", *(f"Notification Flags {place}" for place in range(2, 6)),
)  # fmt: skip
_NO_END: Final = 0xFFFFFFFF
_ANY_CAUSE: Final = 0xFFFFFFFF
_PAYMENT_BASED: Final = 2  # type of debt


class _Question(NamedTuple):
    """What the proxy may want: which of the five flag words tells of it, by which bit, and the command that asks."""

    word: int
    bit: int
    cluster: int
    command: int
    sample: int | None = None


_QUESTIONS: Final[Mapping[str, _Question]] = {
    "half hours": _Question(0, 23, METERING, 0x08, sample=0),
    "days": _Question(0, 23, METERING, 0x08, sample=1),
    "snapshots": _Question(0, 22, METERING, 0x06),
    "prepayment_snapshots": _Question(3, 6, 0x0705, 0x07),
    "top_ups": _Question(3, 7, 0x0705, 0x08),
    "debt_payments": _Question(3, 9, 0x0705, 0x0A),
}
"""By name; that of a store where there is one."""


@dataclass(frozen=True, slots=True)
class CatchUpSettings:
    """When a proxy asks for what it missed, and how much at a time."""

    asks: bool = True  # after a gap, facts/gbcs.md 10.6.1 [spec text, second hand]
    at_first: bool = False  # for what was there before it first heard the meter, as after a gap [our choice]
    samples: int = 48  # of one question: a day of half hours, which one frame holds [our choice]
    top_ups: int = 5  # the last five, as they are pushed [our reading]
    debt_payments: int = 10  # rows of its billing log, facts/gbcs.md 10.6.1


class CatchingUp:
    """What one proxy missed of its meter and does not have yet."""

    def __init__(self, clusters: ClusterModel, settings: CatchUpSettings, saved: Mapping[str, Any]) -> None:
        self._clusters, self.settings = clusters, settings
        self._open: dict[str, tuple[int, int]] = {  # question to since and until when, seconds since 2000
            name: (int(since), int(until)) for name, (since, until) in saved.get(KEY, {}).items()
        }
        self._asked: dict[int, str] = {}  # sequence number to question
        self._offsets: dict[str, int] = {}  # how many snapshots this question has brought
        self._sequence = 0

    def told(self, last: int | None, at: int) -> list[Persist]:
        """The meter told of the half hour that ended ``at``; the one before that it told of ended ``last``."""
        settings = self.settings
        gap = settings.at_first if last is None else at - last > HALF_HOUR
        if not (settings.asks and gap):
            return []
        since = last or 0
        for name, question in _QUESTIONS.items():
            start, end = (since - since % DAY, at - at % DAY) if question.sample == 1 else (since, at)
            if start < end:
                self._open[name] = (min(start, self._open.get(name, (start, 0))[0]), end)
        return [self._saved()]

    def flags(self) -> Command:
        """The answer to a report that is complete, with a flag up for everything that is still wanted."""
        words = [0] * len(_FLAG_WORDS)
        for name in self._open:
            words[_QUESTIONS[name].word] |= 1 << _QUESTIONS[name].bit
        fields = (("Notification Scheme", _SCHEME_B), *zip(_FLAG_WORDS, words, strict=True))
        return _command(METERING, _REPORT_ANSWERED, dict(fields), to_client=False)

    def called_for(self, call: Command) -> list[tuple[int, Command]]:
        """The questions, with their sequence numbers, that the meter calls for (GetNotifiedMessage)."""
        word, bits = number(call.get("Notification Flag Attribute ID")), number(call.get("Notification Flags"))
        wanted = [name for name in self._open if _QUESTIONS[name].word == word and bits >> _QUESTIONS[name].bit & 1]
        for name in wanted:
            self._offsets[name] = 0
        return [self._ask(name) for name in wanted]

    def answered(self, sequence: int, body: Command | DefaultResponse) -> tuple[list[tuple[int, Command]], Persist]:
        """The meter answered: what is asked next, one question goes on over several answers."""
        name = self._asked.pop(sequence, None)
        if name is None or name not in self._open:
            return [], self._saved()
        if isinstance(body, Command) and self._goes_on(name, dict(body.fields)):
            return [self._ask(name)], self._saved()
        del self._open[name]
        return [], self._saved()

    def awaits(self, sequence: int) -> bool:
        """Whether a frame with this sequence number answers a question."""
        return sequence in self._asked

    # ----------------------------------------------------------------------------------------------------------- inside

    def _goes_on(self, name: str, fields: Mapping[str, Value]) -> bool:
        since, until = self._open[name]
        if _QUESTIONS[name].sample is not None:
            interval = number(fields["SampleRequestInterval"])
            taken = number(fields["NumberOfSamples"])
            end = number(fields["SampleStartTime"]) + taken * (DAY if interval == DAILY else interval)
            self._open[name] = (max(since, end), until)
            return since < end < until
        if "Total Snapshots Found" not in fields:
            return False
        self._offsets[name] += 1
        return self._offsets[name] < number(fields["Total Snapshots Found"])

    def _ask(self, name: str) -> tuple[int, Command]:
        """A question; its sequence number is never 0, which is that of what the meter pushes."""
        self._sequence = self._sequence % 0xFF + 1
        self._asked = {number_: other for number_, other in self._asked.items() if other != name}
        self._asked[self._sequence] = name
        question, (since, until) = _QUESTIONS[name], self._open[name]
        if question.sample is not None:
            interval = DAY if question.sample else HALF_HOUR
            few = min(self.settings.samples, (until - since) // interval)
            fields: dict[str, Value] = {"SampleID": question.sample, "EarliestSampleTime": since, "SampleType": 0}
            fields["NumberOfSamples"] = few
        elif name == "top_ups":
            fields = {"Latest End Time": _NO_END, "Number of Records": self.settings.top_ups}
        elif name == "debt_payments":
            fields = {"Latest End Time": _NO_END, "Number of Debts": self.settings.debt_payments}
            fields["Debt Type"] = _PAYMENT_BASED
        else:
            if not self._offsets[name]:
                self._open[name] = (self._last(name), until)
            fields = {"Earliest Start Time": self._open[name][0], "Latest End Time": _NO_END}
            fields |= {"Snapshot Offset": self._offsets[name], "Snapshot Cause": _ANY_CAUSE}
        return self._sequence, _command(question.cluster, question.command, fields, to_client=False)

    def _last(self, store: str) -> int:
        """When the last snapshot that is here was taken, 0 for none."""
        return max((number(entry.fields["Snapshot Time"]) for entry in self._clusters.entries(store)), default=0)

    def _saved(self) -> Persist:
        return Persist(KEY, {name: list(span) for name, span in self._open.items()})


# --------------------------------------------------------------------------------------------------------- the meter's


def is_complete(report: ReportAttributes) -> bool:
    """Whether a report says that it is the last of its kind for now."""
    return any((one.attribute, one.value) == (COMPLETE.attribute, COMPLETE.value) for one in report.records)


def answers_to(
    cluster: int, frame: zcl.Frame, clusters: ClusterModel, calls: Mapping[str, Call], act: Act
) -> list[bytes]:
    """The frames with which a meter answers one of its proxy, none where it has nothing to say.

    Raises :class:`devices.wire.errors.WireError` for a frame that cannot be read.
    """
    body = gbz_typed.read(gbz.Component(cluster, frame))
    if not isinstance(body, Command) or body.to_client:
        return []
    if (cluster, body.command) == (METERING, _REPORT_ANSWERED):
        return [frame_of(call) for call in _calls_for(body)]
    if (cluster, body.command) not in {(one.cluster, one.command) for one in _QUESTIONS.values()}:
        return []
    row = conduct_rows()[cluster, False, body.command]
    assert row.answer is not None
    try:
        answers = gbz_answers.answers(row.answer, body, act, clusters, calls, None)
    except ZclRefusal as refusal:
        told = DefaultResponse(body.command, int(refusal.status))
        control = zcl.TO_CLIENT | zcl.DISABLE_DEFAULT_RESPONSE
        return [zcl.encode(zcl.Frame(control, frame.sequence, zcl_general.DEFAULT_RESPONSE, zcl_general.write(told)))]
    return [frame_of(answer, frame.sequence) for answer in answers]


def _calls_for(flags: Command) -> list[Command]:
    """What a meter calls for: one call for each flag that is up and stands for a question."""
    known = sorted({(one.word, one.bit) for one in _QUESTIONS.values()})
    values = [number(value) for _, value in flags.fields[1:]]
    up = [(word, bit) for word, bit in known if word < len(values) and values[word] >> bit & 1]
    names = ("Notification Scheme", "Notification Flag Attribute ID", "Notification Flags")
    scheme = flags.get("Notification Scheme")
    return [
        _command(METERING, _NOTIFIED, dict(zip(names, (scheme, word, 1 << bit), strict=True)), to_client=True)
        for word, bit in up
    ]


def frame_of(command: Command, sequence: int = 0) -> bytes:
    """The ZCL frame of a command that wants no Default Response."""
    control = zcl.CLUSTER_SPECIFIC | zcl.DISABLE_DEFAULT_RESPONSE | (zcl.TO_CLIENT if command.to_client else 0)
    return zcl.encode(zcl.Frame(control, sequence, command.command, zcl_fields.write(command)))


def _command(cluster: int, command: int, fields: Mapping[str, Value], *, to_client: bool) -> Command:
    name = zcl_fields.name_of(cluster, to_client, command)
    return Command(cluster, to_client, command, name, tuple(fields.items()))
