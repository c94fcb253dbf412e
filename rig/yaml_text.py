"""Text in YAML, read the same way whatever it says: bench files, expectations, tolerated issues, times, the catalogue.

A key stands once in a mapping: of two devices of one name the second must not silently win.

Must not live here: what any of these files may say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

__all__ = ["read", "read_file"]

_Base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same language, read by libyaml where Python's library was built with it: a run reads half a dozen files as it
starts, and that takes an eighth of the time."""


class _Loader(_Base):  # type: ignore[misc]  # one of two bases
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(str(key.value))
        read: dict[Any, Any] = super().construct_mapping(node, deep)
        return read


def read(text: str) -> Any:
    """The value of a YAML text.  Raises ``ValueError``, whatever is wrong with it."""
    try:
        return yaml.load(text, _Loader)
    # The YAML library lets the errors of the conversions through that it calls: a 13th month, a number without digits.
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as problem:
        raise ValueError(" ".join(str(problem).split()) or type(problem).__name__) from None


def read_file(path: Path) -> Any:
    """The value of a YAML file.  Raises ``ValueError``, whatever is wrong with it, or with reading it."""
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ValueError(problem.strerror or type(problem).__name__) from None
