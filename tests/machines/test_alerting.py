"""Alerts and responses octet for octet as published: a MAC is deterministic, so equal content gives equal octets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devices.machines.core import Persist
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.parts.alerting import AlertBuilder
from devices.machines.parts.civil_clock import ClockSettings
from devices.model import use_cases
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.keystore import MemoryKeyStore, signing_key
from devices.wire import cosem, gbcs
from tests.machines import published
from tests.machines.meter_bench import Bench

pytestmark = pytest.mark.corpus

NEW_YEAR_2015 = 1_420_070_400_000_000_000


@pytest.fixture(scope="module")
def messages(corpus_dir: Path) -> dict[str, dict[str, Any]]:
    return published.messages(corpus_dir)


@pytest.fixture(scope="module")
def keys(corpus_dir: Path) -> MemoryKeyStore:
    return published.keys(corpus_dir)


ALERTS = [
    ("GNCA-DLMS_NA_810E_ALERT", "ESME", Role.SUPPLIER),
    ("ECS80_NA_8F36_ALERT", "ESME", Role.NETWORK_OPERATOR),
    ("CS14_NA_8F12_ALERT", "CHF", Role.ACCESS_CONTROL_BROKER),
]


@pytest.mark.parametrize(("name", "device", "recipient"), ALERTS)
def test_alerts_are_built_as_published(
    name: str, device: str, recipient: Role, messages: dict[str, dict[str, Any]], corpus_dir: Path
) -> None:
    octets = bytes.fromhex(messages[name]["hex"])
    reference = gbcs.decode(octets)
    store = published.keys(corpus_dir, reference.originator)
    body = cosem.decode(reference.payload)
    assert isinstance(body, cosem.Notification)
    code, time, *extra = body.body.value
    builder = AlertBuilder(reference.originator, store, published.cells(store, device), reference.counter)
    built, effects = builder.build(code.value, recipient, time.value, extra)
    assert effects[0] == Persist("counter", reference.counter + 1)
    assert built is not None
    if reference.mac is not None:
        assert built == octets
    else:
        ours = gbcs.decode(built)
        assert gbcs.to_be_signed(ours) == gbcs.to_be_signed(reference)
        assert protection.signature_valid(ours, store.public(signing_key(reference.originator)))


def test_reads_are_answered_octet_for_octet(messages: dict[str, dict[str, Any]], keys: MemoryKeyStore) -> None:
    """With the published values in its objects the meter gives the published response, MAC included."""
    equal = []
    for name, entry in messages.items():
        answer = messages.get(name.replace("_COMMAND", "_RESPONSE"))
        use_case = use_cases.by_code(int(entry["message_code"], 16))
        if answer is None or use_case is None or entry["recipient"] != published.METER.hex():
            continue
        plain = entry["kind"] == "command" and entry["outcome"] == "SUCCESS" and entry["payload_format"] == "dlms"
        if not plain or not use_case.only_reads or answer["encrypted"] or not _stored(entry):
            continue
        settings = EsmeSettings(clock=ClockSettings(start_ns=NEW_YEAR_2015), firmware=bytes.fromhex("0123abcd"))
        bench = Bench(meter=Esme(published.METER, keys, published.cells(keys), settings), start=False)
        _fill(bench, bytes.fromhex(entry["hex"]), bytes.fromhex(answer["hex"]))
        bench.line(bytes.fromhex(entry["hex"]))
        assert bench.sent[0].hex() == answer["hex"], name
        equal.append(name)
    assert len(equal) > 20, equal


def _stored(entry: dict[str, Any]) -> bool:
    """Whether everything that a command reads is stored, and nothing computed (clock, supply state, logs)."""
    request = cosem.decode(gbcs.decode(bytes.fromhex(entry["hex"])).payload)
    assert isinstance(request, cosem.AccessRequest)
    return all(spec.op == cosem.Op.GET and spec.class_id not in (7, 8, 70) for spec in request.specs)


def _fill(bench: Bench, command: bytes, response: bytes) -> None:
    request, answer = (cosem.decode(gbcs.decode(octets).payload) for octets in (command, response))
    assert isinstance(request, cosem.AccessRequest)
    assert isinstance(answer, cosem.AccessResponse)
    for spec, data in zip(request.specs, answer.data, strict=True):
        bench.meter.objects.put(spec.class_id, spec.obis, spec.index, data)
