"""Commands from named arguments, and the named arguments of a command, for every use case of the table.

Which accesses, components or fields a command has, in which order, and what they are called comes from the use-case
table and the typed objects of the wire; here is only the choice between the three families.  The commands that the
parties send most take friendlier arguments as well (``recipes``).

Must not live here: counters (the parties), how a device executes a command, the rules of one family (``building_dlms``,
``building_gbz``, ``building_asn1``).

Source: facts/use-cases.md; facts/gbcs.md 1.3, 2.1 [verified by running], 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from devices.machines.core import MachineError
from devices.machines.parts import building_asn1, building_dlms, building_gbz
from devices.machines.parts.recipes import RECIPES, Recipe
from devices.model import use_cases
from devices.model.use_cases import UseCase
from devices.trust import protection
from devices.trust.keystore import KeyStore, agreement_key, signing_key
from devices.wire import asn1_typed, axdr, cosem
from devices.wire.asn1_typed import UpdateCredentials
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = [
    "RECIPES",
    "Envelope",
    "Recipe",
    "arguments",
    "arguments_of",
    "command_message",
    "command_payload",
    "demands",
    "envelope_of",
    "protect_command",
    "use_case_named",
]

BROKER_BY_ITSELF: Final = 0x0104  # CS02b in the mode by which the broker replaces its own credentials

Args = Mapping[str, Any]

_ALIASES: Final = {"CCS05": "CCS05/CCS04", "CCS04": "CCS05/CCS04", "CCS05CCS04": "CCS05/CCS04"}
_LIMITS: Final = {"from": "from_value", "to": "to_value"}  # of the one range that a read asks for


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who asks what of whom: the parts of a command that are not its payload.

    ``on_behalf`` is the user for whom the broker originates the command, with the user's own counter; ``certificate``
    (DER) is that user's key agreement certificate where the device does not hold it (facts/gbcs.md 1.3).
    """

    originator: bytes
    device: bytes
    counter: int
    on_behalf: bytes | None = None
    on_behalf_counter: int | None = None
    certificate: bytes | None = None

    @property
    def party(self) -> bytes:
        """Whose request it is in the end: for whom the device encrypts."""
        return self.originator if self.on_behalf is None else self.on_behalf


def use_case_named(name: str) -> UseCase:
    """The use case called ``name``, or that of a message code written as ``0x0102`` where several share a name.

    Raises :class:`MachineError` that says what is wrong and what to do.
    """
    try:
        found = use_cases.by_code(int(name, 16)) if name[:2] in ("0x", "0X") else None
        return found or use_cases.by_name(_ALIASES.get(name, name))
    except (KeyError, ValueError):
        raise MachineError(
            f"use case: expected a GBCS use case name such as ECS42, got {name!r}; see the use-case table"
        )


def arguments(asked: Args) -> Args:
    """The ``args`` of a verb ``command``: a mapping by name, empty when left out.  Raises :class:`MachineError`."""
    named = asked.get("args", {})
    if not isinstance(named, Mapping):
        raise MachineError(f"argument 'args': expected names and values, got {named!r}")
    return named


# -------------------------------------------------------------------------------------------------------------- payload


def command_payload(use_case: UseCase, args: Args, counter: int, party: bytes = b"", device: bytes = b"") -> bytes:
    """The payload of a command.  ``counter`` is its originator counter: the invoke id is 20 and its low three octets.

    ``party`` is whose request it is and ``device`` whom it is for; a protected read names them both.
    Raises :class:`MachineError` for a missing, unknown or wrong argument, and for a use case that has no command.
    """
    name = use_case.use_case or f"0x{use_case.code:04X}"
    if use_case.protection["command"] is None or use_case.payload is None:
        raise MachineError(f"{name}: no command has this message code; name another use case")
    if use_case.payload == "asn1":
        return building_asn1.payload(use_case, args)
    if use_case.payload == "gbz":
        return building_gbz.payload(use_case, args)
    recipe = RECIPES.get(name)
    if recipe is not None and not _is_general(use_case, args):
        return _from_recipe(use_case, recipe, args, counter)
    return building_dlms.access_request(use_case, _spread(use_case, args), counter, party, device)


def arguments_of(message: Message) -> dict[str, Any]:
    """The named arguments of a command (JSON types), such that :func:`command_payload` gives its payload again.

    Raises :class:`MachineError` for a message that is no command of the use-case table, and ``DecodeError`` for a
    payload that cannot be read.
    """
    use_case = use_cases.by_code(message.message_code)
    if use_case is None or message.cra != CRA.COMMAND:
        raise MachineError(f"message code 0x{message.message_code:04X} is no command of the use-case table")
    if use_case.payload == "asn1":
        return building_asn1.named_arguments(message.payload, use_case)
    if use_case.payload == "gbz":
        return building_gbz.named_arguments(message.payload, use_case)
    request = cosem.decode(message.payload)
    if not isinstance(request, cosem.AccessRequest):
        raise MachineError("the payload is no access-request")
    party = envelope_of(message).party
    return building_dlms.named_arguments(request, use_case, message.counter, party, message.recipient)


def _is_general(use_case: UseCase, args: Args) -> bool:
    """Whether arguments are called as the rows of the use-case table call them."""
    names = {name for name, _ in building_dlms.row_names(use_case)} | {building_dlms.WITHOUT}
    return not names.isdisjoint(args)


def _from_recipe(use_case: UseCase, recipe: Recipe, args: Args, counter: int) -> bytes:
    unknown = sorted(set(args) - set(recipe.arguments))
    if unknown:
        known = ", ".join(recipe.arguments) or "no arguments"
        raise MachineError(f"{use_case.use_case}: takes {known}, got {', '.join(unknown)}; leave these out")
    values = recipe.data({**recipe.defaults, **args})
    rows = [row for _, row in building_dlms.row_names(use_case)]
    if len(rows) != len(values):
        raise MachineError(f"{use_case.use_case}: the recipe has {len(values)} values for {len(rows)} rows; mend it")
    specs = [cosem.Spec(building_dlms.OPS[r.op], r.class_id or 0, r.obis or b"", r.index or 0) for r in rows]
    data = tuple(axdr.null() if value is None else value for value in values)
    return cosem.encode(cosem.AccessRequest(building_dlms.invoke_id(counter), b"", tuple(specs), data))


def _spread(use_case: UseCase, args: Args) -> Args:
    """``from`` and ``to`` stand for the range of every selective read that has none of its own."""
    if _LIMITS.keys().isdisjoint(args):
        return args
    limits = {_LIMITS[name]: args[name] for name in _LIMITS if name in args}
    spread = {name: dict(limits) for name, row in building_dlms.row_names(use_case) if row.op == "get-selective"}
    if not spread:
        return args
    return {**spread, **{name: value for name, value in args.items() if name not in _LIMITS}}


# -------------------------------------------------------------------------------------------------------- whole message


def envelope_of(message: Message) -> Envelope:
    """The envelope of a command."""
    return Envelope(
        message.originator,
        message.recipient,
        message.counter,
        message.supplementary_party,
        message.supplementary_counter,
        message.certificate,
    )


def command_message(use_case: UseCase, args: Args, envelope: Envelope) -> Message:
    """A command as it goes to be protected: a pre-command, without signature field and MAC.

    It stays inside; the one that is handed out to be signed ends with the empty signature field, ``00``, unless a
    setting says otherwise (``TransformSettings.trailing_zero``; facts/gbcs.md 1.4, 11 no. 23).  Both endings are read.

    Raises :class:`MachineError`.
    """
    payload = command_payload(use_case, args, envelope.counter, envelope.party, envelope.device)
    return Message(
        CRA.COMMAND,
        envelope.counter,
        envelope.originator,
        envelope.device,
        use_case.code,
        payload,
        supplementary_party=envelope.on_behalf,
        supplementary_counter=envelope.on_behalf_counter,
        certificate=envelope.certificate,
        signature=None,
    )


def demands(use_case: UseCase, payload: bytes = b"", *, by_broker: bool = False) -> tuple[bool, bool]:
    """Whether a command of this use case is signed by its originator, and whether it is MACed (facts/gbcs.md 2.1).

    Of the use cases that come in two variants the broker sends the MACed one and everybody else the signed one.  The
    broker's own replacement at a hub, which its ``payload`` tells by the cell that authorises it, is signed as well.
    """
    form = use_case.command_form("CHF" if _by_a_cell(use_case, payload) else "") or ""
    if form == "MAC or sig":
        return not by_broker, by_broker
    return "sig" in form, "MAC" in form


def _by_a_cell(use_case: UseCase, payload: bytes) -> bool:
    """Whether a replacement of credentials names the cell that authorises it: the broker's does at a hub alone
    (facts/gbcs.md 9.5)."""
    if not payload or use_case.code != BROKER_BY_ITSELF:
        return False
    try:
        view = asn1_typed.read(use_case.code, CRA.COMMAND, payload).view
    except WireError:
        return False
    return isinstance(view, UpdateCredentials) and view.control.authorising_cell is not None


def protect_command(message: Message, use_case: UseCase, keys: KeyStore, broker: bytes) -> Message:
    """``message`` signed by its originator and MACed as its use case wants (facts/gbcs.md 2.1).

    Raises ``TrustError`` where a key is missing.
    """
    signed, maced = demands(use_case, message.payload, by_broker=message.originator == broker)
    if signed:
        message = protection.sign(message, keys, signing_key(message.originator))
    else:
        message = message._replace(signature=b"")
    if not maced:
        return message
    one, other = protection.mac_parties(message, broker)
    return protection.add_mac(message, keys.agree(agreement_key(one), keys.public(agreement_key(other))))
