"""What figures rest on is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.evaluation import environment


def test_any_change_of_the_code_is_another_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = []
    for text in ("a = 1\n", "a = 1\n", "a = 2\n"):
        root = tmp_path / str(len(found)) / "engine"
        (root / "models").mkdir(parents=True)
        (root / "__init__.py").write_text("")
        (root / "models" / "one.py").write_text(text)
        monkeypatch.setattr(environment, "ROOT", root)
        environment.code.cache_clear()
        found.append(environment.code())
    environment.code.cache_clear()
    assert found[0] == found[1] != found[2]
