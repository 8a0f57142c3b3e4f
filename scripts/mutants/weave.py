"""One source that holds all mutants of a file: which one acts is chosen while it runs.

`a < b` becomes `match at(&[7, 8]) { m if m != 7 && m != 8 => { a < b }, 7 => { a > b }, _ => { a <= b } }`. Whatever a
mutant adds lies between marks, `/*<7*/` and `/*>*/`, so that an error of the compiler names the mutant it comes from;
so does the choice, `/*<7,8,*/` and `/*>*/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import tree_sitter
import tree_sitter_rust

from scripts.mutants.mutant import Mutant

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
MARK = re.compile(rb"/\*(<|>)([\d,]*)\*/")
CONSTANT = {"const_item", "static_item", "array_type", "const_block", "enum_variant"}
OPERATION = {"binary_expression", "compound_assignment_expr", "unary_expression"}

Node = Any  # tree_sitter.Node, as far as a checker without the package knows


@dataclass
class Choice:
    """A stretch of the source, in bytes, and what else could stand there."""

    kind: str
    start: int
    end: int
    result: bytes = b""
    """Of an iterator: the type of what is returned."""
    others: list[tuple[int, bytes]] = field(default_factory=list)
    within: list[Choice] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.others]


class Unwoven(Exception):
    """A mutant that can't be chosen while the program runs: says why."""


def weave(source: str, mutants: Iterable[Mutant]) -> tuple[bytes, dict[int, str]]:
    """The woven source, and the mutants that are not in it, each with its reason."""
    raw = source.encode()
    root = PARSER.parse(raw).root_node
    choices: dict[tuple[str, int, int], Choice] = {}
    left_out = {}
    for mutant in mutants:
        start, end = (len(source[:at].encode()) for at in mutant.span(source))
        try:
            choice, other = WEAVERS[mutant.kind](raw, root, start, end, mutant.replacement.encode())
        except Unwoven as why:
            left_out[mutant.number] = str(why)
            continue
        choice = choices.setdefault((choice.kind, choice.start, choice.end), choice)
        choice.others.append((mutant.number, other))
    return _rendered(raw, _nested(choices.values(), len(raw))), left_out


@dataclass(frozen=True)
class Region:
    """What lies between two marks: what one mutant brings, or a choice of several with the code that they change."""

    start: int
    end: int
    numbers: list[int]
    is_choice: bool


def regions(woven: bytes) -> Iterator[Region]:
    """An inner one before the one around it."""
    begun: list[re.Match[bytes]] = []
    for mark in MARK.finditer(woven):
        if mark[1] == b"<":
            begun.append(mark)
        else:
            first = begun.pop()
            numbers = [int(number) for number in first[2].split(b",") if number]
            yield Region(first.start(), mark.end(), numbers, first[2].endswith(b","))


def _around(node: Node, wanted: Callable[[Node], bool]) -> Node:
    """The innermost node from `node` outwards that is `wanted`."""
    while node is not None and not wanted(node):
        node = node.parent
    if node is None:
        raise Unwoven("the syntax around it was not found")
    return node


def _has(node: Node, kinds: set[str]) -> bool:
    return node.type in kinds or any(_has(child, kinds) for child in node.children)


def _refuse_constants(node: Node) -> None:
    while node is not None:
        modifiers = [child.text for child in node.children if child.type == "function_modifiers"]
        if node.type in CONSTANT or any(b"const" in text for text in modifiers):
            raise Unwoven("a constant")
        node = node.parent


def _value(raw: bytes, root: Node, start: int, end: int, replacement: bytes) -> tuple[Choice, bytes]:
    function = _around(root.descendant_for_byte_range(start, end), lambda node: node.type == "function_item")
    _refuse_constants(function)
    body, result = function.child_by_field_name("body"), function.child_by_field_name("return_type")
    if result is not None and result.text.startswith(b"impl "):
        boxed = re.sub(rb"\+\s*use<.*>$", b"", result.text).replace(b"impl ", b"dyn ", 1)
        boxed = boxed if re.search(rb"\+\s*'\w+$", boxed) else boxed + b" + '_"
        return Choice("iterator", body.start_byte, body.end_byte, b"Box<" + boxed + b">"), replacement
    at = body.start_byte + 1
    return Choice("value", at, at), b"return" if replacement == b"()" else b"return " + replacement


def _operator(raw: bytes, root: Node, start: int, end: int, replacement: bytes) -> tuple[Choice, bytes]:
    operator = root.descendant_for_byte_range(start, end - 1)
    _refuse_constants(operator)
    node = _around(operator, lambda node: node.type in OPERATION or node.type == "let_chain")
    if _has(node, {"let_chain", "let_condition"}):
        raise Unwoven("an operand is a `let`")
    left = raw[node.start_byte : start]
    left = b"(%s)" % left if b" as " in left else left  # else a type that `<` comes behind would begin its arguments
    return Choice("expression", node.start_byte, node.end_byte), left + replacement + raw[end : node.end_byte]


def _field(raw: bytes, root: Node, start: int, end: int, replacement: bytes) -> tuple[Choice, bytes]:
    node = _around(root.descendant_for_byte_range(start, end - 1), lambda node: node.type == "struct_expression")
    _refuse_constants(node)
    rest = re.sub(rb"^\s*,", b"", raw[end : node.end_byte])
    return Choice("expression", node.start_byte, node.end_byte), raw[node.start_byte : start] + rest


def _guard(raw: bytes, root: Node, start: int, end: int, replacement: bytes) -> tuple[Choice, bytes]:
    return Choice("expression", start, end), replacement


def _arm(raw: bytes, root: Node, start: int, end: int, replacement: bytes) -> tuple[Choice, bytes]:
    """An arm goes when its guard is false; one that has none gets one."""
    arm = _around(root.descendant_for_byte_range(start, end), lambda node: node.type == "match_arm")
    pattern = arm.child_by_field_name("pattern")
    guard = pattern.child_by_field_name("condition")
    if guard is None:
        return Choice("arm", pattern.end_byte, pattern.end_byte), b""
    if _has(guard, {"let_chain", "let_condition"}):
        raise Unwoven("the arm's guard is a `let`")
    return Choice("guard", guard.start_byte, guard.end_byte), b""


WEAVERS = {
    "FnValue": _value,
    "BinaryOperator": _operator,
    "UnaryOperator": _operator,
    "StructField": _field,
    "MatchArmGuard": _guard,
    "MatchArm": _arm,
}


def _nested(choices: Iterable[Choice], length: int) -> Choice:
    """The choices within each other, as the source has them: all in one."""
    order = ["guard", "iterator", "expression", "value", "arm"]
    root = Choice("file", 0, length)
    open_ = [root]
    for choice in sorted(choices, key=lambda choice: (choice.start, -choice.end, order.index(choice.kind))):
        while not open_[-1].start <= choice.start <= choice.end <= open_[-1].end:
            open_.pop()
        open_[-1].within.append(choice)
        open_.append(choice)
    return root


def _rendered(raw: bytes, choice: Choice) -> bytes:
    parts, at = [], choice.start
    for inner in choice.within:
        parts += [raw[at : inner.start], _chosen(raw, inner)]
        at = inner.end
    return b"".join([*parts, raw[at : choice.end]])


def _chosen(raw: bytes, choice: Choice) -> bytes:
    numbers = ", ".join(map(str, choice.numbers)).encode()
    around = b"/*<%s,*/%%s/*>*/" % numbers.replace(b" ", b"")
    asked = b"crate::at::at(&[%s])" % numbers
    same = _rendered(raw, choice)
    others = [(number, b"/*<%d*/%s/*>*/" % (number, other)) for number, other in choice.others]
    off = asked + b" != %d" % choice.numbers[0]
    match choice.kind:
        case "arm":
            return around % (b" if " + off + b" ")
        case "guard":
            return around % (off + b" && (" + same + b")")
        case "value":
            arms = b" ".join(b"%d => %s," % other for other in others)
            return around % (b" match %s { %s _ => {} } " % (asked, arms))
        case "iterator":
            # A cast would be looked at too late to say what type a number in it is of.
            boxed = b"{ let boxed__: " + choice.result + b" = Box::new(%s); boxed__ }"
            arms = b" ".join(b"%d => %s," % (number, boxed % other) for number, other in others)
            return around % (b"{ match %s { %s _ => %s } }" % (asked, arms, boxed % same))
        case _:
            none = b" && ".join(b"mutant__ != %d" % number for number in choice.numbers)
            arms = b" ".join(b"%d => { %s }," % other for other in others[:-1])
            last = others[-1][1]
            unchanged = b"mutant__ if %s => { %s }," % (none, same)
            return around % (b"(match %s { %s %s _ => { %s } })" % (asked, unchanged, arms, last))
