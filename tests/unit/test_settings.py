"""Settings: defaults < engine.toml < ENGINE_* < arguments, and one clear error for a wrong one."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.settings import load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ENGINE_HOME", "ENGINE_CONFIG", "ENGINE_GRAPH_URI", "ENGINE_GRAPH_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_arguments_beat_variables_beat_the_file_beat_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("engine.toml").write_text('seed = 1\nthreads = 3\n[graph]\nuri = "bolt://file:1"\nuser = "team"\n')
    monkeypatch.setenv("ENGINE_GRAPH_URI", "bolt://variable:2")
    monkeypatch.setenv("ENGINE_SEED", "2")
    settings = load_settings(seed=3)
    assert (settings.seed, settings.threads) == (3, 3)
    assert (settings.graph.uri, settings.graph.user, settings.graph.database) == ("bolt://variable:2", "team", "neo4j")


def test_a_mapping_in_the_file_keeps_the_other_defaults() -> None:
    Path("engine.toml").write_text('[graph.mapping.items]\nlabel = "Pin"\nid = "pin"\n')
    mapping = load_settings().graph.mapping
    assert (mapping.items.label, mapping.items.default_corpus, mapping.saves.type) == ("Pin", "organic", "SAVED")


def test_passwords_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_GRAPH_PASSWORD", "s3cret")
    assert "s3cret" not in repr(load_settings())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("seed = ", "not valid TOML"),
        ("sede = 1", "'sede'"),
        ('threads = "many"', "threads"),
        ("threads = 0", "threads"),
        ('[graph]\nurl = "bolt://x"', "graph.url"),
        ('[graph.mapping.items]\nlabel = ""\nid = "a"', "graph.mapping.items.label"),
        ("[graph.local]\nheap_mb = 1", "graph.local.heap_mb"),
    ],
)
def test_a_wrong_setting_is_named(text: str, named: str) -> None:
    Path("engine.toml").write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_settings()


def test_a_config_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CONFIG", "nowhere.toml")
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_settings()


def test_import_engine_loads_no_heavy_package() -> None:
    code = "import engine, engine.settings, sys; print([m for m in ('torch', 'numba', 'neo4j', 'sklearn', 'scipy') if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
