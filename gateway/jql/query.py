"""A whole query."""

from dataclasses import dataclass, field

from gateway.jql.printer import print_node, print_order
from gateway.jql.tree import And, Node, OrderBy


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `where` is None for a query that restricts nothing; `str(query)` is canonical JQL."""

    where: Node | None = None
    order: tuple[OrderBy, ...] = ()
    narrowed: bool = field(default=False, compare=False)
    """Whether each part of the top-level `And` is printed in its own parentheses."""

    def __str__(self) -> str:
        return " ".join(filter(None, (self._restrictions(), print_order(self.order))))

    def _restrictions(self) -> str:
        if self.where is None:
            return ""
        if not self.narrowed:
            return print_node(self.where)
        parts = self.where.parts if isinstance(self.where, And) else (self.where,)
        return " AND ".join(f"({print_node(part)})" for part in parts)
