"""What `simulator.lab` promises to keep: its public names and how they are called, in a golden list.

A name that goes, or is called otherwise, is a new major version. To take a change on: `python tests/component/lab/test_lab_names.py`, and the changelog.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator.lab
from simulator.lab.sent import Wanted

GOLDEN = Path(__file__).parents[2] / "golden" / "lab_names.txt"


def listed() -> str:
    """Each class with what is public of it, as the source has it."""
    lines: list[str] = []
    for name in sorted(simulator.lab.__all__):
        found = getattr(simulator.lab, name)
        bases = [base.__name__ for base in found.__bases__ if base.__module__ == "builtins"]
        lines += [f"class {name}({', '.join(base for base in bases if base != 'object')})"]
        lines += [f"    {member}" for member in sorted(set(_members(found)))]
    lines += ["**wanted", *(f"    {member}" for member in sorted(_own(_tree(Wanted))))]
    return "\n".join(lines) + "\n"


def _members(found: type) -> Iterator[str]:
    """Of the class and of its bases in this package."""
    for one in found.__mro__:
        if one.__module__.startswith("simulator.lab"):
            yield from _own(_tree(one))


def _tree(found: type) -> ast.ClassDef:
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(found))).body
    assert isinstance(tree, ast.ClassDef)
    return tree


def _own(tree: ast.ClassDef) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                yield f"{name}: {ast.unparse(node.annotation)}"
            case ast.FunctionDef(name="__init__"):
                yield from _init(node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not name.startswith("_"):
                yield _function(node)


def _init(node: ast.FunctionDef) -> Iterator[str]:
    """How it is made, where that is for everybody, and the attributes that it sets."""
    if node.args.kwonlyargs:
        yield f"__init__({ast.unparse(node.args)})"
    for each in ast.walk(node):
        match each:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()) if name[0] != "_":
                yield name


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    returned = ast.unparse(node.returns) if node.returns else ""
    if any(ast.unparse(one) == "property" for one in node.decorator_list):
        return f"{node.name} -> {returned}"
    begins = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{begins}{node.name}({ast.unparse(node.args)}) -> {returned}"


def test_the_public_names_and_signatures_are_those_of_the_golden_list() -> None:
    assert listed() == GOLDEN.read_text()


@pytest.mark.parametrize("name", simulator.lab.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    found = getattr(simulator.lab, name)
    assert found.__doc__
    for one in found.__mro__:
        for member, value in vars(one).items() if one.__module__.startswith("simulator.lab") else ():
            if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                assert value.__doc__, f"{name}.{member}"


if __name__ == "__main__":
    GOLDEN.write_text(listed())
