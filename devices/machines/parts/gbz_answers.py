"""The answers to ZCL commands: the words in which ``zcl_conduct.json`` says what a command is answered with.

An answer is either ``fields``, each with where its value comes from, or it is found in what the device has stored
(``find``) and given: ``each`` entry as one command, the ``nth``, all records ``merged`` into one, or a ``slice`` of
samples.  Nothing found is :class:`ZclRefusal` with NOT_FOUND.

Must not live here: what a command changes (``gbz_steps``), components and protection (``gbz_execution``).

Source: facts/use-cases.md (GBZ response rows), published responses for "not found".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devices.machines.parts.gbz_steps import Act, Call, Status, ZclRefusal, number, records
from devices.model.zcl_objects import ClusterModel, Entry, calendar_types, path, store_rows
from devices.wire import zcl_fields
from devices.wire.zcl_fields import Command, Value

__all__ = ["answers"]

DAY = 86_400  # seconds; what a sample interval of FFFF stands for: one a day
DAILY = 0xFFFF
FROM_TIME = "from-date-time"

Record = tuple[tuple[str, Value], ...]


def answers(
    answer: Mapping[str, Any],
    command: Command,
    act: Act,
    clusters: ClusterModel,
    calls: Mapping[str, Call],
    from_time: int | None,
) -> list[Command]:
    """The commands that answer ``command``, one or more.  Raises :class:`ZclRefusal`."""
    asked = dict(command.fields)
    if from_time is not None:
        asked[FROM_TIME] = from_time
    if "fields" in answer:
        for store in answer.get("needs", ()):
            if not clusters.entries(store):
                raise ZclRefusal(Status.NOT_FOUND, f"no {store} stored")
        values = tuple(
            (name, _value(source, command, asked, act, clusters, calls)) for name, source in answer["fields"].items()
        )
        kind = (command.cluster, not command.to_client, int(answer["command"], 16))
        return [Command(*kind, zcl_fields.name_of(*kind), values)]
    found = _GIVERS[answer["give"]](answer, asked, _matching(answer, asked, clusters))
    if not found:
        raise ZclRefusal(Status.NOT_FOUND, f"nothing in {answer['find']} that was asked for")
    return found


def _value(
    source: Any,
    command: Command,
    asked: Mapping[str, Value],
    act: Act,
    clusters: ClusterModel,
    calls: Mapping[str, Call],
) -> Value:
    if isinstance(source, int):
        return source
    if isinstance(source, str):
        return asked[source]
    if "attribute" in source:
        return clusters.get(path(source["attribute"]))
    if "stored" in source:
        return clusters.entries(source["stored"])[-1].fields[source["field"]]
    if "clock" in source:
        return act.civil.zcl
    if "call" in source:
        act.results.update(calls[source["call"]](command, act) or {})
        return act.results[source["call"]]
    return act.results[source["result"]]


# ------------------------------------------------------------------------------------------------------------- finding


def _matching(answer: Mapping[str, Any], asked: Mapping[str, Value], clusters: ClusterModel) -> list[Entry]:
    """The entries of the store that the request asks for; conditions on records are left to :func:`_merged`."""
    entries = list(clusters.entries(answer["find"]))
    if "calendar" in answer:
        entries = _of_calendar(answer["find"], number(asked[answer["calendar"]]), entries, clusters)
    if answer["give"] == "merged":
        return entries
    for name, wanted in answer.get("match", {}).items():
        entries = [entry for entry in entries if entry.fields[name] == asked[wanted]]
    for name, wanted in answer.get("mask", {}).items():
        entries = [entry for entry in entries if number(entry.fields[name]) & number(asked[wanted])]
    for name, wanted in answer.get("from", {}).items():
        entries = [entry for entry in entries if number(entry.fields[name]) >= number(asked[wanted])]
    if "time" in answer:
        entries = [entry for entry in entries if _in_time(answer, asked, entry.fields[answer["time"]])]
    return entries


def _of_calendar(store: str, identifier: int, entries: list[Entry], clusters: ClusterModel) -> list[Entry]:
    """The parts of one calendar: by its identifier, or of the one in use of a type."""
    row = store_rows()[store]
    if identifier not in calendar_types():
        return [entry for entry in entries if entry.fields[row.link[0]] == identifier]
    used = [one for one in clusters.entries(row.of or "") if one.tag == calendar_types()[identifier]]
    links = [tuple(one.fields[name] for name in row.link) for one in used]
    return [
        entry
        for entry in entries
        if entry.tag == calendar_types()[identifier] and tuple(entry.fields[name] for name in row.link) in links
    ]


def _in_time(answer: Mapping[str, Any], asked: Mapping[str, Value], moment: Value) -> bool:
    """Whether ``moment`` lies in what was asked for, both ends included; no end is no limit."""
    since = number(asked.get(answer.get("since", ""), 0))
    until = number(asked.get(answer.get("until", ""), 0))
    return since <= number(moment) and (until == 0 or number(moment) <= until)


def _limit(answer: Mapping[str, Any], asked: Mapping[str, Value]) -> int | None:
    """How many were asked for; None for all (a count of 0)."""
    wanted = number(asked.get(answer.get("count", ""), 0))
    return wanted or None


def _changed(command: Command, **values: Value) -> Command:
    return command._replace(fields=tuple((name, values.get(name, value)) for name, value in command.fields))


def _each(answer: Mapping[str, Any], asked: Mapping[str, Value], entries: Sequence[Entry]) -> list[Command]:
    return [entry.command for entry in entries[: _limit(answer, asked)]]


def _nth(answer: Mapping[str, Any], asked: Mapping[str, Value], entries: Sequence[Entry]) -> list[Command]:
    place = number(asked[answer["nth"]])
    return [_changed(entry.command, **{answer["total"]: len(entries)}) for entry in entries[place : place + 1]]


def _merged(answer: Mapping[str, Any], asked: Mapping[str, Value], entries: Sequence[Entry]) -> list[Command]:
    """One command with the records of all entries that fit, the newest where fewer are asked for than there are."""
    fitting = [
        record
        for entry in entries
        for record in records(entry.fields[answer["list"]])
        if _record_fits(answer, asked, dict(record))
    ]
    total = len(fitting)
    fitting = fitting[number(asked.get(answer.get("skip", ""), 0)) :]
    limit = _limit(answer, asked)
    if limit is not None:
        fitting = fitting[-limit:]
    if not fitting:
        return []
    values: dict[str, Value] = {answer["list"]: tuple(fitting)}
    if "total" in answer:
        values[answer["total"]] = total
    return [_changed(entries[-1].command, **values)]


def _record_fits(answer: Mapping[str, Any], asked: Mapping[str, Value], record: Mapping[str, Value]) -> bool:
    for name, wanted in answer.get("match", {}).items():
        if isinstance(wanted, str):
            if record[name] != asked[wanted]:
                return False
        elif not all(_FITS[word](number(record[name]), number(asked[source])) for word, source in wanted.items()):
            return False
    return "time" not in answer or _in_time(answer, asked, record[answer["time"]])


def _fits_wildcard(got: int, asked: int) -> bool:
    """Event identifiers: FF in the low octet stands for every one of its group, 0 for every one at all."""
    return asked in (0, got) or (asked & 0xFF == 0xFF and asked >> 8 == got >> 8)


_FITS: dict[str, Callable[[int, int], bool]] = {
    "low nibble": lambda got, asked: got == asked & 0x0F,
    "wildcard": _fits_wildcard,
}


def _slice(answer: Mapping[str, Any], asked: Mapping[str, Value], entries: Sequence[Entry]) -> list[Command]:
    """The samples from a moment on, as many as asked for."""
    found = []
    for entry in entries:
        fields = entry.fields
        every, start = number(fields[answer["every"]]), number(fields[answer["start"]])
        seconds = DAY if every == DAILY else max(1, every)
        skipped = max(0, -(-(number(asked[answer["since"]]) - start) // seconds))
        samples = records(fields[answer["list"]])[skipped:][: _limit(answer, asked)]
        if samples:
            values: dict[str, Value] = {
                answer["start"]: start + skipped * seconds,
                answer["total"]: len(samples),
                answer["list"]: samples,
            }
            found.append(_changed(entry.command, **values))
    return found


_GIVERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Value], Sequence[Entry]], list[Command]]] = {
    "each": _each,
    "nth": _nth,
    "merged": _merged,
    "slice": _slice,
}
