"""The floor plan, held by the imports: who may stand on whom, and which library has which door."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STAGES = {"identity", "policy", "credential", "jira", "audit", "approval"}
SHARED = {
    "store",
    "jql",
    "model",
    "errors",
    "limits",
    "clock",
    "http",
    "public",
    "jose",
    "config",
    "settings",
    "fields",
    "files",
    "secret",
}
GROUND = {
    "errors",
    "limits",
    "clock",
    "http",
    "public",
    "jose",
    "config",
    "settings",
    "fields",
    "files",
    "secret",
}
DOORS: dict[str, tuple[str, ...]] = {
    "mcp": ("gateway/transport/",),
    "mcp_types": ("gateway/transport/",),
    "aiohttp": ("gateway/http.py",),
    "jwt": ("gateway/jose.py",),
    "cedarpy": ("gateway/policy/cedar.py",),
    "sqlite3": ("gateway/audit/sqlite.py",),
    "jsonschema_rs": ("gateway/tool.py",),
    "pydantic": ("gateway/config.py", "gateway/settings/"),
    "sqlalchemy": ("gateway/store/",),
    "alembic": ("gateway/store/",),
    "redis": ("gateway/store/redis.py",),
    "authlib": ("gateway/signin/",),
    "rich": ("gateway/cli/",),
}
TOOLS_MAY = {"gateway.tool", "gateway.jira", "gateway.jira.views", "gateway.jira.adf", "gateway.model"}
LONG_FILES: dict[str, str] = {"gateway/limits.py": "a list; every limit is found in one place"}
LONG_FUNCTIONS: dict[str, str] = {}


def sources(*folders: str) -> list[Path]:
    return [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ()
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, tuple(alias.name for alias in node.names)


def room(path: Path) -> str:
    parts = path.relative_to(ROOT / "gateway").with_suffix("").parts
    return parts[0]


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources("gateway"), ids=ids)
def test_gateway_never_imports_tools_or_sandbox(path: Path) -> None:
    """They are found by name from the settings, so the gateway runs without either."""
    assert not [m for m, _ in imports(path) if m.split(".")[0] in ("tools", "sandbox", "bench", "tests")]


@pytest.mark.parametrize("path", [p for p in sources("gateway") if room(p) in STAGES], ids=ids)
def test_a_stage_never_imports_another(path: Path) -> None:
    """What one stage needs of another, the pipeline or app.py hands it as a callable."""
    wanted = {m.split(".")[1] for m, _ in imports(path) if m.startswith("gateway.")}
    assert wanted <= SHARED | {room(path)}


@pytest.mark.parametrize("path", [p for p in sources("gateway") if room(p) in GROUND], ids=ids)
def test_the_ground_floor_stands_on_itself(path: Path) -> None:
    """No arrow runs up."""
    wanted = {m.split(".")[1] for m, _ in imports(path) if m.startswith("gateway.")}
    assert wanted <= GROUND


@pytest.mark.parametrize("path", sources("tools"), ids=ids)
def test_a_tool_sees_only_its_face(path: Path) -> None:
    """A tool is never handed a token, nor the caller."""
    for module, names in imports(path):
        if module.split(".")[0] == "gateway":
            assert module in TOOLS_MAY
            assert not {"Caller", "Grant", "Bearer", "Secret"} & set(names)


@pytest.mark.parametrize("path", sources("gateway", "tools"), ids=ids)
def test_one_library_one_door(path: Path) -> None:
    """Each library is imported in one place, so that it can be replaced in one place."""
    for module, _ in imports(path):
        doors = DOORS.get(module.split(".")[0])
        assert doors is None or str(path.relative_to(ROOT)).startswith(doors), module


@pytest.mark.parametrize("path", sources("gateway", "tools"), ids=ids)
def test_environment_and_wall_clock_have_one_reader(path: Path) -> None:
    """config.py reads the environment, clock.py the clock; the rest is told."""
    text = path.read_text(encoding="utf-8")
    if path.name != "config.py":
        assert "os.environ" not in text and "getenv" not in text
    if path.name != "clock.py":
        assert "time.time(" not in text and "datetime.now(" not in text


def test_the_pipeline_imports_faces_only() -> None:
    """The line knows what a stage does, never how."""
    allowed = {f"gateway.{name}" for name in STAGES | {"errors", "gate", "model", "redact", "tool"}}
    assert {m for m, _ in imports(ROOT / "gateway/pipeline.py") if m.startswith("gateway")} <= allowed


def test_no_circles() -> None:
    """No module of the gateway imports, even indirectly, itself."""
    graph: dict[str, set[str]] = {}
    for path in sources("gateway", "tools"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[name] = {m for m, _ in imports(path)} | {
            f"{m}.{n}" for m, names in imports(path) for n in names
        }

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail, name))
        if name in done:
            return
        for wanted in graph[name] & graph.keys() - {name}:
            visit(wanted, (*trail, name))
        done.add(name)

    done: set[str] = set()
    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", sources("gateway", "tools", "sandbox"), ids=ids)
def test_files_and_functions_stay_short(path: Path) -> None:
    """A file over 300 lines or a function over 40 has a reason on record here."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300 or ids(path) in LONG_FILES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 40 or f"{ids(path)}:{node.name}" in LONG_FUNCTIONS, (
                f"{node.name}: {length} lines"
            )


@pytest.mark.parametrize("path", sources("tests"), ids=ids)
def test_each_test_says_its_behaviour(path: Path) -> None:
    """Each test has a docstring, and none is skipped."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), node.name
    source = path.read_text(encoding="utf-8")
    if path != Path(inspect.getfile(test_no_circles)):
        assert "pytest.skip" not in source and "mark.skip" not in source and "importorskip" not in source
