"""The use-case table: complete, consistent in itself, and true to the published messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devices.model import data_types, use_cases
from devices.model.alerts import alert_name, rule
from devices.model.roles import Role
from devices.wire import cosem, gbcs
from devices.wire.cosem import AccessRequest, Op

OPS = {"get": Op.GET, "set": Op.SET, "action": Op.ACTION, "get-selective": Op.GET_SELECTION}


@pytest.fixture(scope="module")
def published(corpus_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (corpus_dir / "gbcs-open.jsonl").read_text("utf-8").splitlines()]


def test_every_code_is_there_once() -> None:
    codes = [use_case.code for use_case in use_cases.all_use_cases()]
    assert len(codes) == len(set(codes)) == 240
    assert codes == sorted(codes)


def test_looking_up() -> None:
    enable = use_cases.by_name("ECS42")
    assert use_cases.by_code(0x004F) is enable
    assert use_cases.by_code(0x7777) is None
    with pytest.raises(KeyError):
        use_cases.by_name("ECS999")


@pytest.mark.parametrize(
    ("name", "code", "critical", "replay", "command", "response", "roles"),
    [
        ("ECS42", 0x004F, True, True, "sig+MAC", "sig", {Role.SUPPLIER}),
        ("ECS43", 0x0050, True, True, "sig+MAC", "sig", {Role.SUPPLIER}),
        ("ECS44", 0x0051, True, True, "sig+MAC", "sig", {Role.SUPPLIER}),
        (
            "ECS45",
            0x0052,
            False,
            False,
            "MAC",
            "MAC",
            {Role.SUPPLIER, Role.NETWORK_OPERATOR, Role.ACCESS_CONTROL_BROKER},
        ),
        ("ECS70", 0x0062, True, True, "sig+MAC", "sig", {Role.SUPPLIER}),
        ("CCS01", 0x0001, False, True, "MAC", "MAC", {Role.ACCESS_CONTROL_BROKER}),
    ],
)
def test_rows_that_the_rig_drives_most(
    name: str, code: int, critical: bool, replay: bool, command: str, response: str, roles: set[Role]
) -> None:
    row = use_cases.by_name(name)
    assert (row.code, row.critical, row.replay_protected) == (code, critical, replay)
    assert (row.protection["command"], row.protection["response"]) == (command, response)
    assert set(row.device_roles) == roles


def test_what_only_reads() -> None:
    reads = {
        name: use_cases.by_name(name).only_reads for name in ("ECS45", "ECS35a", "ECS17b", "ECS42", "ECS70", "CS02b")
    }
    assert reads == {"ECS45": True, "ECS35a": True, "ECS17b": True, "ECS42": False, "ECS70": False, "CS02b": False}


def test_every_type_in_the_table_can_be_read() -> None:
    for use_case in use_cases.all_use_cases():
        for row in use_case.dlms:
            if row.data_type is not None:
                kinds = data_types.parse(row.data_type)
                assert kinds
                empty = data_types.default(row.data_type)
                assert row.data_type.startswith("compact-array") or data_types.matches(kinds, empty), row


def test_alert_codes_of_the_table_have_names() -> None:
    newer = {code for u in use_cases.all_use_cases() for code in u.alerts if alert_name(code) == "unknown code"}
    assert newer <= {0x8F86, 0x8F87, 0x8F88, 0x8F89}, {f"{code:04X}" for code in newer}


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (0x0102, {"ESME", "GSME", "GPF", "PPMID", "HCALCS", "SAPC"}),  # who has a supplier's cell
        (0x0105, {"CHF"}),
        (0x0104, {"ESME", "GSME", "GPF", "CHF", "PPMID", "HCALCS", "SAPC"}),
        (0x000A, {"ESME", "GSME", "GPF", "CHF", "PPMID", "HCALCS", "SAPC"}),
        (0x004F, {"ESME"}),
        (0x0100, {"ESME", "GSME", "GPF", "PPMID", "HCALCS", "SAPC"}),  # no command was published
    ],
)
def test_commands_about_credentials_concern_every_kind_with_the_cell(code: int, kinds: set[str]) -> None:
    use_case = use_cases.by_code(code)
    assert use_case is not None
    assert set(use_case.kinds) == kinds
    assert use_case.kinds[: len(use_case.devices)] == use_case.devices


@pytest.mark.parametrize(
    ("code", "kind", "form"),
    [
        (0x0104, "ESME", "MAC"),
        (0x0104, "CHF", "sig+MAC"),
        (0x0108, "ESME", "sig"),
        (0x0109, "ESME", "sig"),
        (0x0100, "ESME", "sig+MAC"),
        (0x0101, "CHF", "sig+MAC"),
        (0x0102, "ESME", "sig+MAC"),
    ],
)
def test_the_forms_of_a_replacement_of_credentials(code: int, kind: str, form: str) -> None:
    """facts/gbcs.md 2.1 [page seen]: recovery and contingency sign without a MAC, the broker by itself anywhere but on
    a hub MACs alone, everything else has both."""
    use_case = use_cases.by_code(code)
    assert use_case is not None
    assert use_case.command_form(kind) == form


def test_rules_of_alerts() -> None:
    assert rule(0x8F36).recipients == (Role.NETWORK_OPERATOR,)
    assert rule(0x8F36).message_code == 0x0067
    assert (rule(0x81BD).critical, rule(0x81BD).message_code) == (False, 0x1001)
    unknown = rule(0x8F99)
    assert (unknown.critical, unknown.recipients) == (True, (Role.SUPPLIER,))


@pytest.mark.corpus
def test_published_protection_is_that_of_the_table(published: list[dict[str, Any]]) -> None:
    for entry in published:
        use_case = use_cases.by_code(int(entry["message_code"], 16))
        assert use_case is not None, entry["name"]
        if entry["kind"] == "precommand":
            continue
        message = gbcs.decode(bytes.fromhex(entry["hex"]))
        found = "+".join(
            part for part, there in (("sig", bool(message.signature)), ("MAC", message.mac is not None)) if there
        )
        assert found in str(use_case.protection[entry["kind"]]), entry["name"]
        if entry["kind"] == "response":
            assert bool(message.date_time) == use_case.response_has_time, entry["name"]


@pytest.mark.corpus
def test_published_accesses_are_rows_of_the_table(published: list[dict[str, Any]]) -> None:
    seen = 0
    for entry in published:
        if entry["kind"] != "command" or entry["payload_format"] != "dlms":
            continue
        use_case = use_cases.by_code(int(entry["message_code"], 16))
        assert use_case is not None
        request = cosem.decode(gbcs.decode(bytes.fromhex(entry["hex"])).payload)
        assert isinstance(request, AccessRequest)
        rows = {(OPS[row.op], row.class_id, row.obis, row.index): row for row in use_case.dlms}
        for spec in request.specs:
            assert rows[Op(spec.op), spec.class_id, spec.obis, spec.index].selector == spec.selector, entry["name"]
            seen += 1
    assert seen > 300
