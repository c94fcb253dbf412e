"""Friendly arguments: the data that each recipe makes of them, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from devices.machines.core import MachineError
from devices.machines.parts.recipes import RECIPES
from devices.wire import axdr
from devices.wire.axdr import Data

DEVICE, KEY = bytes.fromhex("00db1234567890a0"), bytes(range(16))
NOON, ONE = (bytes.fromhex(f"07df0b07ff{hour:02x}0000008000ff") for hour in (12, 13))
ANY = bytes.fromhex("ffffffffffffffffff8000ff")
REGISTER = {"device": "00-DB-12-34-56-78-90-A0", "install_code": KEY.hex(), "device_type": "PPMID", "join_time": 90}


def _registered(kind: int, seconds: int) -> tuple[Data, ...]:
    entry = axdr.structure(axdr.octets(DEVICE), axdr.enum(1), axdr.octets(KEY), axdr.enum(kind))
    return entry, axdr.u16(seconds), axdr.boolean(True)


def _window(*moments: bytes) -> tuple[Data | None, ...]:
    return axdr.enum(5), axdr.structure(*map(axdr.octets, (ANY, *moments))), axdr.i8(0), None, None


MADE: list[tuple[str, dict[str, Any], tuple[Data | None, ...]]] = [
    ("ECS42", {}, (axdr.u16(51),)),
    ("ECS43", {}, (axdr.u16(52),)),
    ("ECS44", {}, (axdr.u16(54),)),
    ("ECS14", {}, (axdr.octets(b""),)),
    ("ECS15a", {}, (axdr.i8(0),)),
    ("ECS15c", {}, (axdr.i8(0),)),
    ("ECS50", {"cin": "0123"}, (axdr.octets(b"0123"),)),
    ("ECS70", {"start": NOON.hex(), "end": "2015-11-07T13:00:00Z"}, _window(NOON, ONE)),
    ("ECS70", {"start": "2015-11-07T13:00:00+01:00", "end": ONE}, _window(NOON, ONE)),
    ("ECS81", {"locked": True}, (axdr.boolean(True),)),
    ("ECS81", {"locked": False}, (axdr.boolean(False),)),
    ("CS01a", {"utrn": "1" * 20}, (axdr.octets(b"1" * 20),)),
    ("CCS01", REGISTER, _registered(132, 90)),
    ("CCS01", REGISTER | {"device": DEVICE, "install_code": KEY, "join_time": 0}, _registered(132, 0)),
    ("CCS01", REGISTER | {"device_type": 0, "join_time": 0xFFFF}, _registered(0, 0xFFFF)),
    *(
        ("CCS01", REGISTER | {"device_type": name}, _registered(number, 90))
        for name, number in {
            "ESME": 0,
            "gsme": 1,
            "HCALCS": 13,
            "IHD": 128,
            "CAD": 130,
            "ppmid": 132,
            "GPF": 254,
        }.items()
    ),
    ("CCS01", REGISTER | {"device_type": 255}, _registered(255, 90)),
    ("CCS02", {"device": DEVICE.hex()}, (axdr.octets(DEVICE),)),
    (
        "CCS03",
        {"epid": "0102030405060708", "devices": [{"device": DEVICE.hex(), "key_hash": KEY.hex()}]},
        (
            axdr.structure(
                axdr.octets(bytes(range(1, 9))),
                axdr.array(axdr.structure(axdr.octets(DEVICE), axdr.octets(KEY))),
            ),
        ),
    ),
    ("CCS07", {}, (axdr.null(), axdr.null())),
]


@pytest.mark.parametrize(("name", "args", "data"), MADE)
def test_what_a_recipe_makes(name: str, args: dict[str, Any], data: tuple[Data | None, ...]) -> None:
    recipe = RECIPES[name]
    assert recipe.data(args) == data
    assert set(args) == set(recipe.arguments)


def test_what_recipes_there_are_and_what_they_take_by_themselves() -> None:
    assert {name for name, *_ in MADE} == set(RECIPES)
    defaults = {name: dict(recipe.defaults) for name, recipe in RECIPES.items() if recipe.defaults}
    assert defaults == {"ECS81": {"locked": True}, "CCS01": {"join_time": 90}}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("ECS50", {}, "argument 'cin' is missing; give it a value"),
    ("ECS50", {"cin": "123"}, "argument 'cin': expected 4 decimal digits, got 3 characters"),
    ("ECS50", {"cin": "12345"}, "argument 'cin': expected 4 decimal digits, got 5 characters"),
    ("ECS50", {"cin": "12a4"}, "argument 'cin': expected 4 decimal digits"),
    ("ECS50", {"cin": "12\u0664\u0664"}, "argument 'cin': expected 4 decimal digits"),
    ("CS01a", {"utrn": "1" * 19}, "argument 'utrn': expected 20 decimal digits, got 19 characters"),
    ("ECS70", {"start": NOON.hex()}, "argument 'end' is missing"),
    ("ECS70", {"start": "00", "end": ONE.hex()}, "argument 'start': expected 12 octets in hexadecimal, got '00'"),
    ("ECS70", {"start": "2015-13-07T12:00:00Z", "end": ONE}, "argument 'start': expected a time such as 2015-11-07"),
    ("ECS70", {"start": "2015-11-07T12:00:00", "end": ONE}, "argument 'start': expected a time with its zone"),
    ("ECS81", {"locked": 1}, "argument 'locked': expected true or false, got 1"),
    ("CCS02", {"device": DEVICE[:7]}, "argument 'device': expected an EUI-64 such as 00-DB"),
    ("CCS02", {"device": "00db"}, "argument 'device': expected an EUI-64 such as 00-DB"),
    ("CCS01", REGISTER | {"install_code": KEY.hex()[2:]}, "argument 'install_code': expected 16 octets in hexadecimal"),
    ("CCS01", REGISTER | {"install_code": "zz"}, "argument 'install_code': expected 16 octets in hexadecimal"),
    ("CCS01", REGISTER | {"install_code": None}, "argument 'install_code': expected 16 octets in hexadecimal"),
    *(
        ("CCS01", REGISTER | {"device_type": wrong}, "argument 'device_type': expected one of ESME, GSME, HCALCS")
        for wrong in ("TV", True, None, 1.0, -1, 256)
    ),
    *(
        ("CCS01", REGISTER | {"join_time": wrong}, "argument 'join_time': expected a whole number from 0 to 65535")
        for wrong in ("90", True, 1.0, -1, 65536)
    ),
    ("CCS03", {"epid": "01" * 8, "devices": 5}, "argument 'devices': expected a list of {device, key_hash}, got 5"),
    ("CCS03", {"epid": "01" * 8, "devices": ["x"]}, "argument 'devices': expected a list of {device, key_hash}"),
    ("CCS03", {"epid": "01" * 7, "devices": []}, "argument 'epid': expected 8 octets in hexadecimal"),
    (
        "CCS03",
        {"epid": "01" * 8, "devices": [{"device": DEVICE, "key_hash": "00"}]},
        "argument 'key_hash': expected 16 octets in hexadecimal",
    ),
]


@pytest.mark.parametrize(("name", "args", "reason"), REFUSED)
def test_arguments_that_are_refused(name: str, args: dict[str, Any], reason: str) -> None:
    with pytest.raises(MachineError, match=re.escape(reason)):
        RECIPES[name].data(args)
