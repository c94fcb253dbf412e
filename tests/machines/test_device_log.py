"""The rules of adding to and removing from the hub's device log: facts/gbcs.md 5.4 and 10.7."""

from __future__ import annotations

from typing import Any

import pytest

from devices.machines.core import PeerJoined, PeerLeft
from devices.machines.parts.device_log import DeviceLogSettings, Readmission
from devices.trust.install_code import hashed_link_key, install_code_key
from devices.wire import gbcs
from tests.machines.lab import SECOND, House
from tests.machines.test_comms_hub import ask_log

DEVICE = bytes.fromhex("00db1234567890b0")
OLD, NEW = bytes(range(16)), bytes(range(16, 32))


def _hash(code: bytes) -> str:
    return hashed_link_key(install_code_key(code)).hex()


class Hub:
    """A hub in its house; what the broker was told of its log."""

    def __init__(self, **settings: Any) -> None:
        self.house = House(device_log=DeviceLogSettings(**settings))
        self.house.lab.run(2 * SECOND)
        self.counter = 100

    def add(self, code: bytes, device: bytes = DEVICE, kind: str = "PPMID", seconds: int = 100) -> list[int]:
        args = {"device": device.hex(), "install_code": code.hex(), "device_type": kind, "join_time": seconds}
        return ask_log(self.house, "CCS01", **args)

    def remove(self, device: bytes = DEVICE) -> list[int]:
        return ask_log(self.house, "CCS02", device=device.hex())

    def joins(self, device: bytes = DEVICE) -> None:
        self.house.lab.feed("hub", PeerJoined("han", device))
        self.house.lab.run(SECOND)

    @property
    def admitted(self) -> bytes | None:
        """The code by which the radio would let the device in now."""
        return self.house.lab.stations["hub"].admitted.get(DEVICE)

    @property
    def told(self) -> list[str]:
        """The hash of the device in each CS14 so far; "" where it has none, "-" where it is not in the log."""
        sent = [send for _, name, send in self.house.lab.sent if name == "hub" and send.port == "wan"]
        messages = [gbcs.decode(send.octets) for send in sent]
        return [_row_of(DEVICE, one.payload.hex()) for one in messages if one.message_code == 0x0018]

    def history(self) -> str:
        ask_log(self.house, "CCS07")
        return str(self.house.lab.stations["broker"].kinds("party.received")[-1]["data"][1])


def _row_of(device: bytes, octets: str) -> str:
    _, found, rest = octets.partition("0908" + device.hex())
    if not found:
        return "-"
    return rest[4 : 4 + 2 * int(rest[2:4], 16)]


def test_a_new_device_has_no_hash_and_the_key_that_lets_it_in_is_told() -> None:
    """facts/gbcs.md 5.4: CS14 at every addition and change of a hashed key; a new device has a zero-length hash."""
    hub = Hub()
    assert hub.add(OLD) == [0, 0, 0]
    assert (hub.told, hub.admitted) == ([""], OLD)
    hub.joins()
    assert hub.told == ["", _hash(OLD)]


def test_a_device_that_comes_back_with_its_key_changes_nothing() -> None:
    """facts/gbcs.md 5.4: additions, removals and changes of a hashed key are told, and nothing else."""
    hub = Hub()
    hub.add(OLD)
    hub.joins()
    hub.house.lab.feed("hub", PeerLeft("han", DEVICE))
    hub.joins()
    assert hub.told == ["", _hash(OLD)]


def test_adding_what_is_there_throws_the_key_away_and_succeeds() -> None:
    """facts/gbcs.md 5.4 and 10.7 [page seen, current]."""
    hub = Hub()
    hub.add(OLD)
    hub.joins()
    before = hub.told
    assert hub.add(NEW) == [0, 0, 0]
    assert hub.told == before
    hub.house.lab.feed("hub", PeerLeft("han", DEVICE))
    hub.joins()
    assert hub.told == before
    assert hub.admitted == OLD


def _was_here(**settings: Any) -> Hub:
    hub = Hub(**settings)
    hub.add(OLD)
    hub.joins()
    hub.remove()
    return hub


@pytest.mark.parametrize(("after_s", "code"), [(10, OLD), (60, NEW)])
def test_a_known_device_is_tried_with_its_old_key_first(after_s: int, code: bytes) -> None:
    """facts/gbcs.md 10.7: the first half of join_timeout for the old key, the second for the install code; the key
    that it communicates with goes to the log and into a second CS14."""
    hub = _was_here()
    before = len(hub.told)
    hub.add(NEW, seconds=100)
    assert hub.told[before:] == [""]
    hub.house.lab.run(after_s * SECOND)
    assert hub.admitted == code
    hub.joins()
    assert hub.told[before:] == ["", _hash(code)]


def test_an_older_text_gives_each_key_the_whole_period() -> None:
    """facts/gbcs.md 10.7: variant full-period-each."""
    hub = _was_here(readmission=Readmission.FULL_PERIOD_EACH)
    hub.add(NEW, seconds=4000)
    hub.house.lab.run(3900 * SECOND)
    assert hub.admitted == OLD
    hub.house.lab.run(200 * SECOND)
    assert hub.admitted == NEW
    assert hub.house.lab.stations["hub"].joining_until > hub.house.lab.now + 3600 * SECOND


def test_a_stranger_to_the_history_is_tried_with_its_install_code_alone() -> None:
    """facts/gbcs.md 10.7."""
    hub = Hub()
    hub.add(NEW, seconds=100)
    assert hub.admitted == NEW
    hub.house.lab.run(60 * SECOND)
    assert hub.admitted == NEW


def test_history_is_updated_and_keeps_no_terminal_and_no_proxy() -> None:
    """facts/gbcs.md 10.7: a record that exists is updated; a GPF can never be in it, nor an HHT."""
    hub = _was_here(hht_type=130)
    hub.add(NEW, seconds=100)
    hub.house.lab.run(60 * SECOND)
    hub.joins()
    hub.remove()
    history = hub.history()
    assert history.count("0908" + DEVICE.hex()) == 1
    assert _row_of(DEVICE, history) == _hash(NEW)
    for number, kind in enumerate(("GPF", "CAD")):
        other = bytes((number,)) * 8
        hub.add(OLD, other, kind)
        hub.joins(other)
        hub.remove(other)
        assert other.hex() not in hub.history()


def test_what_a_hub_knows_of_keys_outlives_a_power_cut() -> None:
    hub = _was_here()
    hub.house.lab.power_off("hub")
    hub.house.lab.power_on("hub")
    hub.house.lab.run(2 * SECOND)
    hub.add(NEW, seconds=100)
    assert hub.admitted == OLD
