"""Who is asked: the base model, the runs and checkpoints in adapter folders, and random controls of them."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.errors import AssayError
from assay.evaluation.controls import random_lora, random_vectors
from assay.finetuning.adapters import DESCRIPTION, AdapterInfo, load_vectors, read_info
from assay.interventions.interventions import Intervention

BASE, RANDOM = "base", "random"


@dataclass(frozen=True)
class Subject:
    """One model to ask: the adapter of `folder`, or a random control of it where `draw` numbers one.

    `adapter` names it in results, together with its other runs; `run` tells those apart. `is_checkpoint` says that it was
    saved before its training ended.
    """

    adapter: str
    run: str
    folder: Path
    info: AdapterInfo
    draw: int | None = None
    is_checkpoint: bool = False

    @property
    def key(self) -> str:
        """Unique among the subjects of an evaluation."""
        return f"{self.adapter}/{self.run}/{self.info.step}"

    def interventions(self) -> tuple[Intervention, ...]:
        """Of a steering vector; LoRA has none."""
        if self.info.method != "vector":
            return ()
        adapter = load_vectors(self.folder)
        return tuple((adapter if self.draw is None else random_vectors(adapter, self.draw)).interventions())

    def dressed(self, wrapped: Any) -> AbstractContextManager[None]:
        """The PEFT model of a LoRA adapter as this subject has it, for the length of a context."""
        return nullcontext() if self.draw is None else random_lora(wrapped, self.draw)


def find_subjects(
    name: str, folder: Path, *, checkpoints: bool = False, n_random: int = 0, seed: int = 0
) -> list[Subject]:
    """The runs in a folder as the fine-tuning stage writes it: the folder itself, or its subfolders; then their controls.

    With `checkpoints` also what was saved early (`step_N`). Control k has the norms of run k, counted round. Runs with
    different learning rates are different adapters, told apart by name. Raises AssayError for a folder without adapters.
    """
    folders = {"": folder} if (folder / DESCRIPTION).is_file() else _subfolders(folder)
    runs = [Subject(name, run, place, read_info(place)) for run, place in folders.items()]
    if not runs:
        raise AssayError(
            f"{folder} holds no adapter ({DESCRIPTION}); give a folder that the fine-tuning stage wrote"
        )
    if len({one.info.lr for one in runs}) > 1:
        runs = [replace(one, adapter=f"{name}_lr_{one.info.lr:g}") for one in runs]
    found = list(runs)
    if checkpoints:
        found += [
            replace(one, folder=place, info=read_info(place), is_checkpoint=True)
            for one in runs
            for place in _subfolders(one.folder).values()
        ]
    for draw in range(n_random):
        like = runs[draw % len(runs)]
        number = seed + draw
        found.append(replace(like, adapter=f"{like.adapter}_{RANDOM}", run=f"draw_{number}", draw=number))
    return found


def _subfolders(folder: Path) -> dict[str, Path]:
    """Subfolders that hold an adapter, by name."""
    if not folder.is_dir():
        raise AssayError(
            f"{folder} does not exist; run the fine-tuning stage that makes it, or check the path"
        )
    return {place.name: place for place in sorted(folder.iterdir()) if (place / DESCRIPTION).is_file()}
