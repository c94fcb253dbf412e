"""Prepayment on an electricity meter: tokens, debts, emergency credit, and what they mean for the supply.

Amounts are kept in the meter's objects, in thousandths of a penny; what is no object (token counters used, which
thresholds were passed) is kept here and outlives a power cut.

Must not live here: whether a token is good (``tokens``), the load switch, who may command it.

Source: facts/gbcs.md 6, 7, 10.1, 10.3; the order in which a top up is spent is [our choice] where a setting says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from devices.events.accounts import TopUpAccepted, TopUpRefused
from devices.machines.core import Effect, Persist, Record
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.tokens import NOT_FOR_US, TokenRefused, Tokens, TokenSettings
from devices.model import esme_objects as own
from devices.model.credentials import CredentialCells
from devices.model.objects import AccessError, Key, Method, ObjectModel, ResultCode, Setter
from devices.trust.keystore import KeyStore
from devices.wire import axdr
from devices.wire.axdr import Data

__all__ = ["ByHand", "Occasion", "Prepayment", "PrepaymentSettings", "Refused"]

_KEY: Final = "prepayment"
OVER_CREDIT, OVER_BALANCE = 0x8F5B, 0x8F47
CREDIT_ADDED, LOW_CREDIT, BELOW_DISABLEMENT, SUSPENDED = 0x810E, 0x810D, 0x8F0F, 0x8F83
_TIME_DEBT_PAID = (0x81A7, 0x81A8)
EMERGENCY_AVAILABLE, EMERGENCY_ACTIVE, EMERGENCY_GONE, DEBT_PAID = 0x8119, 0x81AB, 0x81AA, 0x81A9

_BALANCE, _EMERGENCY = (*own.METER_BALANCE, 2), (*own.EMERGENCY_CREDIT, 2)
_EMERGENCY_LIMIT, _EMERGENCY_THRESHOLD = (*own.EMERGENCY_CREDIT, 9), (*own.EMERGENCY_CREDIT, 10)
_ACCUMULATED, _PAYMENT_DEBT, _PROPORTION = (*own.ACCUMULATED_DEBT, 2), (*own.PAYMENT_DEBT, 12), (*own.PAYMENT_DEBT, 13)
_MODE, _LOW = (*own.PAYMENT_MODE, 2), (*own.PAYMENT_MODE, 16)


@dataclass(frozen=True, slots=True)
class PrepaymentSettings:
    """What no text of the specification was found for."""

    tokens: TokenSettings = field(default_factory=TokenSettings)
    proportion_whole: int = 10_000  # a debt recovery per payment of this takes the whole payment [our choice]
    currency_exponent: int = 5  # powers of ten between a currency unit and a unit of the balance; see per_penny
    in_credit_mode: bool = True  # tokens are taken in credit mode too [our choice]
    repays_emergency: bool = True  # a top up first repays the emergency credit that was used [our choice]
    disables_supply: bool = True  # falling below the disablement threshold switches the supply off, facts/gbcs.md 10.1
    arms_supply: bool = True  # coming back above it arms the supply that it switched off [our choice]
    invoke_in_credit_mode: bool = True  # emergency credit may be commanded in credit mode; no source forbids it


class Occasion(Protocol):
    """What a top up needs of the command, or of the hand at the keys, that it came by."""

    @property
    def civil(self) -> CivilTime: ...

    @property
    def effects(self) -> list[Effect]: ...


@dataclass(frozen=True, slots=True)
class ByHand:
    """Something was done at the meter's own keys."""

    civil: CivilTime
    effects: list[Effect] = field(default_factory=list)


class Refused(AccessError):
    """A token that is not accepted; ``event`` is the code of why."""

    def __init__(self, event: int, reason: str) -> None:
        super().__init__(ResultCode.HARDWARE_FAULT, reason)  # the code of the published refusal
        self.event = event


@dataclass(slots=True)
class Change:
    """What became of the supply or the thresholds: event codes, and whether the supply is to go or to be armed."""

    events: list[int] = field(default_factory=list)
    disable: bool = False
    arm: bool = False


class Prepayment:
    """The prepayment function of one meter.

    ``note`` logs an event after the command is answered; ``credited`` is told of each top up (units).
    """

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        objects: ObjectModel[CommandContext],
        note: Callable[[int], None],
        settings: PrepaymentSettings | None = None,
        *,
        credited: Callable[[Occasion, int], None] = lambda _occasion, _amount: None,
        repaid: Callable[[Occasion, int], None] = lambda _occasion, _amount: None,
    ) -> None:
        self.objects, self.settings = objects, settings or PrepaymentSettings()
        self.tokens = Tokens(identity, keys, cells, self.settings.tokens)
        self._note, self._credited, self._repaid = note, credited, repaid
        self._since = [0] * len(own.TIME_DEBTS)  # from when the next instalment is counted, ns since 1970; 0: not
        self._passed: set[str] = set()  # thresholds below which the credit is
        self.emergency_active = False

    def methods(self) -> Mapping[Key, Method[CommandContext]]:
        """The conduct of the token gateway and of the emergency credit."""
        return {(*own.TOKEN_GATEWAY, 1): self._enter, (*own.EMERGENCY_CREDIT, 3): self._invoke}

    def setters(self) -> Mapping[Key, Setter[CommandContext]]:
        """What the payment mode may be."""
        return {(*own.PASSIVE_ACCOUNT, 2): self._planned_mode}

    @staticmethod
    def _planned_mode(data: Data, _: CommandContext) -> None:
        if data.value[0].value not in own.PAYMENT_MODES:
            raise AccessError(ResultCode.OTHER_REASON, f"no payment mode {data.value[0].value}")

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what was kept over a power cut."""
        kept = saved.get(_KEY, {})
        self.tokens.restore(int(counter) for counter in kept.get("counters", ()))
        self._since = [int(since) for since in kept.get("since", self._since)]
        self._passed, self.emergency_active = set(kept.get("passed", ())), bool(kept.get("emergency", False))

    def as_json(self) -> dict[str, Any]:
        """JSON types, for what outlives a power cut."""
        return {
            "counters": list(self.tokens.used),
            "since": list(self._since),
            "passed": sorted(self._passed),
            "emergency": self.emergency_active,
        }

    @property
    def prepaying(self) -> bool:
        """Whether the meter is in prepayment mode."""
        return bool(self.objects.value(*_MODE).value[0].value == own.PREPAYMENT)

    # ----------------------------------------------------------------------------------------------------------- tokens

    def _enter(self, data: Data, context: CommandContext) -> tuple[int, Data | None]:
        self.enter(data.value.decode("ascii", "replace"), context, context.message.counter)
        return ResultCode.SUCCESS, None

    def enter(self, digits: str, occasion: Occasion, counter: int | None = None) -> int:
        """Take a token and note what became of it; the amount.  See :meth:`top_up`."""
        used = self.tokens.used
        try:
            amount = self.top_up(digits, occasion, counter)
        except Refused as refused:
            self._note(refused.event)
            if self.tokens.used != used:
                occasion.effects.append(Persist(_KEY, self.as_json()))
            occasion.effects.append(Record(TopUpRefused(event=refused.event, reason=str(refused))))
            raise
        occasion.effects.extend([Persist(_KEY, self.as_json()), Record(TopUpAccepted(amount=amount))])
        self._note(CREDIT_ADDED)
        return amount

    def top_up(self, digits: str, occasion: Occasion, counter: int | None = None) -> int:
        """Take a token of 20 digits; the amount.  Raises :class:`Refused`, nothing changed unless a token that is
        refused for its amount is used up by that.

        ``counter`` is that of the command which carried it, None for a token that was typed.
        """
        if not (self.prepaying or self.settings.in_credit_mode):
            raise Refused(NOT_FOR_US, "the meter is in credit mode")
        try:
            amount, counter = self.tokens.judge(digits, counter)
        except TokenRefused as refused:
            raise Refused(refused.event, refused.reason) from None
        try:
            self._within_limits(amount)
        except Refused:
            self.tokens.refused_for_amount(counter)
            raise
        self.tokens.remember(counter)
        self._spend(amount, occasion)
        return amount

    def _within_limits(self, amount: int) -> None:
        credit, balance = self._amount((*own.MAXIMUM_CREDIT, 2)), self._amount((*own.MAXIMUM_BALANCE, 2))
        if amount > credit:
            raise Refused(OVER_CREDIT, f"{amount} is more than the maximum credit of {credit}")
        if self._amount(_BALANCE) + amount > balance:
            raise Refused(OVER_BALANCE, f"the balance would exceed its maximum of {balance}")

    def _spend(self, amount: int, occasion: Occasion) -> None:
        """Payment debt takes its share, then the debts and the emergency credit used, then the balance the rest."""
        share = amount * self._amount(_PROPORTION) // self.settings.proportion_whole
        paid = max(0, min(share, amount, self._amount(_PAYMENT_DEBT)))
        if paid:
            self._change(_PAYMENT_DEBT, -paid)
            self._repaid(occasion, paid)
            if self._amount(_PAYMENT_DEBT) == 0:
                self._note(DEBT_PAID)
        left = amount - paid
        owed = max(0, min(left, self._amount(_ACCUMULATED)))
        self._change(_ACCUMULATED, -owed)
        left -= owed
        if self.emergency_active and self.settings.repays_emergency:
            used = max(0, min(left, self._amount(_EMERGENCY_LIMIT) - self._amount(_EMERGENCY)))
            self._change(_EMERGENCY, used)
            left -= used
            self.emergency_active = self._amount(_EMERGENCY) < self._amount(_EMERGENCY_LIMIT)
        self._change(_BALANCE, left)
        self._credited(occasion, amount)

    # ------------------------------------------------------------------------------------------ emergency credit, usage

    def _invoke(self, _: Data, context: CommandContext) -> tuple[int, Data | None]:
        self.invoke(context)
        return ResultCode.SUCCESS, None

    def invoke(self, occasion: Occasion) -> None:
        """Activate emergency credit; that it is active already is no error (facts/gbcs.md 5.5 [page seen]).

        Raises ``AccessError`` with other-reason where it is not active afterwards.
        """
        if self.emergency_active:
            return
        if not (self.prepaying or self.settings.invoke_in_credit_mode):
            raise AccessError(ResultCode.OTHER_REASON, "there is no emergency credit in credit mode")
        self.emergency_active = True
        self._set(_EMERGENCY, self._amount(_EMERGENCY_LIMIT))
        self._note(EMERGENCY_ACTIVE)
        occasion.effects.append(Persist(_KEY, self.as_json()))

    def consume(self, amount: int) -> None:
        """Charge for energy used: the balance, then active emergency credit, then the balance goes on falling."""
        from_balance = min(amount, max(0, self._amount(_BALANCE))) if self.emergency_active else amount
        self._change(_BALANCE, -from_balance)
        rest = amount - from_balance
        from_emergency = min(rest, max(0, self._amount(_EMERGENCY)))
        self._change(_EMERGENCY, -from_emergency)
        self._change(_BALANCE, from_emergency - rest)

    # ----------------------------------------------------------------------------------------------------- time debts

    @property
    def next_collection(self) -> int | None:
        """When the next instalment of a time debt is due, ns since 1970; None while none is collected."""
        dues = [since + self._period(debt) for debt, since in zip(own.TIME_DEBTS, self._since, strict=True) if since]
        return min(dues, default=None)

    def collect(self, civil: CivilTime) -> list[int]:
        """Take the instalments of the time debts that are due from the balance; event codes of debts that are paid.

        A debt is collected in prepayment mode, while something is owed and the supplier has set a rate and a period.
        """
        events = []
        for position, debt in enumerate(own.TIME_DEBTS):
            rate, period = self._rate(debt), self._period(debt)
            while self.prepaying and rate and period and self._amount((*debt, 12)) > 0:
                self._since[position] = self._since[position] or civil.ns
                if self._since[position] + period > civil.ns:
                    break
                self._since[position] += period
                paid = min(rate, self._amount((*debt, 12)))
                self._change((*debt, 12), -paid)
                self._change(_BALANCE, -paid)
                if self._amount((*debt, 12)) == 0:
                    events.append(_TIME_DEBT_PAID[position])
            else:
                self._since[position] = 0
        return events

    def _rate(self, debt: tuple[int, bytes]) -> int:
        """One instalment in units of the balance; rates are in currency units by their scale."""
        scaling, _commodity, charges = self.objects.value(*debt, 5).value
        charge = charges.value[0].value[1].value if charges.value else 0
        exponent = scaling.value[1].value + self.settings.currency_exponent
        return max(0, int(charge * 10**exponent if exponent >= 0 else charge // 10**-exponent))

    def _period(self, debt: tuple[int, bytes]) -> int:
        return int(self.objects.value(*debt, 8).value) * 1_000_000_000

    # ----------------------------------------------------------------------------------------------------- thresholds

    def settle(self, *, disablement_allowed: bool = True) -> Change:
        """See which thresholds the credit has passed since the last time, in either direction.

        The thresholds matter in prepayment mode alone.  ``disablement_allowed`` is False while the non-disablement
        calendar forbids it.
        """
        change = Change()
        balance = self._amount(_BALANCE)
        combined = balance + (self._amount(_EMERGENCY) if self.emergency_active else 0)
        available = balance < self._amount(_EMERGENCY_THRESHOLD) and not self.emergency_active
        below = combined < self._disablement_threshold()
        self._pass("low", combined < self._amount(_LOW), LOW_CREDIT, change)
        self._pass("emergency", available, EMERGENCY_AVAILABLE, change)
        self._pass("exhausted", self.emergency_active and self._amount(_EMERGENCY) <= 0, EMERGENCY_GONE, change)
        was_off = "disablement" in self._passed
        if below and not disablement_allowed and self.prepaying and not was_off:
            self._pass("suspended", True, SUSPENDED, change)
            return change
        self._pass("suspended", False, SUSPENDED, change)
        self._pass("disablement", below, BELOW_DISABLEMENT, change)
        is_off = "disablement" in self._passed
        change.disable = is_off and not was_off and self.settings.disables_supply
        change.arm = was_off and not is_off and self.settings.arms_supply
        return change

    def persist(self) -> Sequence[Effect]:
        """What keeps this function over a power cut."""
        return [Persist(_KEY, self.as_json())]

    def _pass(self, name: str, below: bool, code: int, change: Change) -> None:
        if below and self.prepaying:
            if name not in self._passed:
                self._passed.add(name)
                change.events.append(code)
        else:
            self._passed.discard(name)

    # ---------------------------------------------------------------------------------------------------------- amounts

    def _disablement_threshold(self) -> int:
        thresholds = self.objects.value(*own.DISABLEMENT_THRESHOLD, 2).value
        return int(thresholds[0].value) if thresholds else 0

    def _amount(self, key: Key) -> int:
        return int(self.objects.value(*key).value)

    def _change(self, key: Key, by: int) -> None:
        if by:
            self._set(key, self._amount(key) + by)

    def _set(self, key: Key, amount: int) -> None:
        low, high = -0x80000000, 0x7FFFFFFF
        self.objects.put(*key, axdr.i32(max(low, min(high, amount))))
