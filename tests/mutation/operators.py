"""The mistakes that a source file can have put into it: one :class:`Mutant` each, a piece of text and what replaces it.

Nothing is made of annotations, docstrings, texts of errors or ``__all__``: what no test of behaviour should notice.

Must not live here: which mutants are tried, and how.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = ["Mutant", "mutants"]

MODULE: Final = "<module>"
_WORD: Final = re.compile(r"[A-Za-z_][\w.\-]+")  # kinds of events, keys, verbs; no sentences
_COMPARED: Final[dict[type[ast.cmpop], tuple[str, tuple[str, ...]]]] = {
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
_COMBINED: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "//"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "|"),
}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: the octets ``start`` to ``end`` of ``file`` become ``after``.

    ``scope`` is the qualified name of the function that it is in, ``<module>`` outside of all.
    """

    file: str
    line: int
    scope: str
    operator: str
    start: int
    end: int
    before: str
    after: str

    def applied(self, source: bytes) -> bytes:
        """The source with the mistake in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]

    @property
    def text(self) -> str:
        """What changes, on one line."""
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{before} -> {after}"


def mutants(file: str, source: bytes) -> list[Mutant]:
    """Every mistake of one source file that still compiles, in the order of the file."""
    walk = _Walk(file, source)
    walk.into(ast.parse(source))
    found = {(m.start, m.end, m.after): m for m in walk.found if m.before != m.after}
    return sorted(found.values(), key=lambda m: (m.start, m.end, m.after))


class _Walk:
    """One pass over a file: what is left out, the scope it is in, and the mistakes found."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file, self.source = file, source
        self.found: list[Mutant] = []
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._scope: list[str] = []
        self._functions: list[_Function] = []

    # ------------------------------------------------------------------------------------------------------- the walk

    def into(self, node: ast.AST) -> None:
        """Find the mistakes of ``node`` and of all below it."""
        if isinstance(node, (_Function, ast.ClassDef)):
            self._named(node)
            return
        if _left_out(node):
            return
        if isinstance(node, ast.stmt):
            self._statement(node)
        if isinstance(node, ast.Raise):
            return  # its text is for people
        if isinstance(node, ast.expr):
            self._expression(node)
        self._conditions(node)
        for name, child in ast.iter_fields(node):
            if name in ("annotation", "returns", "type_comment"):
                continue
            for one in child if isinstance(child, list) else [child]:
                if isinstance(one, ast.AST):
                    self.into(one)

    def _named(self, node: _Function | ast.ClassDef) -> None:
        if node.name in ("__repr__", "__str__"):
            return
        function = isinstance(node, _Function)
        self._scope.append(node.name)
        if isinstance(node, _Function):
            self._functions.append(node)
            self._scope.append("<locals>")
            for default in (*node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)):
                self.into(default)
        for statement in node.body:
            self.into(statement)
        if function:
            self._functions.pop()
            self._scope.pop()
        self._scope.pop()

    def _qualified(self) -> str:
        """The scope as code objects name it: up to the innermost function."""
        for place in range(len(self._scope), 0, -1):
            if self._scope[place - 1] == "<locals>":
                return ".".join(self._scope[: place - 1])
        return MODULE

    # -------------------------------------------------------------------------------------------------- text and places

    def _span(self, node: ast.AST) -> tuple[int, int]:
        start = self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self.source[start:end].decode()

    def _replace(self, node: ast.AST, operator: str, after: str) -> None:
        self._splice(*self._span(node), operator, after)

    def _splice(self, start: int, end: int, operator: str, after: str) -> None:
        line = self.source.count(b"\n", 0, start) + 1
        before = self.source[start:end].decode()
        self.found.append(Mutant(self.file, line, self._qualified(), operator, start, end, before, after))

    def _between(self, left: ast.AST, right: ast.AST, symbol: str, operator: str, after: str) -> None:
        """Replace the symbol that stands between two operands."""
        start, end = self._span(left)[1], self._span(right)[0]
        pattern = re.compile(r"\s+".join(map(re.escape, symbol.split())))
        place = pattern.search(self.source[start:end].decode())
        if place is not None:
            self._splice(start + place.start(), start + place.end(), operator, after)

    # ------------------------------------------------------------------------------------------------------- statements

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Delete():
                self._replace(node, "statement dropped", "pass")
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
                self._replace(node, "statement dropped", "pass")
            case ast.Break():
                self._replace(node, "break or continue", "continue")
            case ast.Continue():
                self._replace(node, "break or continue", "break")
            case ast.Return(value=ast.expr() as value):
                self._returned(value)
        if isinstance(node, ast.AugAssign) and type(node.op) in _COMBINED:
            symbol, other = _COMBINED[type(node.op)]
            self._between(node.target, node.value, f"{symbol}=", "arithmetic", f"{other}=")

    def _returned(self, value: ast.expr) -> None:
        if isinstance(value, ast.Constant) and value.value is None:
            return
        returns = self._functions[-1].returns if self._functions else None
        kind = "" if returns is None else ast.unparse(returns)
        if kind == "bool":
            self._replace(value, "result", f"not ({self._text(value)})")
        elif kind == "int":
            self._replace(value, "result", f"({self._text(value)}) + 1")
        elif kind.startswith(("list", "Sequence")):
            self._replace(value, "result", "[]")
        elif kind.startswith(("dict", "Mapping")):
            self._replace(value, "result", "{}")
        elif kind == "str":
            self._replace(value, "result", '""')
        else:
            self._replace(value, "result", "None")

    def _conditions(self, node: ast.AST) -> None:
        match node:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                if not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)):
                    self._replace(test, "condition", f"not ({self._text(test)})")
            case ast.comprehension(ifs=tests):
                for test in tests:
                    self._replace(test, "condition", "True")
            case ast.match_case(guard=ast.expr() as guard):
                self._replace(guard, "condition", "True")

    # ------------------------------------------------------------------------------------------------------ expressions

    def _expression(self, node: ast.expr) -> None:
        match node:
            case ast.Compare():
                operands = [node.left, *node.comparators]
                for left, right, op in zip(operands, operands[1:], node.ops, strict=False):
                    symbol, others = _COMPARED[type(op)]
                    for other in others:
                        self._between(left, right, symbol, "comparison", other)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMBINED and not _textual(left, right):
                symbol, other = _COMBINED[type(op)]
                self._between(left, right, symbol, "arithmetic", other)
            case ast.BoolOp(op=op, values=values):
                parts = [f"({self._text(value)})" for value in values]
                joined = " or " if isinstance(op, ast.And) else " and "
                self._replace(node, "and or", f"({joined.join(parts)})")
                kept = " and " if isinstance(op, ast.And) else " or "
                for place in range(len(parts)):
                    left_over = kept.join(parts[:place] + parts[place + 1 :])
                    self._replace(node, "operand dropped", f"({left_over})")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._replace(node, "not dropped", f"({self._text(operand)})")
            case ast.Constant():
                self._constant(node)
            case ast.List(elts=elements, ctx=ast.Load()) if self._functions:
                self._elements(node, elements)
            case ast.Call() if self._functions:
                self._call(node)

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._replace(node, "boolean", str(not value))
        elif isinstance(value, int):
            for other in (value + 1, value - 1):
                self._replace(node, "constant", str(other) if other >= 0 else f"({other})")
        elif isinstance(value, float):
            self._replace(node, "constant", str(value * 2 if value else 1.0))
        elif isinstance(value, str) and _WORD.fullmatch(value):
            self._replace(node, "string", repr(f"{value}x"))

    def _elements(self, node: ast.List, elements: list[ast.expr]) -> None:
        """Leave one effect out of a list of them."""
        for place, one in enumerate(elements):
            if isinstance(one, (ast.Call, ast.Starred)):
                self._leave_out(node, elements, place, "element dropped", "[]")

    def _call(self, node: ast.Call) -> None:
        given = [*node.args, *node.keywords]
        for place, one in enumerate(given):
            if isinstance(one, ast.keyword) and one.arg is not None:
                self._leave_out(node, given, place, "keyword argument dropped", f"{self._text(node.func)}()")
        for one, other in pairwise(node.args):
            if self._same_type(one, other):
                start, end = self._span(one)[0], self._span(other)[1]
                self._splice(start, end, "arguments swapped", f"{self._text(other)}, {self._text(one)}")

    def _leave_out(self, node: ast.AST, parts: Sequence[ast.AST], place: int, operator: str, empty: str) -> None:
        """Leave one part out, with the comma behind it; ``empty`` is what is left of ``node`` without any."""
        if len(parts) == 1:
            self._replace(node, operator, empty)
            return
        start, end = self._span(parts[place])
        if place + 1 < len(parts):
            end = self._span(parts[place + 1])[0]
            end -= len(self.source[start:end]) - len(self.source[start:end].rstrip(b" (["))  # brackets of what follows
        elif (comma := re.match(rb"\s*,", self.source[end:])) is not None:
            end += comma.end()
        self._splice(start, end, operator, "")

    def _same_type(self, one: ast.expr, other: ast.expr) -> bool:
        match one, other:
            case ast.Name(id=left), ast.Name(id=right):
                kinds = [self._kind(left), self._kind(right)]
                return left != right and bool(kinds[0]) and kinds[0] == kinds[1]
            case ast.Constant(value=left), ast.Constant(value=right):
                return type(left) is type(right) and left != right
        return False

    def _kind(self, name: str) -> str:
        """The annotation of a parameter of the function that this is in; nothing where there is none."""
        arguments = self._functions[-1].args
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if one.arg == name and one.annotation is not None:
                return ast.unparse(one.annotation)
        return ""


def _left_out(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Assert():
            return True
        case ast.Expr(value=ast.Constant()):
            return True  # a docstring
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case ast.Call(func=ast.Name(id="TypeVar" | "cast" | "getLogger")):
            return True
    return False


def _textual(*operands: ast.expr) -> bool:
    """Whether these are texts or lists, which + joins and - cannot."""
    return any(
        isinstance(one, (ast.JoinedStr, ast.List, ast.ListComp, ast.Tuple))
        or (isinstance(one, ast.Constant) and isinstance(one.value, (str, bytes)))
        for one in operands
    )
