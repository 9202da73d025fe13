"""One spelling for a kernel's name, whichever profiler wrote it.

nsys and ncu print names with NVIDIA's demangler, torch.profiler with GCC's. They agree
on the function and its template arguments, up to spelling, but not on parameter lists
(NVIDIA writes placeholders, ``T1``) nor on the return types of inner functions.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_LAMBDA = re.compile(r"\[lambda\(([^\[\]]*?)\) \(instance (\d+)\)\]")
_CAST = re.compile(r"\(([\w:<> ]+)\)(-?\d\w*)")
_SUFFIX = re.compile(r"(?<![\w.])(\d+)[uUlL]+(?!\w)")
_EAST_CONST = re.compile(
    r"(?<![\w:>])(?!const\b)((?:unsigned )?[A-Za-z_][\w:]*) const\b"
)
_SPACE_BEFORE = re.compile(r"\s+(?=[*&>,])")
_PIECE = re.compile(r"[<>(){},]|[^<>(){},]+")
_CLOSES = {">": "<", ")": "(", "}": "{"}
_QUALIFIER = " const"
_PASSES = 8  # names seen need one; odd text may uncover more at each


def normalize(name: str) -> str:
    """The name without return type and parameters, in one spelling.

    ``(int)4`` becomes ``4``, ``2ul`` becomes ``2``, ``(anonymous namespace)`` becomes
    ``<unnamed>``, ``[lambda(int) (instance 1)]`` becomes ``{lambda(int)#1}``. A C++
    function keeps ``()`` at its end, so that it still differs from a plain C name,
    as Triton gives. Overloads that differ in their parameters alone become one.
    """
    for _ in range(_PASSES):
        before, name = name, _without_parameters(_respelled(name))
        if name == before:
            break
    return name


def _respelled(name: str) -> str:
    name = " ".join(name.split())
    name = name.replace("(anonymous namespace)", "<unnamed>")
    name = name.replace("operator ()", "operator()")
    name = _LAMBDA.sub(r"{lambda(\1)#\2}", name)
    name = _CAST.sub(_literal, name)
    name = _SUFFIX.sub(r"\1", name)
    name = _EAST_CONST.sub(r"const \1", name)
    return _SPACE_BEFORE.sub("", name)


def _literal(match: re.Match[str]) -> str:
    kind, value = match.groups()
    if kind == "bool" and value in ("0", "1"):
        return "true" if value == "1" else "false"
    return value


@dataclass(slots=True)
class _Group:
    """What stands between one bracket and its partner, comma by comma."""

    opener: str
    is_parameters: bool = False
    arguments: list[str] = field(default_factory=list)
    parts: list[tuple[str, bool]] = field(default_factory=list)  # text, is a group
    named: int = 0  # parts before the last parameters that were left out
    after_parameters: bool = False

    @property
    def lost_parameters(self) -> bool:
        return self.named > 0

    def add(self, text: str, *, is_group: bool = False) -> None:
        if self.after_parameters and text.startswith(_QUALIFIER):
            text = text[len(_QUALIFIER) :]
        self.after_parameters = False
        self.parts.append((text, is_group))

    def ends_with(self, holds: Callable[[str], bool]) -> bool:
        return bool(self.parts) and holds(self.parts[-1][0])

    def close_argument(self) -> None:
        """An argument that names a function loses that function's return type."""
        parts = self.parts
        for index in range(self.named - 1, -1, -1):
            text, is_group = parts[index]
            if not is_group and " " in text:
                parts = [(text.rpartition(" ")[2], False), *parts[index + 1 :]]
                break
        self.arguments.append("".join(text for text, _ in parts).strip())
        self.parts, self.named, self.after_parameters = [], 0, False

    def text(self) -> str:
        self.close_argument()
        return ", ".join(self.arguments)


def _without_parameters(name: str) -> str:
    stack = [_Group("")]
    for piece in _PIECE.findall(name):
        top = stack[-1]
        if piece in "<({":
            stack.append(_Group(piece, is_parameters=_opens_parameters(piece, top)))
        elif piece == "," and top.opener:
            top.close_argument()
        elif piece in _CLOSES and top.opener == _CLOSES[piece]:
            stack.pop()
            _close(stack[-1], top, piece)
        else:
            top.add(piece)
    while len(stack) > 1:  # brackets without a partner are text
        top = stack.pop()
        stack[-1].add(top.opener + top.text())
    (root,) = stack
    is_function = root.lost_parameters
    return root.text() + ("()" if is_function else "")


def _opens_parameters(piece: str, around: _Group) -> bool:
    if piece != "(" or around.opener == "{":  # a lambda is told by its parameters
        return False
    return around.after_parameters or around.ends_with(
        lambda text: (
            text[-1:].isalnum()
            or text[-1:] in ("_", ">", "}")
            or text.endswith("operator()")
        )
    )


def _close(around: _Group, inner: _Group, piece: str) -> None:
    names_function = inner.lost_parameters
    body = inner.text()
    if inner.is_parameters:
        if body or not around.ends_with(lambda text: text.endswith("operator")):
            around.named, around.after_parameters = len(around.parts), True
        else:
            operator, _ = around.parts.pop()
            around.parts.append((operator + "()", False))
    elif names_function and around.ends_with(lambda text: text.endswith("&")):
        around.add(body, is_group=True)  # &(float silu<float>(const float&)), by GCC
    else:
        around.add(inner.opener + body + piece, is_group=True)
