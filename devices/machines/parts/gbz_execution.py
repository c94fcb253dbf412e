"""Execution of a GBZ payload against the ZCL clusters of a device, one component after the other.

A component is a read of attributes, answered with their values and types, or a command of a cluster, which does and is
answered what ``zcl_conduct.json`` says.  After a component that failed the rest are not carried out: each is answered
with a Default Response to command FF with FAILURE, as published responses show.

Must not live here: whether the command may be executed at all (``commands``), the words of the conduct table
(``gbz_steps``, ``gbz_answers``), what a device does itself (``gas_conduct``).

Source: facts/gbcs.md 2.5, 3.2, 3.4; facts/use-cases.md (GBZ rows).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from devices.events.commands import ComponentRefused, FutureDatedFailed
from devices.machines.core import Effect, Persist, Record
from devices.machines.parts import gbz_answers, gbz_steps
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.gbz_steps import Act, Call, Status, ZclRefusal, number
from devices.model import use_cases
from devices.model.use_cases import GbzRow, UseCase
from devices.model.zcl_objects import ClusterModel, ConductRow, Entry, Pending, conduct_rows, store_rows
from devices.wire import gbz, gbz_typed, zcl, zcl_fields
from devices.wire.gbcs import Message
from devices.wire.gbz import AdditionalHeader, Component, Payload
from devices.wire.zcl_fields import (
    AttributeRecord,
    Command,
    DefaultResponse,
    ReadAttributes,
    ReadAttributesResponse,
)

__all__ = ["Fired", "GbzExecutor", "GbzSettings"]

READ_ATTRIBUTES, READ_RESPONSE, DEFAULT_RESPONSE, NO_COMMAND = 0x00, 0x01, 0x0B, 0xFF
DONE, NOT_DONE = 0x8F66, 0x8F67  # alert codes of future-dated commands

Answer = Command | ReadAttributesResponse | DefaultResponse


@dataclass(frozen=True, slots=True)
class GbzSettings:
    """What the specification leaves open, or what no text of it was found for."""

    # Times that call a future-dated change off; published cancellations carry both.
    cancels: frozenset[int] = frozenset({0xFFFFFFFE, 0xFFFFFFFF})
    # Disable-default-response on answers of clusters: most published ones carry it, Default Responses never do.
    disable_default_response: bool = True
    # Fields held against the fixed values of the use case: published messages agree for enumerations, while bitmaps
    # and numbers of the table are those of one sample.
    held_types: frozenset[str] = frozenset({"ENUM8"})


@dataclass(frozen=True, slots=True)
class Fired:
    """How one future-dated change went, and what it did."""

    change: Pending
    code: int
    body: gbz.FutureDated
    effects: tuple[Effect, ...]


@dataclass(slots=True)
class GbzExecutor:
    """Executes GBZ payloads for one device.  ``calls`` is what the device does itself, by the names of the table."""

    clusters: ClusterModel
    calls: Mapping[str, Call] = field(default_factory=dict)
    settings: GbzSettings = field(default_factory=GbzSettings)

    def template_fault(self, payload: Payload, use_case: UseCase) -> str | None:
        """Why the payload is not one of its use case, None when it is.

        Every component must be a row of the use case, with its attributes and its fixed enumerations: else a command
        under the code of a harmless one could work the valve.  Rows may be left out or come more than once.  Raises
        ``WireError`` for a component whose fields can't be read.
        """
        for place, component in enumerate(payload.components, 1):
            if component.additional is not None:
                return f"component {place} is encrypted; commands to this device never are"
            frame = component.frame
            rows = [row for row in use_case.gbz if row.message == "command" and _is(row, component)]
            if not rows:
                kind = "command" if frame.cluster_specific else "profile-wide command"
                return (
                    f"component {place}, {kind} {frame.command:02X} of cluster {component.cluster:04X}, is not part of "
                    f"{use_case.use_case}"
                )
            body = gbz_typed.read(component)
            if isinstance(body, ReadAttributes):
                other = set(body.attributes) - {attribute for row in rows for attribute in row.attributes}
                if other:
                    names = ", ".join(f"{attribute:04X}" for attribute in sorted(other))
                    return f"attributes {names} of cluster {component.cluster:04X} are not part of {use_case.use_case}"
            elif isinstance(body, Command):
                if (component.cluster, frame.to_client, frame.command) not in conduct_rows():
                    return f"component {place}: command {frame.command:02X} is none that this device carries out"
                faults = [self._fixed_fault(row, body) for row in rows]
                if all(faults):
                    return f"component {place}: {faults[0]}"
            else:
                return f"component {place} is a {type(body).__name__}; expected a read or a command"
        return None

    def execute(self, payload: Payload, context: CommandContext) -> bytes:
        """Carry out every component in order and give the payload of the response."""
        before = self.clusters.revision
        act = _act(context)
        answered: list[Component] = []
        results: list[int] = []
        failed = False
        for component in payload.components:
            if failed:
                answers: list[Answer] = [DefaultResponse(NO_COMMAND, Status.FAILURE)]
                status: int = Status.FAILURE
            else:
                answers, status = self._component(component, act, context)
            results.append(status)
            failed = failed or status != Status.SUCCESS
            for answer in answers:
                sealed = sum(done.additional is not None for done in answered)
                answered.append(self._answer(component, answer, sealed, context))
        context.results = tuple(results)
        if self.clusters.revision != before:
            context.effects.append(self.saved())
        return gbz.encode(Payload(tuple(answered)))

    def saved(self) -> Persist:
        """The effect that keeps the clusters over a power cut."""
        return Persist("clusters", self.clusters.as_json())

    def fire(self, now: int, civil: CivilTime) -> list[Fired]:
        """Carry out the future-dated changes whose time has come."""
        fired = []
        for change in self.clusters.due(civil.zcl):
            command = change.entry.command
            act = Act(now, civil, b"", change.counter, f"future-dated command {change.message_code:#06x}")
            code = DONE
            try:
                row = conduct_rows()[command.cluster, command.to_client, command.command]
                gbz_steps.run(row.does, command, act, self.clusters, self.calls)
            except ZclRefusal as refusal:
                code = NOT_DONE
                act.effects.append(Record(FutureDatedFailed(command=command.name, reason=refusal.reason)))
            body = gbz.FutureDated(
                change.message_code, change.counter, command.cluster, change.frame_control, command.command
            )
            fired.append(Fired(change, code, body, (*act.effects, self.saved())))
        return fired

    # ---------------------------------------------------------------------------------------------------- one component

    def _component(self, component: Component, act: Act, context: CommandContext) -> tuple[list[Answer], int]:
        body = gbz_typed.read(component)
        if isinstance(body, ReadAttributes):
            return self._read(component.cluster, body)
        if not isinstance(body, Command):
            return [DefaultResponse(component.frame.command, Status.UNSUPPORTED_COMMAND)], Status.UNSUPPORTED_COMMAND
        row = conduct_rows()[body.cluster, body.to_client, body.command]
        try:
            dated = context.use_case.future_dated
            self._do(row, component, body, act, dated, (context.message.message_code, context.message.counter))
            if row.answer is None:
                return [DefaultResponse(body.command, Status.SUCCESS)], Status.SUCCESS
            return [
                *gbz_answers.answers(row.answer, body, act, self.clusters, self.calls, component.from_time)
            ], Status.SUCCESS
        except ZclRefusal as refusal:
            told = ComponentRefused(command=body.name, status=int(refusal.status), reason=refusal.reason)
            context.effects.append(Record(told))
            nothing_there = refusal.status == Status.NOT_FOUND and row.answer is not None  # that answers a question
            status = Status.SUCCESS if nothing_there else refusal.status
            return [DefaultResponse(body.command, refusal.status)], status

    def _read(self, cluster: int, asked: ReadAttributes) -> tuple[list[Answer], int]:
        records = []
        status: int = Status.SUCCESS
        for attribute in asked.attributes:
            row = self.clusters.rows.get((cluster, attribute))
            if row is None:
                status = Status.UNSUPPORTED_ATTRIBUTE
                records.append(AttributeRecord(attribute, status, None, None))
            else:
                value = self.clusters.get((cluster, attribute))
                records.append(AttributeRecord(attribute, Status.SUCCESS, row.type, value))
        return [ReadAttributesResponse(tuple(records))], status

    def follow(
        self,
        components: Sequence[Component],
        command: Message,
        now: int,
        civil: CivilTime,
        *,
        keeps_future: bool = True,
    ) -> list[Effect]:
        """Do what another device's command changed there, and answer nothing; what is dated in the future is kept for
        its time, or dropped.  Raises ``WireError``."""
        use_case = use_cases.by_code(command.message_code)
        dated = use_case is not None and use_case.future_dated
        act = Act(now, civil, command.originator, command.counter, f"tapped {command.message_code:#06x}")
        for component in components:
            body = gbz_typed.read(component)
            row = (
                conduct_rows().get((body.cluster, body.to_client, body.command)) if isinstance(body, Command) else None
            )
            if row is None or not isinstance(body, Command):
                continue
            if dated and not keeps_future and _due(row, component, body) > civil.zcl:
                told = "it is dated in the future, and such a copy is dropped"
                act.effects.append(Record(ComponentRefused(command=body.name, reason=told)))
                continue
            try:
                self._do(row, component, body, act, dated, (command.message_code, command.counter))
            except ZclRefusal as refusal:
                act.effects.append(Record(ComponentRefused(command=body.name, reason=refusal.reason)))
        return [*act.effects, self.saved()]

    def _do(
        self,
        row: ConductRow,
        component: Component,
        body: Command,
        act: Act,
        future_dated: bool | None,
        ordered_by: tuple[int, int],
    ) -> None:
        """What the command changes: now, or kept for its time where the use case may be future-dated.

        ``ordered_by`` are message code and counter of the command.
        """
        gbz_steps.run(row.at_once, body, act, self.clusters, self.calls)
        at = _due(row, component, body)
        if future_dated and at in self.settings.cancels:
            self.clusters.cancel(Entry(body))
        elif future_dated and at > act.civil.zcl:
            self.clusters.defer(Pending(at, *ordered_by, component.frame.frame_control, self._entry(body, act)))
        else:
            gbz_steps.run(row.does, body, act, self.clusters, self.calls)

    def _entry(self, body: Command, act: Act) -> Entry:
        for row in store_rows().values():
            if (row.cluster, row.to_client, row.command) == (body.cluster, body.to_client, body.command):
                return Entry(body, gbz_steps.tag_of(row, body, act, self.clusters))
        return Entry(body)

    def _answer(self, asked: Component, answer: Answer, sealed_before: int, context: CommandContext) -> Component:
        """The component that carries ``answer``: sequence repeated, direction turned, sealed where the use case says.

        The additional header counts the sealed components of the message from 0 [verified over the open corpus].
        """
        control = 0 if asked.frame.to_client else zcl.TO_CLIENT
        if isinstance(answer, Command):
            command = answer.command
            control |= zcl.CLUSTER_SPECIFIC
            control |= zcl.DISABLE_DEFAULT_RESPONSE if self.settings.disable_default_response else 0
        else:
            command = READ_RESPONSE if isinstance(answer, ReadAttributesResponse) else DEFAULT_RESPONSE
        contents = gbz_typed.write(answer)
        frame = zcl.Frame(control, asked.frame.sequence, command, contents)
        plain = Component(asked.cluster, frame)
        sealed = any(
            row.encrypted and row.message in ("response", "alternate response") and _is(row, plain)
            for row in context.use_case.gbz
        )
        if not sealed:
            return plain
        frame = zcl.Frame(control, asked.frame.sequence, command, context.seal(contents))
        return Component(asked.cluster, frame, None, AdditionalHeader(0, sealed_before))

    def _fixed_fault(self, row: GbzRow, body: Command) -> str | None:
        """Why ``body`` has not the fixed values of ``row``."""
        values = dict(body.fields)
        for listed in row.fields:
            if listed.get("type") not in self.settings.held_types or not isinstance(listed.get("value"), str):
                continue
            allowed = {int(choice, 0) for choice in str(listed["value"]).split("|")}
            name = zcl_fields.same_name(str(listed["name"]), values)
            if name is not None and values[name] not in allowed:
                return f"{name} {values[name]!r}, expected one of {sorted(allowed)}"
        return None


def _due(row: ConductRow, component: Component, body: Command) -> int:
    """When a command is to take effect, seconds since 2000; 0 for at once."""
    if row.when is None:
        return 0
    at = component.from_time or 0
    return at if row.when == gbz_answers.FROM_TIME else number(dict(body.fields)[row.when])


def _is(row: GbzRow, component: Component) -> bool:
    """Whether a component has cluster, command, direction and frame type of a row."""
    frame = component.frame
    return (
        row.cluster == component.cluster
        and row.command == frame.command
        and (row.direction == "server-to-client") == frame.to_client
        and (row.frame == "cluster") == frame.cluster_specific
    )


def _act(context: CommandContext) -> Act:
    cause = f"{context.use_case.use_case} from {context.role.label}"
    message = context.message
    remote = not context.use_case.between_devices
    return Act(context.now, context.civil, message.originator, message.counter, cause, context.effects, remote=remote)
