"""Prepayment on the meter: tokens, limits, debts, emergency credit, and the supply that depends on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devices.machines.core import Answer, Asked, ButtonPressed, PowerLost, PowerRestored, Refuse
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.parts.prepayment import PrepaymentSettings
from devices.machines.parts.tokens import TokenSettings
from devices.model import esme_objects as own
from devices.model.credentials import Cell, Credential, CredentialCells, Usage
from devices.model.roles import Role
from devices.trust.keystore import agreement_key
from devices.trust.utrn_mac import utrn_mac
from devices.wire import axdr, gbcs, utrn
from devices.wire.axdr import Data
from devices.wire.gbcs import CRA
from devices.wire.utrn import Ptut, ValueClass
from tests.machines import published
from tests.machines.meter_bench import (
    KEYS,
    METER,
    SECOND,
    SUPPLIER,
    Bench,
    cells,
    command,
    notification_of,
    response_of,
)

NOW = axdr.octets(bytes.fromhex("0000000000000000008000ff"))
PENNY, HOUR = 1000, 3600 * SECOND


def cells_with_top_up_key() -> CredentialCells:
    """The cells of a meter whose supplier's top-up key is its ordinary one."""
    held = cells()
    key = KEYS.public(agreement_key(SUPPLIER))
    held.place(Cell(Role.SUPPLIER, Usage.KEY_AGREEMENT, prepayment=True), Credential(SUPPLIER, key))
    return held


def _bench(settings: EsmeSettings | None = None) -> Bench:
    return Bench(meter=Esme(METER, KEYS, cells_with_top_up_key(), settings))


def token(number: int, value: int, value_class: ValueClass = ValueClass.HUNDREDTHS, device: bytes = METER) -> str:
    """A good token with the counter ``number`` << 32."""
    counter = number << 32
    z = KEYS.agree(agreement_key(SUPPLIER), KEYS.public(agreement_key(device)))
    bare = Ptut(utrn.truncated(counter), value_class, value, bytes(4))
    mac = utrn_mac(z, SUPPLIER, device, counter, bare.high_word)
    return utrn.encode(Ptut(bare.truncated_counter, value_class, value, mac))


def _enter(bench: Bench, number: int, digits: str) -> int:
    messages = bench.line(command("CS01a", number << 32, axdr.octets(digits.encode())))
    return response_of(messages[0]).results[0].code


def _balance(bench: Bench) -> int:
    return int(bench.meter.objects.value(*own.METER_BALANCE, 2).value)


def _prepaying(bench: Bench, counter: int = 100, threshold: int = 0) -> None:
    mode = axdr.structure(axdr.enum(own.PREPAYMENT), axdr.enum(1))
    bench.line(command("ECS03", counter, mode, axdr.i32(threshold), axdr.array(), NOW, NOW))


def _put(bench: Bench, place: tuple[int, bytes], index: int, value: Data) -> None:
    bench.meter.objects.put(*place, index, value)


def _events(bench: Bench, log: str = "event") -> list[int]:
    return [entry[1] for entry in bench.state()["logs"][log]]


def test_a_token_adds_its_value() -> None:
    bench = _bench()
    assert _enter(bench, 3, token(3, 10, ValueClass.WHOLE)) == 0
    assert _balance(bench) == 1000 * PENNY
    assert 0x810E in _events(bench)
    assert bench.saved["prepayment"]["counters"] == [3 << 32]
    credits = bench.meter.objects.value(7, bytes((0, 0, 98, 1, 5, 255)), 2).value.rows
    assert [row.value[1].value for row in credits] == [1000 * PENNY]


REFUSED: dict[str, tuple[Callable[[str], str], int]] = {
    "check digit": (lambda good: good[:-1] + str((int(good[-1]) + 1) % 10), 0x8F64),
    "letters": (lambda good: "x" + good[1:], 0x8F64),
    "of another meter": (lambda _: token(3, 10, device=bytes.fromhex("00db000000000002")), 0x8F63),
    "too much": (lambda _: token(3, 81, ValueClass.WHOLE), 0x8F5B),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tokens_that_are_refused_change_nothing_and_leave_their_trace(case: str) -> None:
    spoil, event = REFUSED[case]
    bench = _bench()
    _put(bench, own.MAXIMUM_CREDIT, 2, axdr.i32(5000 * PENNY))
    assert _enter(bench, 3, spoil(token(3, 10))) == 1
    assert _balance(bench) == 0
    assert bench.meter.functions.prepayment.tokens.used == ()
    assert event in _events(bench) + _events(bench, "security")


def test_a_token_is_good_once_typed_or_under_another_counter() -> None:
    """facts/gbcs.md 7.1 and 7.2: the command's counter is the token's own; one that is typed again is a duplicate."""
    bench = _bench()
    digits = token(3, 10)
    assert _enter(bench, 3, digits) == 0
    assert _enter(bench, 4, digits) == 1
    assert 0x8F63 in _events(bench, "security")
    bench.give(Asked("top_up", {"utrn": digits}))
    assert _balance(bench) == 10 * PENNY
    assert 0x8F51 in _events(bench, "security")


WITHIN = 7 << 32  # the counter of a command that carries a token

CONTRADICTIONS: dict[str, tuple[int, int, int, bool]] = {
    # truncated counter in the token, counter that its MAC was made with, counter of the command, whether it is good
    "all say the same": (7, WITHIN, WITHIN, True),
    # A CS01a carries all 64 bits, nothing is rebuilt there (facts/gbcs.md 7.1).
    "in a command of another counter": (7, WITHIN, 9 << 32, False),
    "in a command that no token could be made with": (7, WITHIN, WITHIN | 5, False),
    "made with the command's counter, says another": (8, WITHIN, WITHIN, False),
    "made with another counter, says the command's": (7, 8 << 32, WITHIN, False),
    "made with a counter that no token has": (7, WITHIN | 5, WITHIN | 5, False),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_token_is_good_under_the_counter_that_it_says_alone(case: str) -> None:
    said, made_with, commanded, good = CONTRADICTIONS[case]
    z = KEYS.agree(agreement_key(SUPPLIER), KEYS.public(agreement_key(METER)))
    bare = Ptut(said, ValueClass.HUNDREDTHS, 10, bytes(4))
    digits = utrn.encode(replace(bare, mac=utrn_mac(z, SUPPLIER, METER, made_with, bare.high_word)))
    bench = _bench()
    messages = bench.line(command("CS01a", commanded, axdr.octets(digits.encode())))
    assert response_of(messages[0]).results[0].code == (0 if good else 1)
    assert _balance(bench) == (10 * PENNY if good else 0)
    assert bench.meter.functions.prepayment.tokens.used == ((said << 32,) if good else ())
    assert (0x8F63 in _events(bench, "security")) is not good


def test_what_is_done_at_the_keys_is_logged_with_its_message_code() -> None:
    """facts/gbcs.md 6: 0x8161 or 0x8162 with the message code of the user interface command; nobody is told."""
    bench = _bench()
    _put(bench, own.EMERGENCY_CREDIT, 9, axdr.u16(500))
    for verb, args in (("top_up", {"utrn": token(3, 10)}), ("top_up", {"utrn": "1" * 20}), ("emergency_credit", {})):
        bench.give(Asked(verb, args))
    rows = [row[1:] for row in bench.state()["logs"]["event"] if row[1] in (0x8161, 0x8162)]
    assert rows == [[0x8161, "0116"], [0x8162, "0116"], [0x8161, "0117"]]
    assert bench.meter.functions.prepayment.emergency_active


def test_emergency_credit_that_is_active_already_is_a_success() -> None:
    """facts/gbcs.md 5.5: success if it is active afterwards, also when it was before; else other-reason 250."""
    refusing = EsmeSettings(prepayment=PrepaymentSettings(invoke_in_credit_mode=False))
    for settings, results in ((EsmeSettings(), [0, 0]), (refusing, [250, 250])):
        bench = _bench(settings)
        answered = [bench.line(command("ECS09", counter, axdr.i8(0)))[0] for counter in (1, 2)]
        assert [response_of(message).results[0].code for message in answered] == results


def test_the_cache_forgets_the_oldest_and_refuses_what_is_below_all_it_holds() -> None:
    bench = _bench(EsmeSettings(prepayment=PrepaymentSettings(TokenSettings(cache_size=2))))
    assert [_enter(bench, n, token(n, 1)) for n in (5, 6, 7)] == [0, 0, 0]
    assert bench.meter.functions.prepayment.tokens.used == (6 << 32, 7 << 32)
    before = _balance(bench)
    bench.give(Asked("top_up", {"utrn": token(2, 1)}))
    assert _balance(bench) == before
    assert 0x8F51 in _events(bench, "security")


def test_a_balance_has_its_maximum() -> None:
    bench = _bench()
    _put(bench, own.MAXIMUM_BALANCE, 2, axdr.i32(15 * PENNY))
    assert [_enter(bench, n, token(n, 10)) for n in (1, 2)] == [0, 1]
    assert _balance(bench) == 10 * PENNY
    assert 0x8F47 in _events(bench)


@pytest.mark.parametrize(("is_used", "balance"), [(False, 12), (True, 0)])
def test_whether_a_token_refused_for_its_amount_is_used_up_is_a_setting(is_used: bool, balance: int) -> None:
    """facts/gbcs.md 7.2 can be read both ways; where it is used up it is so over a power cut too."""
    tokens = TokenSettings(refused_for_amount_is_used=is_used)
    bench = _bench(EsmeSettings(prepayment=PrepaymentSettings(tokens)))
    _put(bench, own.MAXIMUM_CREDIT, 2, axdr.i32(10 * PENNY))
    assert _enter(bench, 1, token(1, 12)) == 1
    bench.give(PowerLost())
    bench.give(PowerRestored(json.loads(json.dumps(bench.saved)), 0))
    _put(bench, own.MAXIMUM_CREDIT, 2, axdr.i32(20 * PENNY))
    bench.give(Asked("top_up", {"utrn": token(1, 12)}))
    assert _balance(bench) == balance * PENNY


def test_a_payment_debt_takes_its_share_of_a_top_up() -> None:
    bench = _bench()
    _put(bench, own.PAYMENT_DEBT, 12, axdr.i32(3 * PENNY))
    _put(bench, own.PAYMENT_DEBT, 13, axdr.u16(2000))
    _put(bench, own.ACCUMULATED_DEBT, 2, axdr.i32(1 * PENNY))
    assert _enter(bench, 1, token(1, 10)) == 0
    assert _balance(bench) == 7 * PENNY
    assert bench.meter.objects.value(*own.PAYMENT_DEBT, 12) == axdr.i32(1 * PENNY)
    assert bench.meter.objects.value(*own.ACCUMULATED_DEBT, 2) == axdr.i32(0)
    assert _enter(bench, 2, token(2, 10)) == 0
    assert 0x81A9 in _events(bench)


def test_credit_runs_out_and_comes_back() -> None:
    bench = _bench()
    _put(bench, own.EMERGENCY_CREDIT, 10, axdr.i32(2 * PENNY))
    _put(bench, own.EMERGENCY_CREDIT, 9, axdr.i32(5 * PENNY))
    _put(bench, own.PAYMENT_MODE, 16, axdr.i32(4 * PENNY))
    assert _enter(bench, 1, token(1, 10)) == 0
    _prepaying(bench)
    assert bench.supply() == "enabled"
    assert isinstance(bench.give(Asked("consume", {"amount": 9 * PENNY}))[-1], Answer)
    assert _events(bench)[-2:] == [0x810D, 0x8119]
    bench.give(Asked("consume", {"amount": 2 * PENNY}))
    assert bench.supply() == "disabled"
    assert _events(bench)[-1] == 0x8F0F
    bench.give(ButtonPressed("A", 3 * SECOND))
    assert bench.supply() == "disabled"
    messages = bench.line(command("ECS09", 200, axdr.i8(0)))
    assert [r.code for r in response_of(messages[0]).results] == [0]
    assert bench.supply() == "armed"
    assert 0x8168 in _events(bench)
    assert 0x81AB in _events(bench)
    bench.give(ButtonPressed("A", 3 * SECOND))
    assert bench.supply() == "enabled"
    bench.give(Asked("consume", {"amount": 5 * PENNY}))
    assert bench.supply() == "disabled"
    assert 0x81AA in _events(bench)
    assert _enter(bench, 2, token(2, 20)) == 0
    assert bench.supply() == "armed"
    assert bench.meter.objects.value(*own.EMERGENCY_CREDIT, 2) == axdr.i32(5 * PENNY)
    assert not bench.meter.functions.prepayment.emergency_active


# What is left of 5 pence emergency credit; pence of a top up; emergency credit, balance and whether it is active after.
REPAYMENTS: dict[str, tuple[int, int, int, int, bool]] = {
    "used up, repaid in part": (0, 3, 3, 0, True),
    "used up, repaid whole": (0, 5, 5, 0, False),
    "used up, repaid and a penny": (0, 6, 5, 1, False),
    "all but a penny left": (4, 1, 5, 0, False),
    "none used": (5, 2, 5, 2, False),
}


@pytest.mark.parametrize("case", REPAYMENTS)
def test_a_top_up_repays_emergency_credit_first(case: str) -> None:
    left, pence, emergency, balance, active = REPAYMENTS[case]
    bench = _bench()
    _put(bench, own.EMERGENCY_CREDIT, 9, axdr.i32(5 * PENNY))
    messages = bench.line(command("ECS09", 200, axdr.i8(0)))
    assert response_of(messages[0]).results[0].code == 0
    bench.give(Asked("consume", {"amount": (5 - left) * PENNY}))
    assert bench.meter.objects.value(*own.EMERGENCY_CREDIT, 2) == axdr.i32(left * PENNY)
    assert _balance(bench) == 0
    assert _enter(bench, 1, token(1, pence)) == 0
    assert bench.meter.objects.value(*own.EMERGENCY_CREDIT, 2) == axdr.i32(emergency * PENNY)
    assert _balance(bench) == balance * PENNY
    assert bench.meter.functions.prepayment.emergency_active is active


def test_a_debt_that_takes_the_whole_top_up_leaves_emergency_credit_as_it_was() -> None:
    bench = _bench()
    _put(bench, own.EMERGENCY_CREDIT, 9, axdr.i32(5 * PENNY))
    bench.line(command("ECS09", 200, axdr.i8(0)))
    bench.give(Asked("consume", {"amount": 5 * PENNY}))
    _put(bench, own.ACCUMULATED_DEBT, 2, axdr.i32(4 * PENNY))
    assert _enter(bench, 1, token(1, 4)) == 0
    assert [bench.meter.objects.value(*place, 2) for place in (own.EMERGENCY_CREDIT, own.ACCUMULATED_DEBT)] == [
        axdr.i32(0),
        axdr.i32(0),
    ]
    assert bench.meter.functions.prepayment.emergency_active


@pytest.mark.parametrize(("threshold", "available"), [(2, False), (3, True)])
def test_emergency_credit_is_offered_below_its_threshold_and_not_at_it(threshold: int, available: bool) -> None:
    bench = _bench()
    _put(bench, own.EMERGENCY_CREDIT, 10, axdr.i32(threshold * PENNY))
    assert _enter(bench, 1, token(1, 10)) == 0
    _prepaying(bench)
    bench.give(Asked("consume", {"amount": 8 * PENNY}))
    assert (0x8119 in _events(bench)) is available


@pytest.mark.parametrize(("level", "low"), [(2, False), (3, True)])
def test_credit_is_low_below_its_level_and_not_at_it(level: int, low: bool) -> None:
    bench = _bench()
    _put(bench, own.PAYMENT_MODE, 16, axdr.i32(level * PENNY))
    assert _enter(bench, 1, token(1, 2)) == 0
    _prepaying(bench)
    assert (0x810D in _events(bench)) is low


def test_emergency_credit_stays_active_over_a_power_cut() -> None:
    bench = _bench()
    _put(bench, own.EMERGENCY_CREDIT, 9, axdr.i32(5 * PENNY))
    bench.line(command("ECS09", 200, axdr.i8(0)))
    bench.give(Asked("consume", {"amount": 2 * PENNY}))
    bench.cut(10 * SECOND)
    assert bench.meter.functions.prepayment.emergency_active
    bench.give(Asked("consume", {"amount": PENNY}))
    assert bench.meter.objects.value(*own.EMERGENCY_CREDIT, 2) == axdr.i32(2 * PENNY)
    assert _balance(bench) == 0


def _rate(pence: int) -> Data:
    """So many pence an instalment: the charge in hundred-thousandths of a pound, as published rates are."""
    scales = axdr.structure(axdr.i8(0), axdr.i8(-5))
    commodity = axdr.structure(axdr.u16(0), axdr.octets(bytes(6)), axdr.i8(0))
    return axdr.structure(scales, commodity, axdr.array(axdr.structure(axdr.octets(b""), axdr.i16(pence * PENNY))))


def test_a_time_debt_is_collected_by_instalments() -> None:
    bench = _bench(EsmeSettings(records_profiles=False))
    first, second = own.TIME_DEBTS
    _put(bench, first, 5, _rate(4))
    _put(bench, first, 8, axdr.u32(3600))
    _put(bench, first, 12, axdr.i32(10 * PENNY))
    _put(bench, second, 12, axdr.i32(10 * PENNY))  # without a rate nothing is collected
    bench.advance(2 * HOUR)
    assert _balance(bench) == 0
    _prepaying(bench, threshold=-100 * PENNY)
    bench.advance(HOUR)
    assert _balance(bench) == -4 * PENNY
    bench.cut(HOUR)
    assert _balance(bench) == -8 * PENNY
    assert 0x81A7 not in _events(bench)
    bench.advance(10 * HOUR)
    assert _balance(bench) == -10 * PENNY
    assert bench.meter.objects.value(*first, 12) == axdr.i32(0)
    assert bench.meter.objects.value(*second, 12) == axdr.i32(10 * PENNY)
    assert _events(bench).count(0x81A7) == 1
    assert bench.meter.functions.prepayment.next_collection is None


def test_nothing_is_switched_off_in_credit_mode() -> None:
    bench = _bench()
    bench.give(Asked("consume", {"amount": 9 * PENNY}))
    assert bench.supply() == "enabled"


def test_a_change_of_mode_is_booked() -> None:
    bench = _bench()
    _prepaying(bench)
    rows = bench.meter.objects.value(7, bytes((0, 0, 98, 1, 2, 255)), 2).value.rows
    assert len(rows) == 1
    bench.line(command("ECS02", 101, axdr.structure(axdr.enum(1), axdr.enum(1)), axdr.array(), NOW))
    assert len(bench.meter.objects.value(7, bytes((0, 0, 98, 1, 2, 255)), 2).value.rows) == 2


def test_the_calendar_may_suspend_disablement() -> None:
    bench = _bench()
    _prepaying(bench)
    always = axdr.structure(
        axdr.u16(1),
        axdr.boolean(True),
        axdr.octets(bytes.fromhex("00000a006aff")),
        axdr.u16(32),
        axdr.octets(bytes(4)),
        axdr.u16(0xFFFF),
        axdr.bits(b"\xfe", 7),
        axdr.bits(b"", 0),
        axdr.octets(b"\xff" * 5),
        axdr.octets(b"\xff" * 5),
    )
    _put(bench, (10, bytes((0, 0, 12, 0, 1, 255))), 2, axdr.array(always))
    bench.give(Asked("consume", {"amount": 9 * PENNY}))
    assert bench.supply() == "enabled"
    assert _events(bench)[-1] == 0x8F83


def test_what_was_used_is_remembered_over_a_cut() -> None:
    bench = _bench()
    assert _enter(bench, 3, token(3, 10)) == 0
    bench.cut(10 * SECOND)
    assert _balance(bench) == 10 * PENNY
    assert _enter(bench, 4, token(3, 10)) == 1


@pytest.mark.parametrize("amount", [-1, "5", None, True])
def test_credit_used_is_a_number(amount: object) -> None:
    assert isinstance(_bench().give(Asked("consume", {"amount": amount}))[-1], Refuse)


def test_published_tokens(corpus_dir: Path) -> None:
    """Every published token of the meter is taken or refused as its vector says."""
    vectors = json.loads((corpus_dir / "utrn-vectors.json").read_text("utf-8"))
    store = published.keys(corpus_dir)
    judged = 0
    for vector in vectors:
        if bytes.fromhex(vector["target"]) != published.METER:
            continue
        meter = Esme(published.METER, store, published.cells(store))
        tokens = meter.functions.prepayment.tokens
        amount, counter = tokens.judge(vector["utrn"])
        assert counter == vector["counter"]
        assert amount == vector["value"] * (100 if vector["class"] else 1) * PENNY
        judged += 1
    assert judged >= 4


def test_low_credit_is_told_to_the_supplier() -> None:
    bench = _bench()
    _put(bench, own.PAYMENT_MODE, 16, axdr.i32(4 * PENNY))
    bench.meter.out.line_up = True
    before = len(bench.sent)
    _prepaying(bench)
    response, alert = bench.sent[before:]
    assert gbcs.decode(response).cra == CRA.RESPONSE
    assert notification_of(gbcs.decode(alert)) == (0x810D, ())
