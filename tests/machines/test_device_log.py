"""The rules of adding to and removing from the hub's device log: facts/gbcs.md 5.4 and 10.7."""

from __future__ import annotations

from typing import Any

import pytest

from devices.machines.core import (
    AdmitDevice,
    CloseJoining,
    Effect,
    ForgetDevice,
    FormNetwork,
    OpenJoining,
    PeerJoined,
    PeerLeft,
    SetTimer,
    StopTimer,
)
from devices.machines.parts.civil_clock import CivilTime, ClockStatus
from devices.machines.parts.device_log import DeviceLog, DeviceLogSettings, Entry, Readmission
from devices.machines.parts.execution import CommandContext
from devices.model import use_cases
from devices.model.chf_objects import DEVICE_LOG, chf_objects
from devices.model.objects import AccessError, ObjectModel
from devices.model.roles import Role
from devices.trust.install_code import hashed_link_key, install_code_key
from devices.wire import axdr, gbcs
from devices.wire.axdr import Data
from devices.wire.gbcs import CRA, Message
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


# --------------------------------------------------------------------------------------------------- the log on its own


EPID, CIVIL = bytes.fromhex("0013a20041abcdef"), CivilTime(1_446_854_400 * SECOND)


def _context(now: int = 0) -> CommandContext:
    message = Message(CRA.COMMAND, 1, DEVICE, DEVICE, 0x0003, b"")
    return CommandContext(now, CIVIL, message, use_cases.by_name("CCS01"), Role.SUPPLIER, bytes)


def _bound(**settings: Any) -> tuple[DeviceLog, ObjectModel[CommandContext]]:
    objects: ObjectModel[CommandContext] = ObjectModel(chf_objects())
    log = DeviceLog(EPID, DeviceLogSettings(**settings))
    log.bind(objects)
    return log, objects


def _act(objects: ObjectModel[CommandContext], method: int, argument: Data) -> list[Effect]:
    context = _context()
    assert objects.act((*DEVICE_LOG, method), argument, context) == (0, None)
    return context.effects


def _added(eui: bytes, code: bytes, kind: int = 3) -> Data:
    return axdr.structure(axdr.octets(eui), axdr.enum(0), axdr.octets(code), axdr.enum(kind))


def test_settings_as_delivered() -> None:
    assert DeviceLogSettings() == DeviceLogSettings(
        capacity=16, history=15, readmission=Readmission.HALVES, hht_type=None
    )


def test_the_effects_of_adding_and_removing() -> None:
    log, objects = _bound(capacity=2)
    assert _act(objects, 1, _added(DEVICE, OLD)) == [log.persist(), AdmitDevice("han", DEVICE, OLD)]
    assert (log.changed, len(log), DEVICE in log, log.get(DEVICE)) == (True, 1, True, Entry(DEVICE, OLD, 3))
    log.changed = False
    assert _act(objects, 1, _added(DEVICE, NEW)) == []
    assert log.changed is False
    _act(objects, 1, _added(bytes(8), NEW))
    with pytest.raises(AccessError):
        objects.act((*DEVICE_LOG, 1), _added(b"\x01" * 8, NEW), _context())
    assert [log.joined(DEVICE, joined=state) for state in (False, True, True, False)] == [False, True, False, True]
    assert log.joined(b"\x01" * 8, joined=True) is False
    log.changed = False
    assert _act(objects, 2, axdr.octets(DEVICE)) == [log.persist(), ForgetDevice("han", DEVICE)]
    assert (log.changed, DEVICE in log) == (True, False)
    with pytest.raises(AccessError):
        objects.act((*DEVICE_LOG, 2), axdr.octets(DEVICE), _context())


def test_a_key_that_is_the_same_is_no_change_and_another_is() -> None:
    log, objects = _bound()
    _act(objects, 1, _added(DEVICE, OLD))
    for code, changed in ((OLD, True), (OLD, False), (NEW, True)):
        entry = log.get(DEVICE)
        assert entry is not None
        log.changed, entry.install_code = False, code
        log.joined(DEVICE, joined=True)
        assert (log.changed, entry.key_hash.hex()) == (changed, _hash(code))
        log.joined(DEVICE, joined=False)
    log.changed = True
    log.joined(DEVICE, joined=True)
    assert log.changed is True, "what is still to be told stays so"


def test_the_history_keeps_its_newest_and_one_timer_while_an_old_key_is_tried() -> None:
    log, objects = _bound(history=2)
    devices = [bytes((n,)) * 8 for n in range(4)]
    for eui in devices:
        _act(objects, 1, _added(eui, eui * 2))
        log.joined(eui, joined=True)
        _act(objects, 2, axdr.octets(eui))
    assert [row[0] for row in log.persist().value["history"]] == [eui.hex() for eui in devices[2:]]
    for eui in (devices[0], devices[2], devices[3]):
        known = eui != devices[0]
        admitted = AdmitDevice("han", eui, eui * 2 if known else NEW)
        assert _act(objects, 1, _added(eui, NEW)) == [log.persist(), admitted]
    assert _act(objects, 2, axdr.octets(devices[2])) == [log.persist(), ForgetDevice("han", devices[2])]
    assert _act(objects, 2, axdr.octets(devices[0])) == [log.persist(), ForgetDevice("han", devices[0])]
    stop = StopTimer("device_log.old_key")
    assert _act(objects, 2, axdr.octets(devices[3])) == [log.persist(), ForgetDevice("han", devices[3]), stop]
    assert (log.fired("device_log.old_key"), log.fired("other")) == ([], None)


@pytest.mark.parametrize(
    ("readmission", "opened", "tried"), [(Readmission.HALVES, 101, 50.5), (Readmission.FULL_PERIOD_EACH, 202, 101)]
)
def test_how_long_joining_is_open(readmission: Readmission, opened: int, tried: float) -> None:
    log, objects = _bound(readmission=readmission)
    objects.put(*DEVICE_LOG, 3, axdr.u16(101))
    known = Entry(DEVICE, NEW, old_code=OLD)

    def enabled(on: bool, now: int = 7) -> list[Effect]:
        context = _context(now)
        objects.set((*DEVICE_LOG, 2), axdr.boolean(on), context)
        return context.effects

    assert enabled(True) == [OpenJoining("han", opened)]
    log._entries[DEVICE] = known
    timer = SetTimer("device_log.old_key", 7 + int(tried * SECOND))
    assert enabled(True) == [OpenJoining("han", opened), timer]
    assert enabled(False) == [CloseJoining("han")]
    assert log.fired("device_log.old_key") == [AdmitDevice("han", DEVICE, NEW)]
    assert known.old_code == b""


def test_a_log_is_taken_over_from_a_hub_that_was_replaced() -> None:
    log, objects = _bound(capacity=2)
    _act(objects, 1, _added(DEVICE, OLD))
    rows = [axdr.structure(axdr.octets(bytes((n,)) * 8), axdr.octets(bytes((n,)) * 16)) for n in (1, 2, 3)]
    log.changed = False
    with pytest.raises(AccessError):
        objects.act((*DEVICE_LOG, 5), axdr.structure(axdr.octets(bytes(8)), axdr.array(*rows)), _context())
    assert (log.changed, log.epid, DEVICE in log) == (False, EPID, True)
    given = axdr.structure(axdr.octets(bytes(8)), axdr.array(*rows[:2]))
    assert _act(objects, 5, given) == [log.persist(), FormNetwork("han", bytes(8))]
    assert (log.changed, log.epid) == (True, bytes(8))
    assert list(log) == [Entry(bytes((n,)) * 8, key_hash=bytes((n,)) * 16) for n in (1, 2)]
    again, _ = _bound()
    again.restore({})
    assert (again.epid, len(again)) == (EPID, 0)
    again.restore({"device_log": log.persist().value})
    assert (again.epid, list(again), again.persist()) == (bytes(8), list(log), log.persist())


def test_the_statistics_of_each_device() -> None:
    log, objects = _bound()
    log._entries[DEVICE] = Entry(DEVICE, sent=300, failed=256)
    rows = objects.get((*DEVICE_LOG, 4), _context())
    never = "ffffffffffffffffff8000ff"
    expected = "01 01 02 0e 09 08 00db1234567890b0 04 08 80 0f00 0f00 0f00 1100 1100 1100"
    assert axdr.encode(rows).hex() == f"{expected}090c{never}110111ff11ff11001100".replace(" ", "")
    log._entries[DEVICE] = Entry(DEVICE, joined=True, sent=2, failed=1)
    log.heard(DEVICE, CivilTime(CIVIL.ns, ClockStatus.UNRELIABLE))
    log.heard(bytes(8), CIVIL)
    heard = expected.replace("04 08 80", "04 08 c0")
    rows = objects.get((*DEVICE_LOG, 4), _context())
    assert axdr.encode(rows).hex() == f"{heard}090c07df0b07ff00000000800002110111011102 11001100".replace(" ", "")
    assert len(log) == 1
