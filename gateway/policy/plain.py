"""YAML as plain data: mappings with text keys and the line they begin on, lists, texts, numbers, booleans.

YAML has more than people expect: `on` and `no` are booleans, a date is an object, the last of two equal
keys wins, and aliases make small files huge. All of that is refused, with the file and the line.
"""

from typing import Any

import yaml

from gateway.errors import ConfigError


class Mapped(dict[str, Any]):
    """A mapping that knows the line it begins on."""

    line = 0


class _Loader(yaml.SafeLoader):
    """Safe YAML without dates, aliases, equal keys and keys that are not texts."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "aliases are not used here", event.start_mark)
        return super().compose_node(parent, index)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Mapped:
    found = Mapped()
    found.line = node.start_mark.line + 1
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        mark = key_node.start_mark
        if not isinstance(key, str):
            raise yaml.MarkedYAMLError(None, None, f"the key {key!r} is not a text; put it in quotes", mark)
        if key in found:
            raise yaml.MarkedYAMLError(None, None, f"the key `{key}` is there twice", mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(name: str, text: bytes) -> Mapped:
    """The mapping in a YAML file; an empty file is an empty one. Raises `ConfigError` with file and line."""
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with less in it
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        raise ConfigError([f"{name}:{mark.line + 1 if mark else 1}: {wrong.problem}."]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as wrong:
        raise ConfigError([f"{name}:1: this is not YAML ({str(wrong).splitlines()[0]})."]) from None
    if found is None:
        return Mapped()
    if not isinstance(found, Mapped):
        raise ConfigError([f"{name}:1: the file must be a mapping of names to values."])
    return found


class Reader:
    """Takes values out of a mapping by name and type, and collects what is wrong with them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[str] = []

    def wrong(self, at: Any, problem: str) -> None:
        """Note a problem near `at`."""
        self.problems.append(f"{self.name}:{getattr(at, 'line', 1)}: {problem}.")

    def only(self, at: Mapped, *names: str) -> None:
        """Refuse every key but `names`."""
        for key in at.keys() - set(names):
            self.wrong(at, f"`{key}` is not known here; known are {', '.join(names)}")

    def texts(self, at: Mapped, name: str) -> tuple[str, ...]:
        """A list of texts, empty when absent."""
        found = at.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
            self.wrong(at, f"`{name}` must be a list of texts")
            return ()
        return tuple(found)

    def number(self, at: Mapped, name: str) -> int | None:
        """A whole number from 0, or None when absent."""
        found = at.get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**31:
            self.wrong(at, f"`{name}` must be a whole number from 0")
            return None
        return found

    def mapping(self, at: Mapped, name: str) -> Mapped:
        """A mapping, empty when absent."""
        found = at.get(name)
        if found is None:
            return Mapped()
        if not isinstance(found, Mapped):
            self.wrong(at, f"`{name}` must be a mapping")
            return Mapped()
        return found
