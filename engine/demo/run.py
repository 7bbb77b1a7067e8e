"""The demo from end to end: world -> graph -> model -> answers -> report. Every step is kept for the next run.

What is there already is taken as it is, so that a second run changes nothing and an interrupted one goes on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from engine.client import Engine
from engine.datasets.folder import DatasetFolder
from engine.datasets.generator import read_truth
from engine.datasets.world import WorldConfig
from engine.demo import figures, layout
from engine.demo.compare import compare
from engine.demo.holdout import write_demo_world
from engine.demo.report import Comparison, Pictures, Step, Story, render, write
from engine.demo.second_act import SecondAct, play
from engine.demo.show import show
from engine.demo.stages import Stage, Stages
from engine.demo.story import Storyteller
from engine.errors import GraphError
from engine.files import write_json
from engine.graph.state import read_state
from engine.serving.view import View
from engine.settings import Settings

FORMAT = 3
"""Of the stages: a newer demo does not take over what an older one left."""
PAIRS = 2_000
EDGES = ("saves", "interactions", "follows")
TRAINING = {"dim": 64, "hidden": 64, "batch_size": 1024, "negatives": 512, "num_walks": 100, "epochs": 5}
"""Half as wide and not as long as by default: a minute instead of several."""
LOADING = "loading"
"""A file that is there while the world is being loaded: what the graph holds then is the demo's."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What a run of the demo left.

    Attributes:
        report: the HTML file.
        kept: whether every step was taken from an earlier run.
    """

    report: Path
    story: Story
    kept: bool


class Runner:
    """One demo world in one home."""

    def __init__(self, engine: Engine, config: WorldConfig, console: Console) -> None:
        self._engine = engine
        self._config = config
        self._console = console
        self._folder = engine.settings.home / "demo" / f"world-{config.items}-{config.seed}"
        self._world = self._folder / "world"
        self._stages = Stages(self._folder / "stages.json")
        self._steps: list[tuple[Step, bool]] = []

    def run(self) -> Demo:
        """All steps, then the story on the console and in the report."""
        world = self._step("World", self._make_world(), _told_world)
        loaded = self._step("Graph", self._load(world), _told_load)
        self._step("Model", self._build(loaded), _told_build)
        played = self._step("Changes", self._play(), lambda r: "a pin came and a board was forgotten; told below")
        view = self._engine.view()
        compared = self._step(
            "Comparison", self._compare(view), lambda r: f"{len(r['metrics'])} methods on {r['pairs']:,} held-out saves"
        )
        drawn = self._step("Pictures", self._draw(view, compared), lambda r: "map, metrics, degrees, training")
        story = self._tell(view, world, compared, SecondAct.from_json(played))
        report = self._folder / "report.html"
        write(report, render(story, Pictures(**json.loads((self._folder / drawn["file"]).read_text()))))
        show(story, report, self._console)
        return Demo(report, story, all(kept for _, kept in self._steps))

    def _step(self, name: str, stage: Stage, told: Any) -> dict[str, Any]:
        step = Step(name, told(stage.result), stage.seconds)
        self._steps.append((step, stage.kept))
        took = "kept" if stage.kept else f"{stage.seconds:.1f} s"
        self._console.print(Text.assemble(("✓ ", "green"), (f"{name:<11}", "bold"), step.told, (f"  {took}", "grey50")))
        return stage.result

    def _make_world(self) -> Stage:
        return self._stages.run(
            "world",
            {"format": FORMAT, "config": asdict(self._config), "pairs": PAIRS},
            lambda: write_demo_world(self._world, self._config, PAIRS),
            holds=lambda _: (self._world / "held_out.json").is_file() and (self._world / "arrivals").is_dir(),
        )

    def _load(self, world: dict[str, Any]) -> Stage:
        return self._stages.run(
            "graph",
            {"format": FORMAT, "world": world, "config": asdict(self._config)},
            self._load_now,
            holds=lambda result: self._rev() >= result["rev"],
        )

    def _load_now(self) -> dict[str, Any]:
        marker = self._folder / LOADING
        if not marker.exists() and any(row["count"] for row in self._engine.cypher("inspect/counts")):
            raise GraphError(
                f"the graph at {self._engine.graph.uri} holds something else already",
                hint="The demo loads its world into an empty graph only. Point ENGINE_HOME at another folder, or empty "
                "the local graph with `engine graph reset`.",
            )
        marker.touch()
        loaded = self._engine.ingest(self._world)
        marker.unlink()
        return {"rev": loaded.rev, "edges": sum(loaded.rows.get(table, 0) for table in EDGES)}

    def _rev(self) -> int:
        return read_state(self._engine.graph).rev

    def _build(self, loaded: dict[str, Any]) -> Stage:
        known = {one.id for one in self._engine.generations()}
        return self._stages.run(
            "model",
            {"format": FORMAT, "rev": loaded["rev"], "config": asdict(self._config), "training": TRAINING},
            self._build_now,
            holds=lambda result: result["generation"] in known,
        )

    def _build_now(self) -> dict[str, Any]:
        built = self._engine.build(config=TRAINING)
        return {"generation": built.id, "watermark": built.watermark, "metrics": built.metrics}

    def _compare(self, view: View) -> Stage:
        def work() -> dict[str, Any]:
            pairs = json.loads((self._world / "held_out.json").read_text())
            return {"metrics": compare(view, pairs, self._config.seed), "pairs": len(pairs)}

        inputs = {"format": FORMAT, "generation": view.origin.generation, "config": asdict(self._config)}
        return self._stages.run("comparison", inputs, work, holds=lambda _: True)

    def _draw(self, view: View, compared: dict[str, Any]) -> Stage:
        path = self._folder / "pictures.json"

        def work() -> dict[str, Any]:
            write_json(path, asdict(self._pictures(view, compared)))
            return {"file": path.name}

        inputs = {"format": FORMAT, "generation": view.origin.generation, "metrics": compared["metrics"]}
        return self._stages.run("pictures", inputs, work, holds=lambda _: path.is_file())

    def _play(self) -> Stage:
        view = self._engine.view()
        return self._stages.run(
            "changes",
            {"format": FORMAT, "config": asdict(self._config)},
            lambda: play(self._engine, view, DatasetFolder.open(self._world / "arrivals")),
            holds=lambda result: result["last"]["generation"] == view.origin.generation,
        )

    def _pictures(self, view: View, compared: dict[str, Any]) -> Pictures:
        truth = read_truth(self._world)
        organic = np.flatnonzero(view.items.corpus == view.items.corpora.index("organic"))
        rows = layout.choose(organic, self._config.seed)
        points = layout.place(np.asarray(view.vectors[rows]), self._config.seed)
        metrics = _ranked(compared["metrics"])
        return Pictures(
            map=figures.embedding_map(points, [truth[view.items.ids[row]].domain for row in rows]),
            bars=figures.method_bars(metrics, list(next(iter(metrics.values())))),
            degrees=figures.degree_distribution(
                {
                    "boards that hold a pin": view.graph.item_to_context.degrees(),
                    "pins on a board": view.graph.context_to_item.degrees(),
                }
            ),
            training=figures.training_curve(*training_history(view)),
        )

    def _tell(self, view: View, world: dict[str, Any], compared: dict[str, Any], second: SecondAct) -> Story:
        teller = Storyteller(self._engine, view, read_truth(self._world), self._config.seed)
        served = self._engine.default_method
        related = teller.related(served)
        near = related[0].answers["walks"][0]
        return Story(
            counts=world,
            seed=self._config.seed,
            comparison=Comparison(_ranked(compared["metrics"]), compared["pairs"], served),
            related=related,
            home=teller.home(),
            ads=teller.ads(related[0].query.item_id),
            fresh=teller.fresh(DatasetFolder.open(self._world / "arrivals")),
            second=second,
            looks=teller.looks(related[0].query.item_id, near.item_id),
            steps=tuple(step for step, _ in self._steps),
            generation=view.origin.generation,
            watermark=view.origin.watermark,
        )


def run_demo(settings: Settings, config: WorldConfig, console: Console) -> Demo:
    """Run the demo, or what of it has not been run yet.

    Raises:
        GraphError: the graph server cannot be had, or holds something that is not the demo's.
        DiskFullError: no space left.
    """
    with Engine(settings) as engine:
        return Runner(engine, config, console).run()


def _ranked(metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The methods, best Hit@10 first."""
    return dict(sorted(metrics.items(), key=lambda pair: (-pair[1]["Hit@10"], -pair[1]["MRR"], pair[0])))


def _told_world(found: dict[str, Any]) -> str:
    return (
        f"{found['items']:,} pins, ads and products, {found['contexts']:,} boards of {found['users']:,} people, "
        f"{found['saves']:,} saves"
    )


def _told_load(found: dict[str, Any]) -> str:
    return f"loaded into Neo4j with {found['edges']:,} edges, rev {found['rev']:,}"


def _told_build(found: dict[str, Any]) -> str:
    return f"PinSage trained, embedded, indexed and published as {found['generation']}"


def training_history(view: View) -> tuple[list[float], list[float]]:
    """Loss and validation score of each epoch, as the generation remembers them."""
    told = view.facts["config"]["training"]
    return told["losses"], told["validation"]
