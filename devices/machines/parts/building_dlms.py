"""Access-requests from named arguments and back, by the rows of the use-case table.

An argument is called as its row (``"MeterBalance / update_amount"``); rows that share a name have their OBIS code after
it.  A row whose value the table fixes needs none; ``without`` lists the rows that a command leaves out of those that it
would carry otherwise.  A selective read takes ``from_value`` and ``to_value``; a protected read takes, for each wrapped
attribute, the same or null for all of it.

Must not live here: values (``named_values``), protection of messages.

Source: facts/gbcs.md 2.5, 3.1; facts/use-cases.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from devices.machines.core import MachineError
from devices.machines.parts.named_values import ABSENT, from_json, to_json
from devices.machines.parts.row_layouts import Layout, layout_of
from devices.model.use_cases import DlmsRow, Protected, UseCase
from devices.wire import axdr, cosem
from devices.wire.axdr import Data, Tag
from devices.wire.cosem import AccessRequest, Op, Spec

__all__ = ["OPS", "WITHOUT", "access_request", "invoke_id", "named_arguments", "row_names"]

Args = Mapping[str, Any]

OPS: Final = {"get": Op.GET, "set": Op.SET, "action": Op.ACTION, "get-selective": Op.GET_SELECTION}
WITHOUT: Final = "without"
"""The argument that lists rows to leave out."""

_CLOCK_OBJECT: Final = bytes.fromhex("00005e2c64ff")  # what logs are sorted by
_RANGE: Final = Layout(
    Tag.STRUCTURE,
    elements=(
        Layout(
            Tag.STRUCTURE,
            "restricting_object",
            elements=(
                Layout(Tag.LONG_UNSIGNED, "class_id", axdr.u16(1)),
                Layout(Tag.OCTET_STRING, "logical_name", axdr.octets(_CLOCK_OBJECT)),
                Layout(Tag.INTEGER, "attribute_index", axdr.i8(2)),
                Layout(Tag.LONG_UNSIGNED, "data_index", axdr.u16(0)),
            ),
        ),
        Layout(Tag.DOUBLE_LONG_UNSIGNED, "from_value"),
        Layout(Tag.DOUBLE_LONG_UNSIGNED, "to_value"),
        Layout(Tag.ARRAY, "selected_values", axdr.array(), (Layout(-1),)),
    ),
)
"""The selection of a range (facts/gbcs.md 3.1; the same in every published selective read)."""

_NOWHERE: Final = Layout(Tag.STRUCTURE, fixed=axdr.structure(axdr.enum(0), axdr.null()))
_BETWEEN: Final = Layout(
    Tag.STRUCTURE,
    elements=(
        Layout(Tag.ENUM, "restriction", axdr.enum(1)),
        Layout(
            Tag.STRUCTURE,
            elements=(Layout(Tag.OCTET_STRING, "from_value"), Layout(Tag.OCTET_STRING, "to_value")),
            name="range",
        ),
    ),
)
_ATTRIBUTES, _PROTECTION = "attributes", "protection"


def invoke_id(counter: int) -> int:
    """The long-invoke-id-and-priority of a command: ``20`` and the low three octets of its originator counter."""
    return 0x20000000 | counter & 0xFFFFFF


def row_names(use_case: UseCase) -> list[tuple[str, DlmsRow]]:
    """Every row that is an access, in order, under the name by which an argument calls it."""
    rows = [row for row in use_case.dlms if row.op in OPS and row.obis is not None]
    return list(zip(_unique([row.name for row in rows], [row.obis for row in rows]), rows, strict=True))


def _unique(names: Sequence[str], codes: Sequence[bytes | None]) -> Iterator[str]:
    """Names told apart: by the OBIS code where several are the same, by number where that is the same as well."""
    shared = Counter(names)
    with_code = [
        f"{name} ({'.'.join(map(str, code or b''))})" if shared[name] > 1 else name
        for name, code in zip(names, codes, strict=True)
    ]
    shared = Counter(with_code)
    seen: Counter[str] = Counter()
    for name in with_code:
        seen[name] += 1
        yield f"{name} #{seen[name]}" if shared[name] > 1 else name


# ------------------------------------------------------------------------------------------------------------- building


def access_request(use_case: UseCase, args: Args, counter: int, party: bytes, device: bytes) -> bytes:
    """The payload.  ``party`` is whose request it is and ``device`` whom it is for, for protected reads.

    Raises :class:`MachineError` for a missing, unknown or wrong argument.
    """
    rows = row_names(use_case)
    left_out = args.get(WITHOUT, ())
    _check(use_case, args, [name for name, _ in rows], left_out)
    specs: list[Spec] = []
    data: list[Data] = []
    for name, row in rows:
        if name in left_out or (name not in args and _is_optional(row) and _needs_value(row)):
            continue
        spec, datum = _access(row, args.get(name, ABSENT), name, counter, party, device)
        specs.append(spec)
        data.append(datum)
    if not specs:
        raise MachineError(f"{use_case.use_case}: no access is left; give a value to one of its arguments")
    return cosem.encode(AccessRequest(invoke_id(counter), b"", tuple(specs), tuple(data)))


def _check(use_case: UseCase, args: Args, names: list[str], left_out: Any) -> None:
    if isinstance(left_out, str) or not isinstance(left_out, Sequence) or set(map(str, left_out)) - set(names):
        raise MachineError(f"argument {WITHOUT!r}: expected a list of {', '.join(names)}, got {str(left_out)[:80]!r}")
    if unknown := sorted(set(args) - set(names) - {WITHOUT}):
        known = ", ".join(names) or "no arguments"
        raise MachineError(f"{use_case.use_case}: takes {known}; got {', '.join(unknown)}; leave these out")


def _is_optional(row: DlmsRow) -> bool:
    note = row.note or ""
    return any(word in note for word in ("optional", "not in every", "at most one"))


def _needs_value(row: DlmsRow) -> bool:
    if row.op == "get" or row.protects:
        return False
    return row.op == "get-selective" or not layout_of(row).is_fixed


def _access(row: DlmsRow, value: Any, name: str, counter: int, party: bytes, device: bytes) -> tuple[Spec, Data]:
    assert row.class_id is not None
    assert row.obis is not None
    assert row.index is not None
    where = repr(name)
    op = OPS[row.op]
    if op == Op.GET_SELECTION:
        if value is ABSENT:
            raise MachineError(f"argument {where} is missing; give it from_value and to_value")
        selection = from_json(value, _RANGE, where)
        return Spec(op, row.class_id, row.obis, row.index, row.selector or 1, selection), axdr.null()
    if op == Op.GET:
        if value not in (ABSENT, None):
            raise MachineError(f"argument {where}: a read takes no value; leave it out")
        datum = axdr.null()
    elif row.protects:
        datum = _protected_read(row, {} if value is ABSENT else value, where, (counter, party, device))
    else:
        datum = from_json(value, layout_of(row), where)
    return Spec(op, row.class_id, row.obis, row.index), datum


def _protected_read(row: DlmsRow, value: Any, where: str, sender: tuple[int, bytes, bytes]) -> Data:
    """The argument of get_protected_attributes (facts/gbcs.md 2.5)."""
    if not isinstance(value, Mapping) or set(value) - {_ATTRIBUTES, _PROTECTION}:
        raise MachineError(f"argument {where}: expected {_ATTRIBUTES} and perhaps {_PROTECTION}, got {value!r}")
    named = dict(_protected_names(row))
    wanted = value.get(_ATTRIBUTES, dict.fromkeys(named))
    if not isinstance(wanted, Mapping) or set(wanted) - set(named):
        raise MachineError(f"argument {where}: expected {', '.join(named)}, got {str(wanted)[:80]!r}")
    attributes = []
    for name, limits in wanted.items():
        part = named[name]
        restriction = axdr.structure(axdr.enum(0), axdr.null())
        if limits is not None:
            restriction = from_json(limits, _BETWEEN, f"{where}.{name}")
        attributes.append(
            axdr.structure(
                axdr.u16(part.class_id), axdr.octets(part.obis), axdr.i8(part.attribute), axdr.u16(0), restriction
            )
        )
    parameters = from_json(value.get(_PROTECTION, {}), _parameters(*sender), f"{where}.{_PROTECTION}")
    return axdr.structure(axdr.array(*attributes), axdr.array(parameters))


def _protected_names(row: DlmsRow) -> list[tuple[str, Protected]]:
    names = _unique([part.name for part in row.protects], [part.obis for part in row.protects])
    return list(zip(names, row.protects, strict=True))


def _parameters(counter: int, party: bytes, device: bytes) -> Layout:
    """Authentication and encryption with the key that both sides agree, for this request."""
    transaction = axdr.octets(b"\x04" + counter.to_bytes(8, "big"))
    agreement = Layout(
        Tag.STRUCTURE,
        "key_info",
        elements=(
            Layout(Tag.ENUM, "kind", axdr.enum(2)),
            Layout(
                Tag.STRUCTURE,
                "agreed_key",
                elements=(
                    Layout(Tag.OCTET_STRING, "key_parameters", axdr.octets(b"\x02")),
                    Layout(Tag.OCTET_STRING, "key_ciphered_data", axdr.octets(b"")),
                ),
            ),
        ),
    )
    options = Layout(
        Tag.STRUCTURE,
        "options",
        elements=(
            Layout(Tag.OCTET_STRING, "transaction_id", transaction),
            Layout(Tag.OCTET_STRING, "originator_system_title", axdr.octets(party)),
            Layout(Tag.OCTET_STRING, "recipient_system_title", axdr.octets(device)),
            Layout(Tag.OCTET_STRING, "other_information", axdr.octets(b"")),
            agreement,
        ),
    )
    return Layout(Tag.STRUCTURE, elements=(Layout(Tag.ENUM, "protection_type", axdr.enum(2)), options))


# ------------------------------------------------------------------------------------------------- reading arguments


def named_arguments(
    request: AccessRequest, use_case: UseCase, counter: int, party: bytes, device: bytes
) -> dict[str, Any]:
    """What :func:`access_request` needs to build ``request`` again, as JSON types by name.

    Raises :class:`MachineError` where the request is none of ``use_case``, or holds what no argument can say.
    """
    if request.invoke != invoke_id(counter) or request.date_time or len(request.specs) != len(request.data):
        raise MachineError("the access-request has an invoke id, a date-time or data that no command has")
    args: dict[str, Any] = {}
    rows = row_names(use_case)
    at = 0
    for spec, datum in zip(request.specs, request.data, strict=True):
        while at < len(rows) and not _is_of(spec, rows[at][1]):
            _leave_out(rows[at], args)
            at += 1
        if at == len(rows):
            raise MachineError(
                f"an access to class {spec.class_id} {spec.obis.hex()} {spec.index} is not in its place in "
                f"{use_case.use_case}; the use-case table does not have it there"
            )
        name, row = rows[at]
        value = _argument(spec, datum, row, (counter, party, device))
        if value is not ABSENT:
            args[name] = value
        at += 1
    for entry in rows[at:]:
        _leave_out(entry, args)
    return args


def _leave_out(entry: tuple[str, DlmsRow], args: dict[str, Any]) -> None:
    name, row = entry
    if not (_is_optional(row) and _needs_value(row)):
        args.setdefault(WITHOUT, []).append(name)


def _is_of(spec: Spec, row: DlmsRow) -> bool:
    return (spec.op, spec.class_id, spec.obis, spec.index) == (OPS[row.op], row.class_id, row.obis, row.index)


def _argument(spec: Spec, datum: Data, row: DlmsRow, sender: tuple[int, bytes, bytes]) -> Any:
    if spec.selection is not None:
        if spec.selector != (row.selector or 1) or datum.tag != Tag.NULL:
            raise MachineError(f"{row.name}: a selector or datum that the table does not know")
        return to_json(spec.selection, _RANGE)
    if spec.op == Op.GET:
        if datum.tag != Tag.NULL:
            raise MachineError(f"{row.name}: a read that carries a value")
        return ABSENT
    if row.protects:
        return _protected_argument(datum, row, sender)
    return to_json(datum, layout_of(row))


def _protected_argument(datum: Data, row: DlmsRow, sender: tuple[int, bytes, bytes]) -> Any:
    try:
        attributes, (parameters,) = datum.value[0].value, datum.value[1].value
        asked = [[element.value for element in attribute.value[:4]] for attribute in attributes]
        restrictions = [attribute.value[4] for attribute in attributes]
    except (TypeError, ValueError, IndexError, AttributeError):
        raise MachineError(f"{row.name}: the argument is no list of attributes with one protection") from None
    named = {(part.class_id, part.obis, part.attribute, 0): name for name, part in _protected_names(row)}
    wanted: dict[str, Any] = {}
    for (class_id, code, index, offset), restriction in zip(asked, restrictions, strict=True):
        name = named.get((class_id, code, index, offset))
        if name is None or name in wanted:
            raise MachineError(f"{row.name}: an attribute that the table does not wrap, or one wrapped twice")
        limits = to_json(restriction, _NOWHERE)
        wanted[name] = None if limits is ABSENT else to_json(restriction, _BETWEEN)
    argument: dict[str, Any] = {}
    if wanted != dict.fromkeys(named.values()) or list(wanted) != list(named.values()):
        argument[_ATTRIBUTES] = wanted
    if protection := to_json(parameters, _parameters(*sender)):
        argument[_PROTECTION] = protection
    return argument or ABSENT
