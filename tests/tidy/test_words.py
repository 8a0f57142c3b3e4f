"""One word per thing: the words of docs/ARCHITECTURE.md, and none of those they replace."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.tidy.sources import files, name, words

BANNED = {
    word + ending
    for word in ("job", "topic", "tube", "shard", "manager", "helper", "util", "common", "misc")
    for ending in ("", "s")
}
# Inside, these have a meaning of their own (asyncio.Task, a file lock); in public they would stand for one of ours.
BANNED_IN_PUBLIC = BANNED | {"task", "tasks", "lock", "locks"}
RUST_BINDING = re.compile(r"\b(?:fn|struct|enum|trait|mod|const|static|type|let(?: mut)?)\s+([A-Za-z_]\w*)")
GO_BINDING = re.compile(
    r"^\t*(?:func(?: \([^)]*\))?|type|var|const|package) ([A-Za-z_]\w*)|\b([A-Za-z_]\w*)(?:, \w+)* :=", re.MULTILINE
)


TYPESCRIPT_BINDING = re.compile(
    r"\b(?:function|class|interface|type|const|let) (\w+)|^ +(?:private |protected |readonly |async )*(\w+)[(?:]",
    re.MULTILINE,
)


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Every name a module gives to something."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound) | ast.ClassDef(name=bound):
                yield bound
            case ast.arg(arg=bound) | ast.Name(id=bound, ctx=ast.Store()):
                yield bound
            case ast.Attribute(attr=bound, ctx=ast.Store()):
                yield bound


def public_names(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and methods that don't begin with an underscore."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
            yield node.name


def test_file_names() -> None:
    found = [name(path) for path in files() for word in words(name(path)) if word in BANNED]
    assert not found


def test_python_names() -> None:
    found = []
    for path in files(".py", ".pyi"):
        tree = ast.parse(path.read_text())
        found += [f"{name(path)}: {bound}" for bound in bound_names(tree) if BANNED & set(words(bound))]
        if name(path).startswith("python/"):
            public = (bound for bound in public_names(tree) if BANNED_IN_PUBLIC & set(words(bound)))
            found += [f"{name(path)}: {bound} (public)" for bound in public]
    assert not found


def test_rust_names() -> None:
    found = [
        f"{name(path)}: {bound}"
        for path in files(".rs")
        for bound in RUST_BINDING.findall(path.read_text())
        if BANNED & set(words(bound))
    ]
    assert not found


def go_names(text: str) -> Iterator[str]:
    """What Go code declares, fields and arguments excepted."""
    for found in GO_BINDING.finditer(text):
        yield found[1] or found[2]


def test_go_names() -> None:
    found = [
        f"{name(path)}: {bound}"
        for path in files(".go")
        for bound in go_names(path.read_text())
        if BANNED & set(words(bound))
    ]
    assert not found
    assert list(go_names("func (c *Client) RetryJobs() {\n\ttopicName, err := f()")) == ["RetryJobs", "topicName"]


def typescript_names(text: str) -> Iterator[str]:
    """What TypeScript declares: fields and methods too."""
    for found in TYPESCRIPT_BINDING.finditer(text):
        yield found[1] or found[2]


def test_typescript_names() -> None:
    found = [
        f"{name(path)}: {bound}"
        for path in files(".ts")
        for bound in typescript_names(path.read_text())
        if BANNED & set(words(bound))
    ]
    assert not found
    assert list(typescript_names("const jobs = 1;\n  private async retryTopic(a) {")) == ["jobs", "retryTopic"]


def test_a_banned_word_is_found() -> None:
    tree = ast.parse("def pick(retryJobs): self.topic_name = 1")
    assert [bound for bound in bound_names(tree) if BANNED & set(words(bound))] == ["retryJobs", "topic_name"]
