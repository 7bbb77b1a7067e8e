"""The wheel is whole: it works in an empty environment, outside the checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.graph.migrate import read_migrations
from engine.graph.queries import load_queries

ROOT = Path(__file__).resolve().parents[2]
LOOK = """
import importlib, pkgutil, sys
import engine
from engine.graph.migrate import read_migrations
from engine.graph.queries import load_queries
from engine.registry import Registry

for module in pkgutil.walk_packages(engine.__path__, "engine."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
Registry.open(f"sqlite:///{sys.argv[1]}").close()
print(engine.__file__, len(load_queries()), len(read_migrations()))
"""
"""Every module with what it imports, every query, every migration of graphs and of registries."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT], check=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_carries_every_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, where in (
        ("engine", "engine"),
        ("cypher", "engine/_assets/cypher"),
        ("migrations", "engine/_assets/migrations"),
    ):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert {f"{where}/{path.relative_to(ROOT / folder)}" for path in files} <= names


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with nothing but the wheel and what it asks for."""
    uv, environment = [sys.executable, "-m", "uv"], tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, environment], check=True)
    subprocess.run(
        [*uv, "pip", "install", "-q", "--python", environment / "bin/python", "-c", ROOT / "constraints.txt", wheel],
        check=True,
    )
    return environment / "bin"


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs a program of that environment in an empty folder and returns what it printed."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ENGINE_", "PYTHON"))}
    variables |= {"ENGINE_HOME": str(tmp_path / "home"), "PATH": f"{installed}:/usr/bin:/bin"}

    def output(*command: object) -> str:
        done = subprocess.run(
            [*map(str, command)], cwd=tmp_path, env=variables, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return output


def test_the_installed_wheel_imports_whole_and_generates_a_world(
    run: Callable[..., str], installed: Path, tmp_path: Path
) -> None:
    where, queries, migrations = run("python", "-c", LOOK, tmp_path / "registry.sqlite").split()
    assert Path(where).is_relative_to(installed.parent)
    assert int(queries) == len(load_queries()) > 100
    assert int(migrations) == len(read_migrations()) > 1
    run("engine", "data", "generate", "world", "--items", "200")
    assert (tmp_path / "world").is_dir()


@pytest.mark.slow
@pytest.mark.graph
@pytest.mark.timeout(900)
def test_the_installed_wheel_runs_the_demo(run: Callable[..., str], tmp_path: Path) -> None:
    try:
        assert "Hit@10" in run("engine", "demo", "--items", "1500")
        assert list((tmp_path / "home").rglob("*.html"))
    finally:
        run("engine", "graph", "stop")
