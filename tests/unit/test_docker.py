"""The Docker files agree with the engine: versions, variable names, files that are copied. No container is run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.graph.local.jars import read_lock
from engine.settings import LocalServerSettings, Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"])


def test_compose_runs_the_engine_a_neo4j_and_a_postgres_each_with_a_health_check(services: dict[str, Any]) -> None:
    assert set(services) == {"engine", "neo4j", "postgres"}
    assert all(service["healthcheck"]["test"] for service in services.values())
    assert services["engine"]["depends_on"] == {
        name: {"condition": "service_healthy"} for name in ("neo4j", "postgres")
    }


def test_the_neo4j_image_is_the_version_that_runs_locally(services: dict[str, Any]) -> None:
    assert services["neo4j"]["image"] == f"neo4j:{read_lock().neo4j}-community"


def test_the_neo4j_container_gets_the_memory_that_the_local_server_gets(services: dict[str, Any]) -> None:
    environment, local = services["neo4j"]["environment"], LocalServerSettings()
    assert environment["NEO4J_server_memory_heap_max__size"] == f"{local.heap_mb}m"
    assert environment["NEO4J_server_memory_pagecache_size"] == f"{local.page_cache_mb}m"


def test_the_settings_read_every_variable_that_compose_gives_the_engine(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services["engine"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{[^}]*\}", "secret", value))
    settings = Settings()
    assert settings.graph.uri == "bolt://neo4j:7687"
    assert settings.graph.user == "neo4j"
    assert settings.graph.password.get_secret_value() == "secret"
    assert settings.resolved_registry_url == "postgresql+psycopg://engine:secret@postgres:5432/engine"
    assert len(services["engine"]["environment"]) == 4


def test_no_password_stands_in_compose(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name or "AUTH" in name or "REGISTRY" in name:
                assert re.search(r"\$\{ENGINE_\w+_PASSWORD:\?", value), name


def test_data_outlives_the_containers(services: dict[str, Any]) -> None:
    declared = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["volumes"]
    mounted = {volume.split(":")[0]: volume.split(":")[1] for s in services.values() for volume in s["volumes"]}
    assert set(mounted) == set(declared)
    assert f"ENGINE_HOME={mounted['engine']}" in DOCKERFILE


def test_everything_that_the_dockerfile_copies_exists_and_is_sent_to_the_build() -> None:
    ignored = (ROOT / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert {"pyproject.toml", "constraints.txt", "engine", "cypher", "migrations"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_the_image_installs_what_the_checkout_installs() -> None:
    wanted = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert wanted is not None
    assert f"uv=={wanted[1]}" in DOCKERFILE
    assert "-c constraints.txt" in DOCKERFILE
    assert "g++" in DOCKERFILE.split("FROM ")[1]
    assert "g++" not in DOCKERFILE.split("FROM ")[2]
    assert "postgres" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
