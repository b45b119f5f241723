"""Tasks whose utilities are known sums, and stores whose features hold some of the summands."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from assay.activations.store import StoreHeader, create_store

TOPICS = ("art", "cooking", "games", "history", "law", "maths")


class Planted:
    """240 training and 120 evaluation tasks; utility = topic + words + knowledge + own.

    `chat` holds all parts on its layer 1 and noise on its layer 0, `base` words and knowledge, `content` words only.
    """

    def __init__(self, folder: Path, seed: int = 0):
        self.folder = folder
        rng = np.random.default_rng(seed)
        n = 360
        self.ids = [f"task_{number:03}" for number in range(n)]
        self.topic = rng.integers(0, len(TOPICS), n)
        self.words, self.knowledge, own = rng.normal(size=(3, n))
        topic_part = np.linspace(-2, 2, len(TOPICS))[self.topic]
        self.mu = topic_part + self.words + self.knowledge + 0.3 * own
        self.train, self.eval = np.arange(240), np.arange(240, n)
        self._store("chat", [[], [self.words, self.knowledge, topic_part]], rng)
        self._store("base", [[], [self.words, self.knowledge + rng.normal(size=n)]], rng)
        self._store("content", [[self.words + rng.normal(size=n)]], rng)
        for name, rows in (("train", self.train), ("eval", self.eval)):
            table = pd.DataFrame(
                {"task_id": [self.ids[row] for row in rows], "mu": self.mu[rows], "sigma": 1.0}
            )
            table.to_csv(folder / f"{name}.csv", index=False)
            self._choices(name, rows, rng)
        assigned = {task: TOPICS[topic] for task, topic in zip(self.ids, self.topic, strict=True)}
        (folder / "topics.json").write_text(json.dumps(assigned))

    def _store(self, name, layers, rng):
        d, n = 16, len(self.ids)
        header = StoreHeader(name, name * 8, "resid", "prompt[-1]", "none", "float32", "f" * 64)
        rows = np.zeros((n, len(layers), d))
        for layer, parts in enumerate(layers):
            noise = rng.normal(size=(n, d))
            rows[:, layer] = noise + sum(np.outer(part, 2 * rng.normal(size=d)) for part in parts) + 5
        path = self.folder / f"{name}.h5"
        with create_store(path, header, layers=range(len(layers)), d=d, ids=self.ids) as store:
            store.write(rows.astype("<f4"))

    def _choices(self, name, rows, rng):
        made = []
        for a, b in rng.choice(rows, (1500, 2)):
            if a != b:
                wins = rng.random() < 1 / (1 + np.exp(-(self.mu[a] - self.mu[b])))
                choice = "refusal" if rng.random() < 0.02 else "a" if wins else "b"
                made.append({"task_a": self.ids[a], "task_b": self.ids[b], "choice": choice})
        pd.DataFrame(made).to_parquet(self.folder / f"{name}.parquet")

    def options(self, **changes):
        """The command line of the probe stage."""
        folder = self.folder
        options = {
            "train-utilities": folder / "train.csv", "eval-utilities": folder / "eval.csv",
            "topics": folder / "topics.json", "alphas": "-1,5,7", "bt-penalties": "-3,0,4", "hold-out": 1,
            "minimum-topic": 10, "shuffles": 4, "resamples": 300, "seed": 0, "out": folder / "probes",
            "table": folder / "layers.csv", "topic-table": folder / "topics.csv", "metrics": folder / "metrics.json",
            "train-choices": folder / "train.parquet", "eval-choices": folder / "eval.parquet", "layer": "1",
        }  # fmt: skip
        options |= changes
        sets = [
            part
            for name in ("chat", "base", "content")
            for part in ("--features", f"{name}={folder}/{name}.h5")
        ]
        return sets + [str(part) for name, value in options.items() for part in (f"--{name}", value)]
