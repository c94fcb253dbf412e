"""Execution of an access-request against the COSEM objects of a device, one access after the other.

Must not live here: whether the command may be executed at all (``commands``), what the objects do.

Source: facts/gbcs.md 3.1, 3.9 no. 2; facts/use-cases.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devices.machines.core import Effect, Persist
from devices.machines.parts.civil_clock import CivilTime
from devices.model.objects import AccessError, ObjectModel, ResultCode
from devices.model.roles import Role
from devices.model.use_cases import UseCase
from devices.wire import axdr, cosem
from devices.wire.axdr import Data
from devices.wire.cosem import AccessRequest, AccessResponse, Op, Result, Spec
from devices.wire.gbcs import Message

__all__ = ["CommandContext", "execute", "template_fault"]

_OPS = {"get": Op.GET, "set": Op.SET, "action": Op.ACTION, "get-selective": Op.GET_SELECTION}


@dataclass(slots=True)
class CommandContext:
    """What an object may know of the command that touches it, and where it puts what is to be done.

    ``effects`` are granted in order after the counter was recorded and before the response leaves.  ``seal`` encrypts
    for the remote party (facts/gbcs.md 2.5) and gives the blob.  ``events`` are codes for the device's logs, ``alerts``
    whole messages that leave after the response.  ``afterwards`` is done once the response is protected.
    """

    now: int
    civil: CivilTime
    message: Message
    use_case: UseCase
    role: Role
    seal: Callable[[bytes], bytes]
    effects: list[Effect] = field(default_factory=list)
    results: tuple[int, ...] = ()
    events: list[int] = field(default_factory=list)
    alerts: list[bytes] = field(default_factory=list)
    afterwards: list[Callable[[], None]] = field(default_factory=list)


def template_fault(request: AccessRequest, use_case: UseCase) -> str | None:
    """Why the request is not one of its use case, None when it is.

    Every access must be a row of the use case: else a command under the code of a harmless read could work the switch.
    Rows may be left out, because some are optional.
    """
    if len(request.specs) != len(request.data):
        return f"{len(request.specs)} accesses with {len(request.data)} data"
    if not request.specs:
        return "no access at all"
    rows: dict[tuple[Any, ...], Any] = {(_OPS.get(r.op), r.class_id, r.obis, r.index): r for r in use_case.dlms}
    for spec in request.specs:
        row = rows.get((spec.op, spec.class_id, spec.obis, spec.index))
        if row is None:
            return (
                f"an access to class {spec.class_id} {spec.obis.hex()} {spec.index} is not part of {use_case.use_case}"
            )
        if row.selector is not None and spec.selector != row.selector:
            return f"selector {spec.selector}, expected {row.selector}"
    return None


def execute(request: AccessRequest, objects: ObjectModel[CommandContext], context: CommandContext) -> bytes:
    """Carry out the accesses in order and give the access-response.

    Where a value is of a wrong type nothing is carried out at all.  An access that fails is answered with its code and
    null; those after it are not tried, and answered other-reason, as in every published response with a failure
    (facts/gbcs.md 3.4 [verified by running over the open corpus]).
    """
    data: list[Data] = []
    results: list[Result] = []
    before, failed = objects.revision, False
    wrong = _wrongly_typed(request, objects)
    for position, (spec, argument) in enumerate(zip(request.specs, request.data, strict=True)):
        if wrong is not None:
            code = ResultCode.TYPE_UNMATCHED if position == wrong else ResultCode.OTHER_REASON
            answer, result = axdr.null(), Result(_kind(spec), int(code))
        elif failed:
            answer, result = axdr.null(), Result(_kind(spec), int(ResultCode.OTHER_REASON))
        else:
            answer, result = _access(spec, argument, objects, context)
        failed = failed or result.code != ResultCode.SUCCESS
        data.append(answer)
        results.append(result)
    context.results = tuple(result.code for result in results)
    if objects.revision != before:
        context.effects.append(Persist("objects", objects.as_json()))
    return cosem.encode(AccessResponse(request.invoke, b"", (), tuple(data), tuple(results)))


def _wrongly_typed(request: AccessRequest, objects: ObjectModel[CommandContext]) -> int | None:
    """The position of the first access whose value is of a wrong type, None when there is none."""
    for position, (spec, argument) in enumerate(zip(request.specs, request.data, strict=True)):
        if spec.op in (Op.SET, Op.ACTION):
            try:
                objects.check_type((spec.class_id, spec.obis, spec.index), argument, method=spec.op == Op.ACTION)
            except AccessError:
                return position
    return None


def _access(
    spec: Spec, argument: Data, objects: ObjectModel[CommandContext], context: CommandContext
) -> tuple[Data, Result]:
    key = (spec.class_id, spec.obis, spec.index)
    kind = _kind(spec)
    answer: Data | None = None
    code = 0
    try:
        if kind == Op.GET:
            answer = objects.get(key, context, spec.selection)
        elif kind == Op.SET:
            objects.set(key, argument, context)
        else:
            code, answer = objects.act(key, argument, context)
    except AccessError as error:
        code = int(error.code)
    return answer if answer is not None else axdr.null(), Result(kind, code)


def _kind(spec: Spec) -> int:
    """The choice of a result: a selective get is a get."""
    return int(Op.GET) if spec.op == Op.GET_SELECTION else spec.op
