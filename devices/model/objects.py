"""COSEM objects as data, and the values that one device holds in them.

An object is a row: class, OBIS code, attributes with type and access, methods with type.  What a method does, and where
an attribute is computed instead of stored, is bound by the machine through tables of callables.

Must not live here: the objects of one kind of device (``esme_objects``, ``chf_objects``), who may do what with which
message (``use_cases``), access PDUs (``wire.cosem``).

Source of the result codes: facts/gbcs.md 3.4 for those seen in published messages; the others are those of DLMS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar

from devices.model import data_types
from devices.wire import axdr
from devices.wire.axdr import Data, Tag

__all__ = ["AccessError", "AttributeDef", "Key", "MethodDef", "ObjectDef", "ObjectModel", "ResultCode"]

Context = TypeVar("Context")
Key = tuple[int, bytes, int]
"""Class, OBIS code (6 octets), number of the attribute or method."""


class ResultCode(IntEnum):
    """Data access results and action results, which share their numbers where both have them."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    OTHER_REASON = 250


class AccessError(Exception):
    """An access that the object model refuses; ``code`` goes into the access-response."""

    def __init__(self, code: ResultCode, reason: str) -> None:
        super().__init__(f"{code.name.lower()}: {reason}")
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class AttributeDef:
    """One attribute.  ``type`` is read by :mod:`devices.model.data_types`.  ``access`` is ``"r"``, ``"w"`` or ``"rw"``.

    ``initial`` is the value at manufacture; None gives an empty one of the type.
    """

    name: str
    type: str
    access: str = "r"
    initial: Data | None = None


@dataclass(frozen=True, slots=True)
class MethodDef:
    """One method and the type of its argument."""

    name: str
    type: str = "any"


@dataclass(frozen=True, slots=True)
class ObjectDef:
    """One object of the model."""

    class_id: int
    obis: bytes
    name: str
    attributes: Mapping[int, AttributeDef] = field(default_factory=dict)
    methods: Mapping[int, MethodDef] = field(default_factory=dict)


Method = Callable[[Data, Context], tuple[int, Data | None]]
Getter = Callable[[Data | None, Context], Data]
Setter = Callable[[Data, Context], None]


class ObjectModel(Generic[Context]):
    """The objects of one device with their values.

    ``get``, ``set`` and ``act`` raise :class:`AccessError` and change nothing when they do.  A getter or setter that is
    bound takes the place of the stored value; a method without callable answers object-unavailable.  ``revision``
    counts the changes of stored values.
    """

    def __init__(self, definitions: Iterable[ObjectDef]) -> None:
        self._objects: dict[bytes, list[ObjectDef]] = {}
        self._values: dict[Key, Data] = {}
        self._methods: dict[Key, Method[Context]] = {}
        self._getters: dict[Key, Getter[Context]] = {}
        self._setters: dict[Key, Setter[Context]] = {}
        self._changed: dict[Key, Data] = {}
        self._texts: dict[Key, tuple[str, str]] = {}  # what as_json said of a value, until it changes
        self.revision = 0
        for definition in definitions:
            self._objects.setdefault(definition.obis, []).append(definition)
            for index, attribute in definition.attributes.items():
                value = data_types.default(attribute.type) if attribute.initial is None else attribute.initial
                self._values[definition.class_id, definition.obis, index] = value

    # ------------------------------------------------------------------------------------------------------ the machine

    def bind(
        self,
        methods: Mapping[Key, Method[Context]] | None = None,
        getters: Mapping[Key, Getter[Context]] | None = None,
        setters: Mapping[Key, Setter[Context]] | None = None,
    ) -> None:
        """Give methods and computed attributes their conduct.  Raises ``KeyError`` for what the model does not have.

        A method is ``(argument, context) -> (result code, data or None)``, a getter ``(selection or None, context) ->
        data``, a setter ``(data, context) -> None``; each may raise :class:`AccessError`.
        """
        for key in methods or {}:
            if key[2] not in self._definition(key).methods:
                raise KeyError(f"no method {_text(key)}")
        for key in (*(getters or {}), *(setters or {})):
            if key not in self._values:
                raise KeyError(f"no attribute {_text(key)}")
        self._methods.update(methods or {})
        self._getters.update(getters or {})
        self._setters.update(setters or {})

    def value(self, class_id: int, obis: bytes, index: int) -> Data:
        """The stored value, for the machine itself; raises ``KeyError``."""
        return self._values[class_id, obis, index]

    def put(self, class_id: int, obis: bytes, index: int, data: Data) -> None:
        """Store a value, for the machine itself: no access rights, no type check; raises ``KeyError``."""
        key = (class_id, obis, index)
        if key not in self._values:
            raise KeyError(f"no attribute {_text(key)}")
        self._values[key] = self._changed[key] = data
        self._texts.pop(key, None)
        self.revision += 1

    def has(self, key: Key) -> bool:
        """Whether there is an attribute ``key``."""
        return key in self._values

    def written(self, key: Key) -> bool:
        """Whether a value was ever stored in the attribute ``key`` after manufacture."""
        return key in self._changed

    def __iter__(self) -> Iterator[ObjectDef]:
        return (definition for found in self._objects.values() for definition in found)

    def as_json(self) -> dict[str, str]:
        """Every value that differs from manufacture, ``"class/obis hex/index"`` to A-XDR in hex."""
        for key in self._changed.keys() - self._texts.keys():
            class_id, obis, index = key
            self._texts[key] = f"{class_id}/{obis.hex()}/{index}", axdr.encode(self._changed[key]).hex()
        return dict(self._texts[key] for key in self._changed)

    def restore(self, saved: Mapping[str, str] | None) -> None:
        """Take over what :meth:`as_json` gave on a fresh model; entries of objects that are no more are left out."""
        for text, octets in (saved or {}).items():
            class_id, obis, index = text.split("/")
            key = (int(class_id), bytes.fromhex(obis), int(index))
            if key in self._values:
                self.put(*key, axdr.decode(bytes.fromhex(octets))[0])

    # ------------------------------------------------------------------------------------------------- the remote party

    def get(self, key: Key, context: Context, selection: Data | None = None) -> Data:
        """Read an attribute, through its selection where one is given."""
        self._attribute(key, "r")
        getter = self._getters.get(key)
        if getter is not None:
            return getter(selection, context)
        if selection is not None:
            raise AccessError(ResultCode.SCOPE_OF_ACCESS_VIOLATED, f"{_text(key)} has no selective access")
        return self._values[key]

    def set(self, key: Key, data: Data, context: Context) -> None:
        """Write an attribute."""
        attribute = self._attribute(key, "w")
        self._typed(key, attribute.type, data)
        setter = self._setters.get(key)
        if setter is not None:
            setter(data, context)
        self.put(*key, data)

    def check_type(self, key: Key, data: Data, *, method: bool) -> None:
        """Raise :class:`AccessError` where ``data`` is not of the type that the attribute or method takes.

        What there is not, and what is not open, is for :meth:`set` and :meth:`act` to say.
        """
        definition = next((d for d in self._objects.get(key[1], ()) if d.class_id == key[0]), None)
        if definition is None:
            return
        found = definition.methods.get(key[2]) if method else definition.attributes.get(key[2])
        if found is not None:
            self._typed(key, found.type, data)

    def act(self, key: Key, data: Data, context: Context) -> tuple[int, Data | None]:
        """Execute a method: its result code and what it returns."""
        method = self._definition(key).methods.get(key[2])
        if method is None:
            raise AccessError(ResultCode.OBJECT_UNDEFINED, f"no method {_text(key)}")
        self._typed(key, method.type, data)
        conduct = self._methods.get(key)
        if conduct is None:
            raise AccessError(ResultCode.OBJECT_UNAVAILABLE, f"this device does not carry out {_text(key)}")
        return conduct(data, context)

    # ------------------------------------------------------------------------------------------------------- looking up

    def _definition(self, key: Key) -> ObjectDef:
        found = self._objects.get(key[1])
        if not found:
            raise AccessError(ResultCode.OBJECT_UNDEFINED, f"no object {_text(key)}")
        for definition in found:
            if definition.class_id == key[0]:
                return definition
        raise AccessError(
            ResultCode.OBJECT_CLASS_INCONSISTENT, f"{_text(key)}: the object is of class {found[0].class_id}"
        )

    def _attribute(self, key: Key, wish: str) -> AttributeDef:
        attribute = self._definition(key).attributes.get(key[2])
        if attribute is None:
            raise AccessError(ResultCode.OBJECT_UNDEFINED, f"no attribute {_text(key)}")
        if wish not in attribute.access:
            raise AccessError(ResultCode.READ_WRITE_DENIED, f"{_text(key)} is not open for this")
        return attribute

    @staticmethod
    def _typed(key: Key, text: str, data: Data) -> None:
        if not data_types.matches(data_types.parse(text), data):
            got = Tag(data.tag).name.lower()
            raise AccessError(ResultCode.TYPE_UNMATCHED, f"{_text(key)} takes {text}, got {got}")


def _text(key: Key) -> str:
    class_id, obis, index = key
    return f"{index} of class {class_id} {'.'.join(str(octet) for octet in obis)}"
