"""The catalogue of service requests: complete, told apart, and true to what is known of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devices.model import use_cases
from devices.model.roles import Role
from devices.model.service_requests import PARTY_OF, CommandVariant, all_service_requests, find, table_of

REQUESTS = tuple(all_service_requests())


def test_every_link_of_the_use_case_table_leads_into_the_catalogue() -> None:
    linked = {number for use_case in use_cases.all_use_cases() for number in use_case.service_requests}
    assert linked <= {request.number for request in REQUESTS}


def test_numbers_and_names_are_given_once() -> None:
    assert len({request.number for request in REQUESTS}) == len(REQUESTS)
    assert len({request.name.lower() for request in REQUESTS}) == len(REQUESTS)


def test_numbers_are_in_order() -> None:
    numbers = [[int(part) for part in request.number.split(".")] for request in REQUESTS]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("text", ["7.1", "Enable Supply", "7.1 Enable Supply", " 7.1  enable supply "])
def test_found_by_number_and_name(text: str) -> None:
    assert find(text).title == "7.1 Enable Supply"


@pytest.mark.parametrize("text", ["", "7", "7.99", "Enable", "7.1 Disable Supply"])
def test_what_is_none_is_not_found(text: str) -> None:
    with pytest.raises(KeyError):
        find(text)


def test_enable_supply_is_for_electricity_suppliers_and_meters_alone() -> None:
    """There is no remote "open valve" for gas (facts/gbcs.md 5.7)."""
    request = find("7.1")
    assert (request.roles, request.devices, request.critical) == (("IS",), ("ESME",), True)
    assert [use_case.use_case for use_case in request.commands_for("ESME")] == ["ECS42"]


# facts/gbcs.md 5.7, word for word.
CRITICAL = ("7.1", "6.11", "6.15.1", "6.15.2", "6.17", "6.24.2", "8.1.1", "8.7.1", "8.8.1", "11.3")
NON_CRITICAL = ("2.2", "3.5", "8.11", "8.9", "8.7.2", "8.8.2", "6.23", "6.21")
NO_DEVICE = ["8.2", "8.3", "8.4", "8.6", "8.13", "8.14.1", "8.14.2", "8.14.3", "8.14.4", "11.1", "12.1", "12.2"]
SCHEDULES = ["5.1", "5.2", "5.3"]  # facts/duis-services.json, as 11.4


@pytest.mark.parametrize(("number", "critical"), [(n, True) for n in CRITICAL] + [(n, False) for n in NON_CRITICAL])
def test_critical_as_the_facts_say(number: str, critical: bool) -> None:
    request = find(number)
    assert request.critical is critical
    assert (CommandVariant.TRANSFORM in request.variants) is critical
    assert (CommandVariant.OVER_WAN in request.variants) is not critical


def test_requests_without_a_device_message() -> None:
    assert [r.number for r in REQUESTS if r.variants == (CommandVariant.NO_DEVICE,)] == [
        *SCHEDULES,
        *NO_DEVICE[:-2],
        "11.4",
        *NO_DEVICE[-2:],
    ]
    assert all(find(number).devices == () for number in (*NO_DEVICE, *SCHEDULES, "11.4"))


@pytest.mark.parametrize(
    ("number", "variants", "roles"),
    [
        ("8.1.1", (4, 5), ("IS", "GS")),
        ("8.5", (1,), None),
        ("6.21", (1, 2, 3), ("IS", "GS")),
        ("7.1", (4, 5, 6, 7), ("IS",)),
        ("11.4", (8,), ("IS", "GS")),
        ("8.8.1", (4, 5, 6, 7), ("IS", "GS")),
    ],
)
def test_variants_and_roles_are_those_of_the_request_matrix(
    number: str, variants: tuple[int, ...], roles: tuple[str, ...] | None
) -> None:
    """facts/duis-services.json [2 sources; single source]."""
    assert tuple(map(int, find(number).variants)) == variants
    assert roles is None or find(number).roles == roles


def test_where_its_use_cases_disagree_the_catalogue_itself_says_what_is_critical() -> None:
    """Else the rule "critical where any of its commands is" would decide in silence."""
    rows = json.loads(Path(use_cases.__file__).with_name("service_requests.json").read_text("utf-8"))
    said = {row["number"] for row in rows if "critical" in row}
    torn = {r.number for r in REQUESTS if len({use_case.critical for use_case in r.use_cases} - {None}) > 1}
    unsaid = {r.number for r in REQUESTS if r.use_cases and all(use_case.critical is None for use_case in r.use_cases)}
    assert torn | unsaid <= said


def test_roles_are_those_that_all_its_use_cases_share() -> None:
    assert find("8.7.1").roles == ("IS", "GS")  # one of its use cases serves 8.7.2 as well, and names OU for that
    assert find("8.7.2").roles == ("IS", "GS", "OU")


def test_only_roles_are_named_that_users_have() -> None:
    assert {role for request in REQUESTS for role in request.roles} <= set(PARTY_OF)
    assert PARTY_OF["IS"] is Role.SUPPLIER


def test_alerts_are_no_commands_of_a_request() -> None:
    assert all(use_case.protection["command"] for request in REQUESTS for use_case in request.use_cases)


def test_what_was_replaced_comes_last() -> None:
    assert [use_case.use_case for use_case in find("6.8").commands_for("ESME")] == ["ECS30a", "ECS30"]


def test_future_dating_and_ways_of_delivery() -> None:
    assert find("1.1.1").future_dated
    assert not find("7.1").future_dated
    assert [variant.way for variant in CommandVariant] == ["wan", "local", "both", "", "wan", "local", "both", ""]


def test_a_row_more_is_a_request_more() -> None:
    """A new service request needs its number and name, and use cases that name it."""
    rows: list[dict[str, Any]] = [
        {"number": "7.1", "name": "Enable Supply"},
        {"number": "99.1", "name": "Sing", "roles": ["OU"]},
    ]
    table = table_of(rows, tuple(use_cases.all_use_cases()))
    assert table["99.1"].roles == ("OU",)
    assert table["7.1"].use_cases == find("7.1").use_cases
