"""How the demo speaks in the terminal: a scene a screen, what was asked, what came, and whether it was so."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sandbox.demo.assistant import Answered


class Stage:
    """Prints scenes and keeps count of what did not happen as told."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(width=min(Console().width, 110), highlight=False)
        self.untrue: list[str] = []
        self.title = "the start"
        """Of the scene that is on."""
        self._scene = 0
        self._scenes = 9

    def scene(self, title: str, why: str) -> None:
        """Begin a scene."""
        self._scene += 1
        self.title = title
        self.console.print()
        self.console.rule(f"[bold cyan]{self._scene}/{self._scenes}  {escape(title)}", align="left")
        self.console.print(f"[dim]{escape(why)}[/]\n")

    def told(self, so: bool, sentence: str) -> None:
        """A claim and whether it was so; the demo fails when one was not."""
        mark = "[bold green]✔[/]" if so else "[bold red]✘[/]"
        self.console.print(f"  {mark} {escape(sentence)}")
        if not so:
            self.untrue.append(sentence)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
        """A table."""
        table = Table(title=title or None, title_justify="left", title_style="bold", pad_edge=False, box=None)
        for column in columns:
            table.add_column(column, style="", header_style="dim", overflow="fold")
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else escape(str(cell)) for cell in row))
        self.console.print(table)

    def call(self, who: str, tool: str, answered: Answered, *, lines: int = 8, **arguments: object) -> None:
        """One tool call and the first lines of its answer."""
        shown = ", ".join(f"{k}={_short(v)}" for k, v in arguments.items())
        self.console.print(f"[bold]{escape(who)}[/]'s assistant → [cyan]{tool}[/]({escape(shown)})")
        text = answered.text.splitlines()
        room = self.console.width - 6
        cut = [line if len(line) <= room else line[: room - 1] + "…" for line in text[:lines]]
        if len(text) > lines:
            cut.append(f"… {len(text) - lines} more lines")
        style = "green" if answered.good else "yellow"
        self.console.print(
            Panel("\n".join(map(escape, cut)), border_style=style, padding=(0, 1), expand=False)
        )

    def note(self, text: str) -> None:
        """A line of explanation."""
        self.console.print(f"  [dim]{escape(text)}[/]")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 48 else text[:47] + "…'"
