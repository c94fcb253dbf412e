"""The mistakes that a source can have put into it: what they are, where, and that each compiles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation.operators import Mutant, mutants
from tests.mutation.tree import ROOT

CASES: list[tuple[str, str, set[str]]] = [
    ("x = a < b", "comparison", {"< -> <=", "< -> >="}),
    ("x = a is not None", "comparison", {"is not -> is"}),
    ("x = a not in b", "comparison", {"not in -> in"}),
    ("x = a == b == c", "comparison", {"== -> !="}),
    ("x = a + b", "arithmetic", {"+ -> -"}),
    ("x = 'a' + b", "arithmetic", set()),
    ("x = [a] + b", "arithmetic", set()),
    ("x += 1", "arithmetic", {"+= -> -="}),
    ("x = 5", "constant", {"5 -> 6", "5 -> 4"}),
    ("x = a[0]", "constant", {"0 -> 1", "0 -> (-1)"}),
    ("x: Final[int] = True", "boolean", {"True -> False"}),
    ("x = not a", "not dropped", {"not a -> (a)"}),
    ("x = a and b", "and or", {"a and b -> ((a) or (b))"}),
    ("x = a or b", "operand dropped", {"a or b -> ((a))", "a or b -> ((b))"}),
    ("if a: b()", "condition", {"a -> not (a)"}),
    ("x = [a for a in b if c]", "condition", {"c -> True"}),
    ("a.b()", "statement dropped", {"a.b() -> pass"}),
    ("a.b = c", "statement dropped", {"a.b = c -> pass"}),
    ("raise ValueError(f'{a + 1} and so')", "statement dropped", {"raise ValueError(f'{a + 1} and so') -> pass"}),
    ("while a: break", "break or continue", {"break -> continue"}),
    ("x = f('kind.of', 'a whole sentence')", "string", {"'kind.of' -> 'kind.ofx'"}),
    ("def f() -> list[int]:\n    return g()", "result", {"g() -> []"}),
    ("def f() -> bool:\n    return a", "result", {"a -> not (a)"}),
    ("def f() -> X:\n    return a", "result", {"a -> None"}),
    ("def f() -> None:\n    return None", "result", set()),
    ("def f():\n    x = [a, B(), *c]", "element dropped", {"B(), -> ", "*c -> "}),
    ("def f():\n    x = [B()]", "element dropped", {"[B()] -> []"}),
    ("def f():\n    g(a, b=1, c=2)", "keyword argument dropped", {"b=1, -> ", "c=2 -> "}),
    ("def f():\n    g(b=1,)", "keyword argument dropped", {"g(b=1,) -> g()"}),
    ("def f(a: int, b: int, c: str):\n    g(a, b, c)", "arguments swapped", {"a, b -> b, a"}),
]


@pytest.mark.parametrize(("source", "operator", "expected"), CASES, ids=[f"{c[1]}: {c[0]}" for c in CASES])
def test_what_becomes_of_a_source(source: str, operator: str, expected: set[str]) -> None:
    found = [mutant for mutant in mutants("a.py", source.encode()) if mutant.operator == operator]
    assert {f"{m.before} -> {m.after}" for m in found} == expected
    for mutant in found:
        ast.parse(mutant.applied(source.encode()))


LEFT_OUT = '''"""kind"""
from __future__ import annotations
__all__ = ["one"]
def f(a: "one" = None) -> "two":
    """three"""
    assert a == 1
    raise ValueError("four", 5)
class A:
    """six"""
    def __repr__(self):
        return "seven"
'''


def test_what_no_test_of_behaviour_should_notice_is_left_out() -> None:
    assert [mutant.operator for mutant in mutants("a.py", LEFT_OUT.encode())] == ["statement dropped"]


SCOPES = """
LIMIT = 1
class A:
    size: int = 2
    def grow(self):
        def by():
            return 3
        return [4 for _ in by()]
"""


def test_a_mutant_knows_its_function_by_the_name_that_code_objects_have() -> None:
    found = {m.before: m.scope for m in mutants("a.py", SCOPES.encode()) if m.operator == "constant"}
    assert found == {"1": "<module>", "2": "<module>", "3": "A.grow.<locals>.by", "4": "A.grow"}


def test_octets_beyond_ascii_move_nothing() -> None:
    source = 'x = "Größe", a < b\n'.encode()
    (found,) = [m for m in mutants("a.py", source) if m.after == "<="]
    assert found.applied(source).decode() == 'x = "Größe", a <= b\n'


@pytest.mark.parametrize("file", ["devices/machines/esme.py", "rig/node/takes.py"])
def test_every_mutant_of_a_file_compiles_and_differs(file: str) -> None:
    source = (ROOT / file).read_bytes()
    found = mutants(file, source)
    assert len(found) > 50
    texts: dict[bytes, Mutant] = {mutant.applied(source): mutant for mutant in found}
    assert len(texts) == len(found)
    for text, mutant in texts.items():
        ast.parse(text, mutant.text)
    assert all(mutant.file == file and Path(ROOT / mutant.file).is_file() for mutant in found)
