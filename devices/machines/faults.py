"""Faulty devices, made from the good ones by replacing one check or one step.

They exist to prove the tests: a suite that passes a device from this table where its requirement is judged is no suite.
A fault is never a copy of a machine: it is a setting or a policy of the good one.

Must not live here: machines, or what a test says about them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from devices.machines.comms_hub import CommsHub, HubSettings
from devices.machines.core import Machine
from devices.machines.esme import Esme
from devices.machines.esme_settings import EsmePolicy, EsmeSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.han_device import HanSettings
from devices.machines.hht import HandHeldTerminal, HhtSettings
from devices.machines.parts.contactor import TRANSITIONS, Supply, SupplyEvent
from devices.machines.parts.outage import RESTORED
from devices.machines.parts.valve import TRANSITIONS as VALVE_TRANSITIONS
from devices.machines.parts.valve import ValveEvent, ValveState
from devices.model import use_cases
from devices.model.credentials import CredentialCells
from devices.trust.keystore import KeyStore
from devices.wire.gbcs import Message

__all__ = ["FAULTS", "FAULTY", "EsmeChange", "Fault", "GsmeChange", "fault", "make_faulty", "names"]

T = TypeVar("T")
EsmeChange = Callable[[EsmeSettings, EsmePolicy], tuple[EsmeSettings, EsmePolicy]]
GsmeChange = Callable[[GsmeSettings], GsmeSettings]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the ``device`` it is of, what it does in one line, the ``requirement`` that it breaks.

    ``judged_by`` is what catches it: a clause, what the bench file declares of the device, or a default of ours, by
    which it is only observed.

    ``change`` makes a faulty electricity meter of a good one, ``gas`` a faulty gas meter; neither is there for hubs and
    terminals, whose faults are names in their settings.  ``endpoints_off`` is a fault of the radio beside the machine:
    frames leave from an endpoint that is so many further than the one that the device is set to.
    """

    name: str
    device: str
    doc: str
    requirement: str
    change: EsmeChange | None = None
    gas: GsmeChange | None = None
    judged_by: str = "clause"
    endpoints_off: int = 0


def _the_machine_as_it_is(settings: EsmeSettings, policy: EsmePolicy) -> tuple[EsmeSettings, EsmePolicy]:
    return settings, policy


def _skips(*checks: str) -> EsmeChange:
    def change(settings: EsmeSettings, policy: EsmePolicy) -> tuple[EsmeSettings, EsmePolicy]:
        skipped = settings.commands.skipped_checks | set(checks)
        return replace(settings, commands=replace(settings.commands, skipped_checks=skipped)), policy

    return change


def _policy(**steps: Any) -> EsmeChange:
    def change(settings: EsmeSettings, policy: EsmePolicy) -> tuple[EsmeSettings, EsmePolicy]:
        return settings, replace(policy, **steps)

    return change


def _commands(**values: Any) -> EsmeChange:
    def change(settings: EsmeSettings, policy: EsmePolicy) -> tuple[EsmeSettings, EsmePolicy]:
        return replace(settings, commands=replace(settings.commands, **values)), policy

    return change


def _contactor(**values: Any) -> EsmeChange:
    def change(settings: EsmeSettings, policy: EsmePolicy) -> tuple[EsmeSettings, EsmePolicy]:
        return replace(settings, contactor=replace(settings.contactor, **values)), policy

    return change


def _valve(**values: Any) -> GsmeChange:
    return lambda settings: replace(settings, valve=replace(settings.valve, **values))


def _off_when_on(supply: Supply) -> Supply:
    return Supply.DISABLED if supply is Supply.ENABLED else supply


def _closed_when_armed(supply: Supply) -> bool:
    return supply is not Supply.DISABLED


def _never(_: Supply) -> bool:
    return False


def _without(key: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    return lambda saved: {name: value for name, value in saved.items() if name != key}


def _always_short(_: int | None) -> int:
    return RESTORED


def _stale(response: Message) -> Message:
    return replace(response, counter=response.counter - 1)


_NO_BUTTON = {pair: state for pair, state in TRANSITIONS.items() if pair[1] is not SupplyEvent.LOCAL_ACT}

_OPENS_FROM_AFAR = {**VALVE_TRANSITIONS, (ValveState.OFF, ValveEvent.ARM): ValveState.ON}
_OPENS_UNARMED = {**VALVE_TRANSITIONS, (ValveState.OFF, ValveEvent.LOCAL_ENABLE): ValveState.ON}

_TABLE = (
    Fault("accepts-replays", "ESME", "executes a command whose counter it has seen", "HHT-2", _skips("replay")),
    Fault(
        "reports-off-when-on",
        "ESME",
        "reads out 'disabled' while the contactor is closed",
        "CV-1",
        _policy(reported=_off_when_on),
    ),
    Fault(
        "forgets-counters-over-power-cut",
        "ESME",
        "after an outage it takes old commands again",
        "OU-2",
        _policy(recalled=_without("floors")),
    ),
    Fault(
        "answers-for-another",
        "ESME",
        "executes commands that are addressed to another device",
        "HHT-17",
        _skips("addressee", "mac"),
    ),
    Fault("skips-signature-check", "ESME", "takes any signature for the supplier's", "SA-9", _skips("signature")),
    Fault("skips-mac-check", "ESME", "takes any MAC for the access control broker's", "SA-9", _skips("mac")),
    Fault("ignores-role", "ESME", "executes commands of parties that may not send them", "SA-10", _skips("role")),
    Fault(
        "closes-when-armed",
        "ESME",
        "arming closes the contactor without anybody at the meter",
        "CV-1",
        _policy(contact=_closed_when_armed),
    ),
    Fault(
        "stays-armed-after-button",
        "ESME",
        "the local act does not switch an armed supply on",
        "CV-1",
        _policy(transitions=_NO_BUTTON),
    ),
    Fault(
        "wrong-outage-code",
        "ESME",
        "tells a long outage with the code of a short one",
        "OU-1",
        _policy(outage_code=_always_short),
    ),
    Fault(
        "loses-supply-state-over-outage",
        "ESME",
        "comes back from an outage as it was delivered: supply on",
        "OU-2",
        _policy(recalled=_without("supply")),
        judged_by="declaration",
    ),
    Fault(
        "responds-with-stale-counter",
        "ESME",
        "answers with the counter before that of the command",
        "HHT-10",
        _commands(before_protection=_stale),
    ),
    Fault(
        "arms-without-a-word",
        "ESME",
        "carries out the arming of its supply (ECS44) and does not answer",
        "CV-1",
        _commands(unanswered=frozenset({use_cases.by_name("ECS44").code})),
    ),
    Fault(
        "moves-nothing",
        "ESME",
        "answers that its supply is on, reads it out so, and leaves the contactor alone",
        "CV-1",
        _policy(contact=_never),
    ),
    Fault(
        "drives-twice",
        "ESME",
        "carries out each switching of its supply twice, a second apart, and answers once",
        "CV-1",
        _contactor(again_ns=1_000_000_000),
    ),
    Fault(
        "answers-on-another-endpoint",
        "ESME",
        "is spoken to on its endpoint and sends from another, at which nobody would find it",
        "IM-7",
        _the_machine_as_it_is,
        endpoints_off=1,
    ),
    Fault("accepts-tampered", "ESME", "checks neither signature nor MAC", "SA-9", _skips("signature", "mac")),
    Fault(
        "counts-forgeries",
        "ESME",
        "a forged command uses up its counter, so that the true one is refused",
        "SA-9",
        _commands(counts_refused=True),
    ),
    Fault(
        "opens-from-afar",
        "GSME",
        "opens its valve as soon as it is armed, with nobody there",
        "CV-2",
        gas=_valve(transitions=_OPENS_FROM_AFAR),
    ),
    Fault(
        "opens-unarmed",
        "GSME",
        "opens its valve at the button although nobody armed it",
        "CV-2",
        gas=_valve(transitions=_OPENS_UNARMED),
    ),
    Fault(
        "skips-flow-check",
        "GSME",
        "does not look at the flow after it was switched on",
        "CV-2",
        gas=_valve(flow_check=False),
    ),
    Fault(
        "tells-no-flow",
        "GSME",
        "looks at the flow after it was switched on and finds none, whatever flows",
        "CV-2",
        gas=_valve(flow_told=0),
    ),
    Fault("window-never-closes", "CHF", "leaves inter-PAN open for ever", "HHT-6"),
    Fault("window-not-kept-alive", "CHF", "closes inter-PAN while it is in use", "HHT-6"),
    Fault("firewall-open", "CHF", "lets every frame and message of a terminal in", "HHT-1"),
    Fault(
        "leaks-dropped-frames",
        "CHF",
        "records that its firewall dropped what a terminal sent, and passes it on all the same",
        "HHT-1",
    ),
    Fault("forwards-for-unknown", "CHF", "passes messages for devices that are not in its log", "HHT-1"),
    Fault("claims-tunnels", "CHF", "reports a tunnel to each device that joined, and asks none for it", "IM-7"),
    Fault(
        "lists-its-orders",
        "HHT",
        "lists the hubs that its work orders are for, whether it hears them or not, and no others",
        "HHT-17",
    ),
    Fault("answered-when-sent", "HHT", "reports a command as answered as soon as it has sent it", "HHT-10"),
)

FAULTS: Mapping[tuple[str, str], Fault] = {(entry.device, entry.name): entry for entry in _TABLE}
"""Device and name to fault."""

FAULTY: Mapping[str, str] = {"esme": "ESME", "gsme": "GSME", "comms_hub": "CHF", "hht": "HHT"}
"""Kind of device in a bench file to the ``device`` under which its faults are kept."""


def names(device: str) -> tuple[str, ...]:
    """The faults of a kind of device (``"ESME"``, ``"CHF"``)."""
    return tuple(name for kind, name in FAULTS if kind == device)


def fault(device: str, name: str) -> Fault:
    """One fault; raises ``ValueError`` that names those there are."""
    found = FAULTS.get((device, name))
    if found is None:
        known = ", ".join(names(device)) or "none for this kind of device"
        raise ValueError(f"no fault '{name}' of a {device}; choose among: {known}")
    return found


def make_faulty(
    device: str,
    name: str,
    identity: bytes,
    keys: KeyStore,
    cells: CredentialCells,
    settings: HanSettings | HubSettings | HhtSettings | None = None,
) -> Machine:
    """The faulty sister of a good device: the same machine with one thing replaced.

    ``settings`` are those of the good device.  Raises ``ValueError`` for a fault that there is not, or settings of
    another kind of device.
    """
    found = fault(device, name)
    if found.change is not None:
        electricity = _of(EsmeSettings, settings or EsmeSettings())
        changed, policy = found.change(electricity, EsmePolicy())
        return Esme(identity, keys, cells, changed, policy=policy)
    if found.gas is not None:
        return Gsme(identity, keys, cells, found.gas(_of(GsmeSettings, settings or GsmeSettings())))
    if device == "HHT":
        terminal = _of(HhtSettings, settings or HhtSettings(eui=identity))
        return HandHeldTerminal(replace(terminal, eui=identity, faults=terminal.faults | {name}))
    hub = _of(HubSettings, settings or HubSettings(eui=identity))
    return CommsHub(replace(hub, eui=identity, faults=hub.faults | {name}), keys, cells)


def _of(kind: type[T], settings: object) -> T:
    if not isinstance(settings, kind):
        raise ValueError(f"this device needs {kind.__name__}, got {type(settings).__name__}")
    return settings
