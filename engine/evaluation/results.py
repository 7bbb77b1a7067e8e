"""The results file: runs by method and seed, written after each, so that an interrupted evaluation goes on.

A run keeps where every answer stood, or every predicted rating, so other cut-offs and comparisons need no new run. Knows no
method.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from engine.errors import CorruptFileError, InputError
from engine.evaluation.outcome import Outcome, pack_outcome, unpack_outcome
from engine.files import write_json

FORMAT = 2
PARTS = ("test", "warm", "cold", "all", "among-cold", "sampled")
"""Parts of all protocols, in the order of tables."""


@dataclass(frozen=True, slots=True)
class Run:
    """One method on one seed's split.

    Attributes:
        key: digest of everything that the figures depend on.
        outcomes: part -> what was answered; a part without anything asked is left out.
        beyond: what its lists are like beyond accuracy; empty where nothing is listed.
        config: the settings that are not the method's defaults.
        report: what the method says of its fit.
        fit_s, score_s: wall-clock seconds.
    """

    method: str
    seed: int
    key: str
    outcomes: dict[str, Outcome]
    beyond: dict[str, float] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    fit_s: float = 0.0
    score_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**values, "outcomes": {part: pack_outcome(outcome) for part, outcome in self.outcomes.items()}}

    @staticmethod
    def from_json(values: dict[str, Any]) -> Run:
        outcomes = {part: unpack_outcome(packed) for part, packed in sorted(values["outcomes"].items(), key=_place)}
        return Run(**{**values, "outcomes": outcomes})


@dataclass(slots=True)
class ResultsFile:
    """All runs of one protocol on one data set, kept in one JSON file.

    Attributes:
        path: where it is kept, or None to keep nothing.
        subject: the protocol, the data and the engine's code, JSON-able; a file holds one subject only.
        runs: by (method, seed).
        splits: by seed, the sizes of its split.
    """

    path: Path | None
    subject: dict[str, Any]
    runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    splits: dict[int, dict[str, int]] = field(default_factory=dict)

    @staticmethod
    def open(path: Path | None, subject: dict[str, Any]) -> ResultsFile:
        """Read the file, or begin one.

        Raises:
            CorruptFileError: it is there and is not a results file.
            InputError: it has another format, or holds results of another protocol, data set or version of the engine.
        """
        if path is None or not path.exists():
            return ResultsFile(path, subject)
        try:
            found = json.loads(path.read_text())
            version = found["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(
                f"{path} is not a results file ({type(error).__name__}: {error})", hint="Choose another --json file."
            ) from error
        if version != FORMAT:
            raise InputError(
                f"{path} has the results format {version!r}; this version writes {FORMAT}",
                hint="Choose another --json file.",
            )
        try:
            runs = {(run["method"], int(run["seed"])): Run.from_json(run) for run in found["runs"]}
            splits = {int(seed): facts for seed, facts in found["splits"].items()}
            before = found["subject"]
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise CorruptFileError(
                f"{path}: a run in it is damaged ({type(error).__name__}: {error})", hint="Choose another --json file."
            ) from error
        for what in subject:
            if before.get(what) != json.loads(json.dumps(subject[what])):
                raise InputError(
                    f"{path} holds results of another {what}; figures of the two cannot stand in one table",
                    hint="Choose another --json file.",
                )
        return ResultsFile(path, subject, runs, splits)

    def has(self, method: str, seed: int, key: str) -> bool:
        run = self.runs.get((method, seed))
        return run is not None and run.key == key

    def add(self, run: Run) -> None:
        """Keep a run, in place of an older one of the same method and seed."""
        self.runs[run.method, run.seed] = run

    def write(self, summary: dict[str, Any]) -> None:
        """Write everything atomically.

        Raises:
            DiskFullError: no space left; the file is as it was.
        """
        if self.path is not None:
            runs = [self.runs[key].to_json() for key in sorted(self.runs)]
            write_json(
                self.path, {"format": FORMAT, "subject": self.subject, "splits": self.splits, "runs": runs, **summary}
            )


def _place(item: tuple[str, Any]) -> int:
    return PARTS.index(item[0]) if item[0] in PARTS else len(PARTS)
