"""The files of a rule pack: YAML read strictly, every error with its line.

Invariant: what is not exactly as expected is refused: repeated keys, of which YAML would silently keep the last;
anchors and aliases, with which a small file can stand for a huge one; files beyond the limits.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from aisecops_langchain.errors import ConfigurationError

_LARGEST_FILE: Final = 1_000_000
"""Bytes."""

_Location = Sequence[int | str]
_M = TypeVar("_M", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """Refuses what YAML would resolve without a word."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if not isinstance(name, str):
                raise yaml.constructor.ConstructorError(None, None, "key is not text", key.start_mark)
            if keys.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"repeated key {name}", key.start_mark)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True, slots=True)
class PackText:
    """One file as read."""

    name: str
    """What errors call it."""
    content: str

    def parse(self, model: type[_M]) -> _M:
        """Read the content.

        Args:
            model: What it must be.

        Returns:
            The content as that.

        Raises:
            ConfigurationError: If it is not YAML, or not as the model says.
        """
        document = self._document()
        try:
            return model.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "the file"
            raise self.error(f"{field} is not valid", first["loc"], got=str(first["msg"])) from error

    def error(
        self,
        message: str,
        where: _Location,
        *,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> ConfigurationError:
        """Make an error that names file, line and rule.

        Args:
            message: What is wrong.
            where: Keys and positions that lead to it.
            expected: What was expected.
            got: What was found.
            remedy: What to do.

        Returns:
            The error.
        """
        root = _StrictLoader(self.content).get_single_node()
        line, rule = _line(root, where), _rule(root, where)
        place = f"rule pack {self.name}:{line}{f', rule {rule}' if rule else ''}"
        return ConfigurationError(f"{place}: {message}", expected=expected, got=got, remedy=remedy)

    def _document(self) -> object:
        try:
            return _StrictLoader(self.content).get_single_data()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{self.name}:{mark.line + 1}" if mark else self.name
            got = str(getattr(error, "problem", None) or error)
            raise ConfigurationError(f"rule pack {where} is not YAML as it is read here", got=got) from error
        except (RecursionError, ValueError) as error:
            raise ConfigurationError(f"rule pack {self.name} is not YAML as it is read here", got=str(error)) from None


def read_texts(path: Path | Traversable) -> list[PackText]:
    """Read the files of a pack.

    Args:
        path: A YAML file, or a folder whose ``*.yaml`` files are one pack.

    Returns:
        The files, in the order of their names.

    Raises:
        ConfigurationError: If there is none, or one cannot be read.
    """
    files = (
        sorted((file for file in path.iterdir() if file.name.endswith(".yaml")), key=_name) if path.is_dir() else [path]
    )
    if not files:
        raise ConfigurationError(f"rule pack {path.name} is empty", expected="a folder with *.yaml files")
    return [PackText(file.name, _read(file)) for file in files]


def _read(file: Path | Traversable) -> str:
    try:
        content = file.read_bytes()
        if len(content) > _LARGEST_FILE:
            raise ConfigurationError(
                f"rule pack {file.name} is too large", expected=f"at most {_LARGEST_FILE} bytes", got=str(len(content))
            )
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"rule pack {file.name} cannot be read", expected="a UTF-8 YAML file", got=type(error).__name__
        ) from error


def _name(file: Path | Traversable) -> str:
    return file.name


def _line(node: yaml.Node | None, where: _Location) -> int:
    """Return the line of the innermost node on the way that exists."""
    for step in where:
        inner = _step(node, step)
        if inner is None:
            break
        node = inner
    return node.start_mark.line + 1 if node else 1


def _rule(root: yaml.Node | None, where: _Location) -> str | None:
    if len(where) < 2 or where[0] != "rules":
        return None
    identifier = _step(_step(_step(root, "rules"), where[1]), "id")
    return str(identifier.value) if isinstance(identifier, yaml.ScalarNode) else None


def _step(node: yaml.Node | None, step: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]  # type: ignore[no-any-return]
    return None
