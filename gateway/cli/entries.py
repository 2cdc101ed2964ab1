"""A list in a terminal whose ids can be copied: a line each where there is room, else a block each. Nothing is cut."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gateway.signin.server.shown import plain

ENDLESS = 100_000
"""columns: more than any entry needs. What is piped has no edge at which it would have to be cut."""

Cell = str | Text | Sequence[str]
"""One thing, or several below each other."""


def print_entries(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], console: Console | None = None
) -> None:
    """Print `rows`; what strangers wrote in them is shown as one line of plain text each."""
    console = console or Console()
    cells = [[_lines(cell) for cell in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in cells:
        table.add_row(*(Text("\n").join(lines) for lines in row))
    needed = Measurement.get(console, console.options.update(max_width=ENDLESS), table).maximum
    if not console.is_terminal:
        console.width = max(console.width, needed)
    if needed <= console.width:
        console.print(table)
        return
    room = max(map(len, columns)) + 2
    for row in cells:
        for name, lines in zip(columns, row, strict=True):
            line = Text.assemble((f"{name:{room}}", "dim"), Text(", ").join(lines))
            console.print(line, soft_wrap=True)  # a terminal folds it, and copies it as one
        console.print()


def _lines(cell: Cell) -> list[Text]:
    if isinstance(cell, Text):
        return [cell]
    return [Text(plain(line, ENDLESS)) for line in ([cell] if isinstance(cell, str) else cell)]
