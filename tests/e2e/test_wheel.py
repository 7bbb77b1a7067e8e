"""The wheel is whole: in an empty environment, outside the checkout, it runs the demo."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT], check=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_carries_every_query_and_migration(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("cypher", "migrations"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"engine/_assets/{path.relative_to(ROOT)}" in names


@pytest.mark.graph
@pytest.mark.timeout(900)
def test_the_installed_wheel_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    environment = tmp_path / "environment"
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, environment], check=True)
    subprocess.run(
        [*uv, "pip", "install", "-q", "--python", environment / "bin/python", "-c", ROOT / "constraints.txt", wheel],
        check=True,
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ENGINE_", "PYTHON"))}
    variables |= {"ENGINE_HOME": str(tmp_path / "home"), "PATH": f"{environment / 'bin'}:/usr/bin:/bin"}
    run = {"cwd": tmp_path, "env": variables, "text": True, "capture_output": True}
    try:
        demo = subprocess.run(["engine", "demo", "--items", "1500"], **run)
        assert demo.returncode == 0, demo.stderr
        assert "Hit@10" in demo.stdout
        assert list((tmp_path / "home").rglob("*.html"))
    finally:
        stopped = subprocess.run(["engine", "graph", "stop"], **run)
    assert stopped.returncode == 0, stopped.stderr
