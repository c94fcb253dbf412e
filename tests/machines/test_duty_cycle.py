"""The share of the air that a Sub GHz device takes: thresholds met exactly, what an hour forgets, when it falls."""

from __future__ import annotations

from devices.machines.parts.duty_cycle import ABOVE, BELOW, DutyCycle, DutyCycleSettings, Step

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
DEVICE, OTHER = bytes(8), b"\x01" * 8
# A frame of 36 octets is a second of this air, a threshold of 1 a minute of an hour.
SLOW = DutyCycleSettings(rate_bps=320, overhead=4, unit=1 / 60)


def test_nobody_took_anything_yet() -> None:
    duty = DutyCycle(SLOW)
    assert (duty.share(DEVICE, 0), duty.suspended(DEVICE), duty.next_due, duty.reach(0, (1, 2, 3))) == (
        0.0,
        False,
        None,
        [],
    )
    assert (ABOVE, BELOW) == ((0x8F20, 0x8F22, 0x8F24), (0x8F21, 0x8F23, 0x8F25))


def test_each_threshold_is_a_step_up_where_it_is_met_and_down_where_it_is_not() -> None:
    duty, limits = DutyCycle(SLOW), (1, 2, 3)
    assert duty.took(DEVICE, 59 * 40 - 4, 10 * MINUTE, limits) == []
    assert duty.share(DEVICE, 10 * MINUTE) == 59 / 3600
    assert (duty.suspended(DEVICE), duty.next_due) == (False, None)
    assert duty.took(DEVICE, 36, 11 * MINUTE - 1, limits) == [Step(0x8F20, DEVICE)]
    assert (duty.suspended(DEVICE), duty.suspended(OTHER), duty.next_due) == (True, False, 10 * MINUTE + HOUR)
    assert duty.took(DEVICE, 120 * 40 - 4, 20 * MINUTE, limits) == [Step(0x8F22, DEVICE), Step(0x8F24, DEVICE)]
    assert duty.took(OTHER, 60 * 40 - 4, 15 * MINUTE, limits) == [Step(0x8F20, OTHER)]
    assert duty.reach(10 * MINUTE + HOUR - 1, limits) == []
    assert duty.reach(10 * MINUTE + HOUR, limits) == [Step(0x8F25, DEVICE)]
    assert duty.next_due == 15 * MINUTE + HOUR
    assert duty.reach(20 * MINUTE + HOUR, limits) == [Step(0x8F23, DEVICE), Step(0x8F21, DEVICE), Step(0x8F21, OTHER)]
    assert [duty.suspended(DEVICE), duty.suspended(OTHER), duty.share(DEVICE, 20 * MINUTE + HOUR)] == [
        False,
        False,
        0.0,
    ]
    assert duty.reach(99 * HOUR, limits) == []


def test_a_threshold_of_nothing_is_not_met_by_silence() -> None:
    duty = DutyCycle(SLOW)
    assert duty.took(DEVICE, 36, 0, (0, 0, 0)) == [Step(code, DEVICE) for code in ABOVE]
    assert duty.reach(HOUR, (0, 0, 0)) == [Step(code, DEVICE) for code in reversed(BELOW)]
