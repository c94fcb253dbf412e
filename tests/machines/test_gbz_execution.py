"""GBZ commands: every published one executed and answered like its reference, every row of the table, every refusal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import Persist
from devices.machines.parts import gas_history
from devices.machines.parts.checks import series
from devices.machines.parts.civil_clock import CivilTime, from_zcl
from devices.machines.parts.commands import CommandProcessor, Outcome
from devices.machines.parts.gas_conduct import GasConduct
from devices.machines.parts.gbz_execution import GbzExecutor
from devices.machines.parts.tokens import Tokens
from devices.machines.parts.valve import Valve
from devices.model import use_cases
from devices.model.gpf_objects import gpf_clusters
from devices.model.gsme_objects import gsme_clusters
from devices.model.objects import ObjectModel
from devices.model.use_cases import GbzRow, UseCase
from devices.trust import protection
from devices.trust.keystore import MemoryKeyStore, agreement_key
from devices.wire import gbcs, gbz, gbz_typed, zcl
from devices.wire.gbcs import Message
from devices.wire.zcl_fields import Command, Value
from devices.wire.zcl_general import DefaultResponse, ReadAttributesResponse
from tests.machines import published
from tests.machines.gas_bench import KEYS, METER, PROXY, SUPPLIER, carry, cells, command, component, read
from tests.machines.told import of_kind

NOW = CivilTime(from_zcl(500_000_000))  # 2015-11-05
KINDS = {0xA1: "GSME", 0xA3: "GPF"}


@dataclass
class Device:
    """A device without network: its processor and its clusters."""

    processor: CommandProcessor
    executor: GbzExecutor
    conduct: GasConduct

    def receive(self, octets: bytes) -> Outcome:
        return self.processor.receive(octets, 0, NOW)


def device(kind: str, identity: bytes, keys: MemoryKeyStore, held: Any) -> Device:
    clusters = gsme_clusters() if kind == "GSME" else gpf_clusters()
    parts = (Valve(clusters), Tokens(identity, keys, held)) if kind == "GSME" else (None, None)
    conduct = GasConduct(clusters, *parts)
    executor = GbzExecutor(clusters, conduct.calls())
    processor = CommandProcessor(identity, keys, held, ObjectModel(()), device=kind, clusters=executor)
    return Device(processor, executor, conduct)


# ------------------------------------------------------------------------------------------------ published commands


def presupposed(message: Message, corpus: Path, *, past: bool) -> tuple[Device, MemoryKeyStore]:
    """A device in the state that ``message`` presupposes."""
    keys = published.keys(corpus, message.recipient)
    kind = KINDS[message.recipient[-1]]
    held = published.cells(keys, kind)
    made = device(kind, message.recipient, keys, held)
    use_case = use_cases.by_code(message.message_code)
    for role in held.roles_of(message.originator):
        made.processor.floors.record(series(message, use_case, role), message.counter - 1)
    if past:
        payload = gbz.decode(message.payload)
        assert isinstance(payload, gbz.Payload)
        gas_history.give_past(made.executor.clusters, payload, NOW.zcl)
    return made, keys


def shape(message: Message, plaintexts: Iterator[bytes]) -> list[Any]:
    """Results, commands, attributes with status and type, fields with types all the way down."""
    payload = gbz.decode(message.payload)
    assert isinstance(payload, gbz.Payload)
    shapes = []
    for one in payload.components:
        sealed = one.additional is not None
        body = gbz_typed.read_plaintext(one, next(plaintexts)) if sealed else gbz_typed.read(one)
        direction = one.frame.frame_control & ~zcl.DISABLE_DEFAULT_RESPONSE
        shapes.append((one.cluster, one.frame.sequence, direction, one.additional, body_shape(body)))
    return shapes


def body_shape(body: gbz_typed.Body) -> Any:
    if isinstance(body, Command):
        return body.name, tuple((name, kind_of(value)) for name, value in body.fields)
    if isinstance(body, ReadAttributesResponse):
        return tuple((record.attribute, record.status, record.type) for record in body.records)
    return body


def kind_of(value: Value) -> Any:
    if not isinstance(value, tuple):
        return type(value).__name__
    return "array", frozenset(tuple((name, kind_of(one)) for name, one in record) for record in value)


def opened(message: Message, keys: MemoryKeyStore) -> Iterator[bytes]:
    """The plaintexts of the sealed components of our own response."""
    party = message.supplementary_party or message.recipient
    counter = message.supplementary_originator_counter or message.counter
    payload = gbz.decode(message.payload)
    assert isinstance(payload, gbz.Payload)
    for one in payload.components:
        if one.additional is not None:
            secret = keys.agree(agreement_key(message.originator), keys.public(agreement_key(party)))
            yield protection.open_sealed(one.frame.payload, secret, message.originator, party, counter)


def envelope(message: Message) -> tuple[Any, ...]:
    return (
        message.cra,
        message.counter,
        message.originator,
        message.recipient,
        message.message_code,
        message.supplementary_party,
        message.supplementary_counter,
        bool(message.signature),
        message.mac is None,
        len(message.date_time),
    )


@pytest.mark.corpus
@pytest.mark.parametrize("outcome", ["SUCCESS", "NOT_FOUND"])
def test_published_commands_are_answered_like_their_references(corpus_dir: Path, outcome: str) -> None:
    messages = published.messages(corpus_dir)
    done: Counter[str] = Counter()
    for name, entry in messages.items():
        if entry["payload_format"] != "gbz" or entry["kind"] != "command" or outcome not in name:
            continue
        octets = bytes.fromhex(entry["hex"])
        made, keys = presupposed(gbcs.decode(octets), corpus_dir, past=outcome == "SUCCESS")
        result = made.receive(octets)
        assert result.refused is None, (name, result.refused)
        assert result.response is not None, name
        assert not any(result.results), name
        reference = messages[name.replace("_COMMAND", "_RESPONSE")]
        ours, theirs = gbcs.decode(result.response), gbcs.decode(bytes.fromhex(reference["hex"]))
        assert envelope(ours) == envelope(theirs), name
        plaintexts = (bytes.fromhex(part["plaintext"]) for part in reference["encrypted"] or ())
        assert shape(ours, opened(ours, keys)) == shape(theirs, plaintexts), name
        done[entry["use_case"]] += 1
    assert done.total() >= {"SUCCESS": 60, "NOT_FOUND": 6}[outcome]


# --------------------------------------------------------------------------------------------- every row of the table


def gas_use_cases() -> list[UseCase]:
    return [
        one
        for one in use_cases.all_use_cases()
        if one.payload == "gbz" and one.protection["command"] and any(row.message == "command" for row in one.gbz)
    ]


def made_up(row: GbzRow) -> gbz.Component:
    """A component of ``row`` with its fixed values, and nought where there are none."""
    if row.frame == "profile-wide":
        return read(row.cluster, *row.attributes)
    table = json.loads(resources.files("devices.wire").joinpath("zcl_commands.json").read_text("utf-8"))
    direction = "to_client" if row.direction == "server-to-client" else "to_server"
    layout = table[f"{row.cluster:04X}"][direction][f"{row.command:02X}"]
    fixed = {str(field["name"]).replace(" ", ""): first_of(field.get("value")) for field in row.fields}
    fields: list[tuple[str, Value]] = []
    for name, kind, *_ in layout["fields"]:
        value = fixed.get(name.replace(" ", ""))
        fields.append((name, blank(kind, dict(fields), 0 if value is None else value)))
    body = Command(row.cluster, direction == "to_client", row.command, layout["name"], tuple(fields))
    return carry(body, 0 if row.dated else None)


def first_of(value: object) -> int | None:
    text = str(value or "").split("|")[0].split("-")[0].strip()
    return int(text, 0) if text[:1].isdigit() else None


def blank(kind: Any, before: Mapping[str, Value], value: int) -> Value:
    if isinstance(kind, str):
        if kind in ("octets", "text"):
            return b"0" if kind == "octets" else ""
        return value - (1 << 32) if kind == "int32" and value >> 31 else value
    if "by" in kind:
        wanted = str(before[kind["by"]])
        return blank(next(case for key, case in kind["cases"].items() if wanted in key.split()), before, 0)
    if "record" not in kind:
        return ()
    record: list[tuple[str, Value]] = []
    for name, inner in kind["record"]:
        record.append((name, blank(inner, dict(record), 0)))
    return (tuple(record),)


@pytest.mark.parametrize(
    ("use_case", "kind"),
    [
        pytest.param(use_case, kind, id=f"{use_case.use_case}-{kind}")
        for use_case in gas_use_cases()
        for kind in ("GSME", "GPF")
        if kind in use_case.devices
    ],
)
def test_every_use_case_is_executed_and_answered_by_its_rows(use_case: UseCase, kind: str) -> None:
    identity = METER if kind == "GSME" else PROXY
    made = device(kind, identity, KEYS, cells(kind))
    components = [made_up(row) for row in use_case.gbz if row.message == "command"]
    gas_history.give_past(made.executor.clusters, gbz.Payload(tuple(components)), NOW.zcl)
    changes = {} if not use_case.between_devices else {"originator": PROXY}
    allowed = use_case.device_roles
    if allowed and not use_case.between_devices:
        party = made.processor.cells.party_of(allowed[0])
        assert party is not None
        changes = {"originator": party}
    outcome = made.receive(command(use_case.use_case or "", 1000, *components, device=identity, **changes))
    assert outcome.refused is None
    assert outcome.response is not None
    assert not any(outcome.results)
    answer = gbz.decode(gbcs.decode(outcome.response).payload)
    assert isinstance(answer, gbz.Payload)
    rows = [row for row in use_case.gbz if "response" in row.message]
    for one in answer.components:
        kinds = {(row.cluster, row.command, row.direction == "server-to-client", row.encrypted) for row in rows}
        frame = one.frame
        assert (one.cluster, frame.command, frame.to_client, one.additional is not None) in kinds
    found = [persisted.key for persisted in outcome.effects if isinstance(persisted, Persist)]
    if use_case.only_reads:
        assert "clusters" not in found


# --------------------------------------------------------------------------------------------------- order and failure


def cap(value: int) -> gbz.Component:
    return component(
        0x0705, False, 0x0C, Provider_ID=0, Issuer_Event_ID=1, **{"Implementation_Date/Time": 0}, Overall_Debt_Cap=value
    )


def week(calendar: int) -> gbz.Component:
    days = {f"Day_ID_Ref_{day}": 1 for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")}
    return component(
        0x0707,
        True,
        0x02,
        Provider_ID=0,
        Issuer_Event_ID=1,
        Issuer_Calendar_ID=calendar,
        Week_ID=1,
        **days,
        Day_ID_Ref_Sunday=1,
    )


def meter() -> Device:
    return device("GSME", METER, KEYS, cells("GSME"))


def statuses(outcome: Outcome) -> list[tuple[int, int]]:
    assert outcome.response is not None
    payload = gbz.decode(gbcs.decode(outcome.response).payload)
    assert isinstance(payload, gbz.Payload)
    found = [gbz_typed.read(one) for one in payload.components]
    return [(one.command, one.status) for one in found if isinstance(one, DefaultResponse)]


def test_what_follows_a_failure_is_not_carried_out() -> None:
    made = meter()
    outcome = made.receive(command("GCS05", 1000, cap(5), week(99), cap(6)))
    assert statuses(outcome) == [(0x0C, 0x00), (0x02, 0x8B), (0xFF, 0x01)]  # nothing that it could write into
    assert list(outcome.results) == [0x00, 0x8B, 0x01]
    seasons = component(0x0707, False, 0x03, Provider_ID=0, Issuer_Calendar_ID=99)
    nothing = made.receive(command("GCS21b", 1001, seasons, seasons))
    assert statuses(nothing) == [(0x03, 0x8B), (0x03, 0x8B)]  # that nothing is there is an answer
    assert list(nothing.results) == [0, 0]
    unfit = component(
        0x0705,
        False,
        0x02,
        Issuer_Event_ID=1,
        Debt_Label=b"",
        Debt_Amount=-1,
        Debt_Recovery_Method=0,
        Debt_Amount_Type=1,
        Debt_Recovery_Start_Time=0,
        Debt_Recovery_Collection_Time=0,
        Debt_Recovery_Frequency=0,
        Debt_Recovery_Amount=-5,
        Debt_Recovery_Balance_Percentage=0,
    )
    outcome = made.receive(command("GCS04", 1002, unfit, unfit))
    assert statuses(outcome) == [(0x02, 0x87), (0xFF, 0x01)]
    assert outcome.results == (0x87, 0x01)


def test_an_attribute_that_a_device_lacks_fails_the_read_and_the_rest() -> None:
    made = meter()
    made.executor.clusters.rows = {
        where: row for where, row in made.executor.clusters.rows.items() if where != (0x0702, 0x0A00)
    }
    outcome = made.receive(command("GCS60", 7, read(0x0702, 0x0A00), read(0x0705, 0x0001)))
    assert outcome.results == (0x86, 0x01)
    assert statuses(outcome) == [(0xFF, 0x01)]


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("GCS33", gbz.encode(gbz.Payload((read(0x0702, 0x0000),))), "attributes 0000"),
        ("GCS33", gbz.encode(gbz.Payload((read(0x0705, 0x0205),))), "not part of GCS33"),
        ("GCS33", gbz.encode(gbz.Payload((cap(1),))), "not part of GCS33"),
        ("GCS33", b"\x01\x09\x01\x01\x07\x02\x00\x06\x00\x00\x00\x05\x02\x14", "zcl"),
        ("GCS33", b"\x01\x09\x00", "gbz"),
        ("GCS33", gbz.encode(gbz.Alert(0x8F32, 5)), "GBZ alert"),
        ("GCS33", b"\x30\x00", "gbz"),
    ],
    ids=["attribute", "cluster", "command", "half an attribute", "no component", "alert", "other family"],
)
def test_a_payload_that_is_not_of_its_use_case_changes_nothing(name: str, payload: bytes, reason: str) -> None:
    made = meter()
    before = made.executor.clusters.as_json()
    outcome = made.receive(command(name, 1000, read(0x0702, 0x0014), payload=payload))
    assert outcome.response is None
    assert outcome.refused is not None
    assert (outcome.refused.check, reason in outcome.refused.reason) == ("content", True)
    assert made.executor.clusters.as_json() == before


def test_a_stored_calendar_is_given_back_and_superseded() -> None:
    made = meter()

    def calendar(identifier: int, event: int) -> gbz.Component:
        counts = {"Number_of_Seasons": 0, "Number_of_Week_Profiles": 1, "Number_of_Day_Profiles": 0}
        return component(
            0x0707,
            True,
            0x00,
            Provider_ID=0,
            Issuer_Event_ID=event,
            Issuer_Calendar_ID=identifier,
            Start_Time=0,
            Calendar_Type=3,
            Calendar_Time_Reference=0,
            Calendar_Name=b"",
            **counts,
        )

    made.receive(command("GCS05", 1000, calendar(5, 1), week(5)))
    made.receive(command("GCS05", 1001, calendar(6, 1), week(6)))
    assert [entry.fields["Issuer Calendar ID"] for entry in made.executor.clusters.entries("week_profiles")] == [6]
    asked = component(
        0x0707, False, 0x02, Provider_ID=0, Issuer_Calendar_ID=0xFFFFFFFE, Start_Week_Id=1, Number_of_Weeks=0
    )
    outcome = made.receive(command("GCS21b", 9, asked))
    assert outcome.response is not None
    payload = gbz.decode(gbcs.decode(outcome.response).payload)
    assert isinstance(payload, gbz.Payload)
    (body,) = [gbz_typed.read(one) for one in payload.components]
    assert body == gbz_typed.read(week(6))


@pytest.mark.parametrize("keeps", [True, False])
def test_what_a_tapped_command_changed_is_done_here_too_and_answered_by_nobody(keeps: bool) -> None:
    executor = meter().executor
    dated = component(
        0x0705,
        False,
        0x0C,
        Provider_ID=0,
        Issuer_Event_ID=1,
        **{"Implementation_Date/Time": 500_000_001},
        Overall_Debt_Cap=9,
    )
    components = [read(0x0705, 6), cap(5), dated, week(99), cap(6)]
    effects = executor.follow(components, _tapped("GCS05"), 0, NOW, keeps_future=keeps)
    dropped = ["it is dated in the future, and such a copy is dropped"] if not keeps else []
    reasons = [*dropped, "week_profiles belong to no calendars that this device was given"]
    assert [fields["reason"] for fields in of_kind(effects, "component.refused")] == reasons
    assert effects[-1] == executor.saved()
    assert executor.clusters.get((0x0705, 6)) == 6
    assert [change.at for change in executor.clusters.pending] == ([500_000_001] if keeps else [])
    if keeps:
        (change,) = executor.clusters.pending
        assert (change.message_code, change.counter) == (_tapped("GCS05").message_code, 1000)
        assert executor.fire(0, CivilTime(from_zcl(500_000_000))) == []
        (fired,) = executor.fire(0, CivilTime(from_zcl(500_000_001)))
        assert (fired.change, fired.code, fired.effects) == (change, 0x8F66, (executor.saved(),))
        assert executor.clusters.get((0x0705, 6)) == 9


def _tapped(name: str) -> Message:
    return gbcs.decode(command(name, 1000, cap(1)))


# --------------------------------------------------------------------------------------------------------- bad payloads

_MUTATED = [one for one in gas_use_cases() if "GSME" in one.devices and one.protection["command"] == "MAC"]


@given(
    use_case=st.sampled_from([one for one in _MUTATED if not one.between_devices]),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 3),
)
def test_a_mutated_payload_is_refused_or_executed(use_case: UseCase, changes: list[tuple[int, int]], cut: int) -> None:
    made = meter()
    payload = bytearray(
        gbz.encode(gbz.Payload(tuple(made_up(row) for row in use_case.gbz if row.message == "command")))
    )
    for place, value in changes:
        payload[place % len(payload)] = value
    changed = bytes(payload[: len(payload) - cut] if cut else payload)
    before = made.executor.clusters.as_json()
    party = made.processor.cells.party_of(use_case.device_roles[0]) if use_case.device_roles else SUPPLIER
    asked = command(use_case.use_case or "", 1000, read(0x0702, 0x0014), payload=changed, originator=party)
    outcome = made.receive(asked)
    if outcome.refused is not None:
        assert outcome.refused.check == "content"
        assert made.executor.clusters.as_json() == before
    else:
        assert outcome.response is not None
        again = gsme_clusters()
        again.restore(json.loads(json.dumps(made.executor.clusters.as_json())))
        assert again.as_json() == made.executor.clusters.as_json()
