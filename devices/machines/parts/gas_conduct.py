"""What a gas meter and its proxy do themselves: the calls that ``zcl_conduct.json`` leaves to the device, and records.

Amounts are kept in the attributes of the prepayment cluster, in thousandths of a penny; what is no attribute (counters
of used tokens, whether sampling runs) is kept here and outlives a power cut.

Must not live here: what the table says (``gbz_steps``, ``gbz_answers``), the valve's states (``valve``), the network.

Source: facts/gbcs.md 5.2, 5.5, 6, 7, 10.2, 10.3, 10.6; facts/use-cases.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.events.accounts import EmergencyCreditSelected, TopUpAccepted, TopUpRefused
from devices.machines.core import Effect, Persist, Record, Show
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.gbz_steps import Act, Call, Status, ZclRefusal, number, records
from devices.machines.parts.tokens import TokenRefused, Tokens
from devices.machines.parts.valve import Valve, ValveEvent
from devices.model import gas_records
from devices.model.alerts import Log
from devices.model.zcl_objects import ClusterModel, Entry
from devices.wire.zcl_fields import Command, Value

__all__ = ["GasConduct", "GasSettings", "Sampling"]

BALANCE, EMERGENCY, CREDIT_STATUS, ACCUMULATED = (0x0705, 1), (0x0705, 2), (0x0705, 3), (0x0705, 5)
EMERGENCY_LIMIT, MAXIMUM_CREDIT, MAXIMUM_TOP_UP = (0x0705, 0x10), (0x0705, 0x21), (0x0705, 0x22)
DEBTS = ((0x0705, 0x0211), (0x0705, 0x0221), (0x0705, 0x0231))
PAYMENT_DEBT, PAYMENT_SHARE = DEBTS[2], (0x0705, 0x0239)
TRAILING_DIGIT, FIRST_PRICE, FIRST_TIER_PRICE = (0x0700, 0x0617), (0x0700, 0x0400), (0x0700, 0x0410)
MODE, LOW_LEVEL, CUT_OFF = (0x0705, 0), (0x0705, 0x31), (0x0705, 0x40)
PREPAYING = 0x0002  # bit of the payment control configuration: set in published prepayment modes, clear in credit mode
SELECTED = 0x10  # bit of CreditStatus: emergency credit selected [recalled]

ARMED, CLEARED, CREDIT_ADDED, EMERGENCY_ACTIVE, DEBT_PAID = 0x8F32, 0x8F52, 0x810E, 0x81AB, 0x81A9
OVER_CREDIT, OVER_BALANCE, LOW_CREDIT, BELOW_CUT_OFF = 0x8F5B, 0x8F47, 0x810D, 0x8F0F
EVENT_LOG_ASKED = 3  # the one log that a command may clear (CS11)


@dataclass(frozen=True, slots=True)
class GasSettings:
    """What no text of the specification was found for."""

    share_whole: int = 10_000  # a debt recovery percentage of this takes the whole top up [our choice]
    accepted: int = 0x00  # Result Type of a top up that was taken [published responses]
    rejected: int = 0x01  # of one that was not [published response to a bad token]
    network_sample: int = 2  # Sample ID of the network data log [published responses]
    invoke_in_credit_mode: bool = True  # emergency credit may be selected in credit mode; no source forbids it
    disables_supply: bool = True  # credit below the cut-off value closes the valve, above it arms it [our choice]
    tier: int = 1  # the price tier in use under a time-of-use tariff; no calendar is run [our choice]
    # Which logs of the Events cluster are the device's own event and security log (CS10a, CS10b: 3 and 4 for the meter,
    # 6 and 7 for the proxy; facts/use-cases.md).
    event_log: int = 3
    security_log: int = 4


@dataclass(frozen=True, slots=True)
class Sampling:
    """The network data log that is being written: when the next sample ends (seconds since 2000), how long each is,
    and how many are still to come."""

    at: int
    interval: int
    left: int

    @property
    def following(self) -> Sampling | None:
        """What is left after the next sample."""
        return Sampling(self.at + self.interval, self.interval, self.left - 1) if self.left > 1 else None


@dataclass(slots=True)
class GasConduct:
    """The conduct of one device.

    ``valve`` and ``tokens`` are None where it has none (the proxy).  ``note`` is told of events, which the machine logs
    and sends on once the command is answered.
    """

    clusters: ClusterModel
    valve: Valve | None = None
    tokens: Tokens | None = None
    settings: GasSettings = field(default_factory=GasSettings)
    note: Callable[[int], None] = lambda _code: None
    private_pin: bool = False
    sampling: Sampling | None = None
    passed: set[str] = field(default_factory=set)  # thresholds that the credit is below
    _paid: list[Command] | None = None  # debt payments of the last top up, until somebody takes them; None: no top up

    def calls(self) -> Mapping[str, Call]:
        """The calls by the names of the table."""
        return {
            "change supply": self._change_supply,
            "top up": self._top_up,
            "select emergency credit": self._select_emergency_credit,
            "total debt": self._total_debt,
            "price": self._price,
            "price tier": self._price_tier,
            "start sampling": self._start_sampling,
            "show message": self._show_message,
            "show CIN": self._show_cin,
            "disable privacy PIN": self._disable_pin,
            "configure events": self._configure_events,
            "clear log": self._clear_log,
        }

    def as_json(self) -> dict[str, Any]:
        """JSON types, for what outlives a power cut."""
        used = list(self.tokens.used) if self.tokens else []
        sampling = None if self.sampling is None else [self.sampling.at, self.sampling.interval, self.sampling.left]
        return {"tokens": used, "pin": self.private_pin, "sampling": sampling, "passed": sorted(self.passed)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what was kept."""
        kept = saved.get("gas", {})
        self.private_pin = bool(kept.get("pin"))
        self.sampling = Sampling(*kept["sampling"]) if kept.get("sampling") else None
        self.passed = set(kept.get("passed", ()))
        if self.tokens is not None:
            self.tokens.restore(kept.get("tokens", ()))

    def log(self, log: Log, civil: CivilTime, code: int, data: bytes = b"") -> list[Effect]:
        """Write one line into a log of the device."""
        which = self.settings.security_log if log is Log.SECURITY else self.settings.event_log
        self.clusters.keep("events", Entry(gas_records.event(which, code, civil.zcl, data)))
        return [Persist("clusters", self.clusters.as_json())]

    # ----------------------------------------------------------------------------------------------------------- supply

    def _change_supply(self, command: Command, act: Act) -> None:
        if self.valve is None:
            raise ZclRefusal(Status.UNSUPPORTED_COMMAND, "this device has no valve")
        event = _SUPPLY.get(number(dict(command.fields)["Proposed Supply Status"]))
        if event is None:
            raise ZclRefusal(Status.INVALID_VALUE, "no command opens the valve: it is closed (0) or armed (1)")
        act.effects += self.valve.change(event, act.cause, act.now)
        if event is ValveEvent.ARM:
            self.note(ARMED)

    # ------------------------------------------------------------------------------------------------------- prepayment

    def _top_up(self, command: Command, act: Act) -> Mapping[str, Value]:
        fields = dict(command.fields)
        source, digits = fields["Originating Device"], fields["TopUp Code"]
        assert isinstance(digits, bytes)
        try:
            amount = self.enter(digits.decode("ascii", "replace"), act)
        except TokenRefused:
            return {
                "Result Type": self.settings.rejected,
                "Top Up Value": -1,
                "Source of Top up": source,
                "Credit Remaining": -1,
            }
        return {
            "Result Type": self.settings.accepted,
            "Top Up Value": amount,
            "Source of Top up": source,
            "Credit Remaining": self.clusters.get(BALANCE),
        }

    def enter(self, digits: str, act: Act) -> int:
        """Take a token and note what became of it; the amount.  Raises :class:`TokenRefused`, nothing changed unless a
        token that is refused for its amount is used up by that; :class:`ZclRefusal` where the device takes none."""
        if self.tokens is None:
            raise ZclRefusal(Status.UNSUPPORTED_COMMAND, "this device takes no tokens")
        used = self.tokens.used
        try:
            amount = self._take(self.tokens, digits, act)
        except TokenRefused as refused:
            self.note(refused.event)
            if self.tokens.used != used:
                act.effects.append(Persist("gas", self.as_json()))
            act.effects.append(Record(TopUpRefused(event=refused.event, reason=refused.reason)))
            raise
        act.effects += [Persist("gas", self.as_json()), Record(TopUpAccepted(amount=amount))]
        self.note(CREDIT_ADDED)
        return amount

    def _take(self, tokens: Tokens, digits: str, act: Act) -> int:
        commanded = act.counter if act.remote else None
        amount, counter = tokens.judge(digits, commanded)
        try:
            self._within_limits(amount)
        except TokenRefused:
            tokens.refused_for_amount(counter)
            raise
        tokens.remember(counter)
        self._paid = []
        self._spend(amount, act)
        self.clusters.keep("top_ups", Entry(gas_records.top_up(digits.encode("ascii"), amount, act.civil.zcl)))
        return amount

    def _within_limits(self, amount: int) -> None:
        if amount > self._amount(MAXIMUM_TOP_UP):
            raise TokenRefused(OVER_CREDIT, f"{amount} is more than the maximum of one top up")
        if self._amount(BALANCE) + amount > self._amount(MAXIMUM_CREDIT):
            raise TokenRefused(OVER_BALANCE, f"the balance would exceed {self._amount(MAXIMUM_CREDIT)}")

    def _spend(self, amount: int, act: Act) -> None:
        """Payment debt takes its share, then the accumulated debt, then the balance the rest [our choice]."""
        share = amount * self._amount(PAYMENT_SHARE) // self.settings.share_whole
        paid = max(0, min(share, self._amount(PAYMENT_DEBT)))
        if paid:
            left = self._amount(PAYMENT_DEBT) - paid
            self.clusters.set(PAYMENT_DEBT, left)
            payment = gas_records.debt_payment(act.civil.zcl, paid, left)
            self.clusters.keep("debt_payments", Entry(payment))
            self._paid = [payment]
            if left == 0:
                self.note(DEBT_PAID)
        self._add(BALANCE, amount - paid)

    def take_paid(self) -> list[Command] | None:
        """The debt payments of the top up since the last call, None where there was none."""
        paid, self._paid = self._paid, None
        return paid

    def spend(self, price: int) -> None:
        """Charge for gas used: the balance, then emergency credit that was selected, then the balance again."""
        selected = bool(self._amount(CREDIT_STATUS) & SELECTED)
        from_balance = min(price, max(0, self._amount(BALANCE))) if selected else price
        from_emergency = min(price - from_balance, max(0, self._amount(EMERGENCY)))
        self.clusters.set(EMERGENCY, self._amount(EMERGENCY) - from_emergency)
        self._add(BALANCE, from_emergency - price)

    def settle(self, now: int) -> list[Effect]:
        """See which thresholds the credit has passed: below the cut-off value the valve closes, above it is armed.

        They matter in prepayment mode alone.
        """
        prepaying = bool(self._amount(MODE) & PREPAYING)
        credit = self._amount(BALANCE)
        if self._amount(CREDIT_STATUS) & SELECTED:
            credit += self._amount(EMERGENCY)
        self._pass("low", prepaying and credit < self._amount(LOW_LEVEL), LOW_CREDIT)
        was_off = "off" in self.passed
        is_off = prepaying and credit < self._amount(CUT_OFF)
        self._pass("off", is_off, BELOW_CUT_OFF)
        if self.valve is None or was_off == is_off or not self.settings.disables_supply:
            return []
        kept: list[Effect] = [Persist("gas", self.as_json())]
        if is_off:
            return [*kept, *self.valve.change(ValveEvent.CLOSE, "credit below the cut-off value", now)]
        self.note(ARMED)
        return [*kept, *self.valve.change(ValveEvent.ARM, "credit above the cut-off value", now)]

    def _pass(self, name: str, below: bool, code: int) -> None:
        if below and name not in self.passed:
            self.note(code)
        (self.passed.add if below else self.passed.discard)(name)

    def _select_emergency_credit(self, _: Command, act: Act) -> None:
        self.activate_emergency_credit(act)

    def activate_emergency_credit(self, act: Act) -> None:
        """That it is selected already is no error; what is not active afterwards is (facts/gbcs.md 5.5 [page seen])."""
        if self._amount(CREDIT_STATUS) & SELECTED:
            return
        if not (self._amount(MODE) & PREPAYING or self.settings.invoke_in_credit_mode):
            raise ZclRefusal(Status.FAILURE, "there is no emergency credit in credit mode")
        self.clusters.set(CREDIT_STATUS, self._amount(CREDIT_STATUS) | SELECTED)
        self.clusters.set(EMERGENCY, self._amount(EMERGENCY_LIMIT))
        self.note(EMERGENCY_ACTIVE)
        act.effects.append(Record(EmergencyCreditSelected(selected=True, remaining=self._amount(EMERGENCY))))

    def _total_debt(self, _: Command, __: Act) -> None:
        self.clusters.set(ACCUMULATED, sum(self._amount(debt) for debt in DEBTS))

    # ----------------------------------------------------------------------------------------------------------- prices

    def _price_tier(self, _: Command, __: Act) -> Mapping[str, Value]:
        """The trailing digit in the high nibble, the tier in use in the low one (0 under a block tariff)."""
        tier = self.settings.tier if self._time_of_use() else 0
        return {"price tier": self._amount(TRAILING_DIGIT) & 0xF0 | tier}

    def _price(self, _: Command, __: Act) -> Mapping[str, Value]:
        where = FIRST_PRICE
        if self._time_of_use():
            where = (FIRST_TIER_PRICE[0], FIRST_TIER_PRICE[1] + 0x10 * (self.settings.tier - 1))
        return {"price": self._amount(where)}

    def _time_of_use(self) -> bool:
        tariffs = self.clusters.entries("tariffs")
        return bool(tariffs) and number(tariffs[-1].fields["Tariff Type / Charging Scheme"]) >> 4 == 0

    # ---------------------------------------------------------------------------------------- sampling, display, events

    def _start_sampling(self, command: Command, act: Act) -> Mapping[str, Value]:
        """A new log begins; until its first sample is taken it holds none."""
        asked = dict(command.fields)
        interval, most = number(asked["SampleRequest Interval"]), number(asked["MaxNumberof Samples"])
        if interval == 0:
            raise ZclRefusal(Status.INVALID_VALUE, "an interval between samples of no seconds")
        ring = gas_records.samples(self.settings.network_sample, act.civil.zcl, interval)
        self.clusters.keep("samples", Entry(ring))
        self.sampling = Sampling(act.civil.zcl + interval, interval, most) if most else None
        act.effects.append(Persist("gas", self.as_json()))
        return {"Sample ID": self.settings.network_sample}

    def _show_message(self, command: Command, act: Act) -> None:
        act.effects.append(Show(str(dict(command.fields)["Message"])))

    def _show_cin(self, command: Command, act: Act) -> None:
        cin = dict(command.fields)["CustomerID Number"]
        act.effects.append(Show(f"CIN {cin.decode('ascii', 'replace') if isinstance(cin, bytes) else cin}"))

    def _disable_pin(self, command: Command, act: Act) -> None:
        if number(dict(command.fields)["Password Type"]) != _PRIVACY_PIN:
            raise ZclRefusal(Status.INVALID_VALUE, "only the privacy PIN (type 2) can be disabled")
        self.private_pin = False
        act.effects.append(Persist("gas", self.as_json()))

    def _configure_events(self, command: Command, _: Act) -> None:
        """Write the mask of each event that is listed; with one that the device does not have nothing is written."""
        asked = dict(command.fields)
        (choice,) = records(asked["Event Configuration Payload"])
        listed = dict(choice).get("Event IDs")
        if listed is None:
            raise ZclRefusal(Status.INVALID_VALUE, "events are configured by a list of their identifiers")
        mask, wanted = asked["Event Configuration"], {number(dict(one)["Event ID"]) for one in records(listed)}
        (held,) = self.clusters.entries("event_configurations")
        rows = [dict(row) for row in records(held.fields["Event Configuration Payload"])]
        unknown = wanted - {number(row["Event ID"]) for row in rows}
        if unknown:
            raise ZclRefusal(Status.NOT_FOUND, f"no events {sorted(f'{code:04X}' for code in unknown)}")
        for row in rows:
            if row["Event ID"] in wanted:
                row["Event Configuration"] = mask
        self.clusters.keep("event_configurations", Entry(gas_records.event_configuration(rows)))

    def _clear_log(self, command: Command, _: Act) -> Mapping[str, Value]:
        """The event log alone can be cleared, never the security log."""
        asked = number(dict(command.fields)["Log ID"])
        if asked != EVENT_LOG_ASKED:
            return {"ClearedEventsLogs": 0}
        mine = [entry for entry in self.clusters.entries("events") if self._is_of(entry, self.settings.event_log)]
        self.clusters.drop("events", mine)
        self.note(CLEARED)
        return {"ClearedEventsLogs": 1 << asked}

    def _is_of(self, entry: Entry, log: int) -> bool:
        return all(dict(record)["Log ID"] == log for record in records(entry.fields["Log Payload"]))

    def _amount(self, where: tuple[int, int]) -> int:
        return number(self.clusters.get(where))

    def _add(self, where: tuple[int, int], amount: int) -> None:
        self.clusters.set(where, max(-(1 << 31), min(self._amount(where) + amount, (1 << 31) - 1)))


_SUPPLY = {0: ValveEvent.CLOSE, 1: ValveEvent.ARM}
_PRIVACY_PIN = 2
