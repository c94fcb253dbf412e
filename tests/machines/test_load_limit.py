"""The load limit by itself: when an excess is told, counted and acted upon, and when to look again."""

from __future__ import annotations

from typing import Any

from devices.machines.parts.load_limit import LoadLimit, Step, Verdict
from devices.model import esme_objects as own
from devices.model.objects import ObjectModel
from devices.wire import axdr

SECOND = 1_000_000_000
LIMITER, COUNTER = (71, bytes((0, 0, 17, 0, 0, 255))), (3, bytes((0, 0, 94, 44, 42, 255)), 2)
SUPPLY_STATE = (9000, bytes((0, 0, 94, 44, 0, 3)), 2)
ABOVE, DISABLED, RESTORED = 0x8F01, 0x8F33, 0x8F34


class _Limit:
    """A limit of 5,000 W for 60 s, restored after 120 s; times are in seconds."""

    def __init__(self, *, opens: bool = True, threshold: int = 5000, period: int = 60) -> None:
        self.objects: ObjectModel[Any] = ObjectModel(own.esme_objects(1))
        for index, number in ((4, threshold), (6, period), (7, 120)):
            self.objects.put(*LIMITER, index, axdr.u32(number))
        self.objects.put(*SUPPLY_STATE, axdr.boolean(opens))
        self.part = LoadLimit(self.objects)

    def look(self, second: float, watts: int | None = None) -> Verdict:
        return self.part.look(round(second * SECOND), watts)

    @property
    def counted(self) -> int:
        return int(self.objects.value(*COUNTER).value)


def _due(second: int) -> int:
    return second * SECOND


def test_an_excess_is_told_at_once_counted_after_its_period_and_restored_in_time() -> None:
    limit = _Limit()
    steps: list[tuple[float, int | None, Verdict]] = [
        (0, None, Verdict()),
        (1, 5000, Verdict()),  # the threshold itself is allowed
        (10, 5001, Verdict([ABOVE], due=_due(70))),
        (20, 9000, Verdict(due=_due(70))),
        (69.9, None, Verdict(due=_due(70))),
        (70, None, Verdict([DISABLED], Step.DISABLE_AND_ARM, _due(190))),
        (80, None, Verdict(due=_due(190))),  # counted once
        (90, 0, Verdict(due=_due(190))),
        (100, 6000, Verdict([ABOVE], due=_due(160))),
        (110, 0, Verdict(due=_due(190))),
        (189.9, None, Verdict(due=_due(190))),
        (190, None, Verdict([RESTORED], Step.ENABLE)),
        (191, None, Verdict()),
    ]
    for second, watts, verdict in steps:
        assert limit.look(second, watts) == verdict, second
    assert limit.counted == 1
    assert limit.part.watts == 0


def test_the_next_excess_counts_anew() -> None:
    limit = _Limit(opens=False)
    for begin in (0, 100):
        assert limit.look(begin, 6000) == Verdict([ABOVE], due=_due(begin + 60))
        assert limit.look(begin + 60) == Verdict()
        assert limit.look(begin + 70) == Verdict()
        assert limit.look(begin + 80, 100) == Verdict()
    assert limit.counted == 2


def test_without_a_period_an_excess_counts_at_once() -> None:
    assert _Limit(period=0).look(5, 6000) == Verdict([ABOVE, DISABLED], Step.DISABLE_AND_ARM, _due(125))


def test_a_threshold_of_one_watt_is_a_limit_and_one_of_none_is_none() -> None:
    assert _Limit(threshold=1).look(0, 2).events == [ABOVE]
    assert _Limit(threshold=0).look(0, 100_000) == Verdict()


def test_the_counter_stays_at_its_end() -> None:
    limit = _Limit(period=0, opens=False)
    for before, after in ((0xFFFFFFFE, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)):
        limit.objects.put(*COUNTER, axdr.u32(before))
        limit.look(0, 0)
        limit.look(0, 6000)
        assert limit.counted == after
