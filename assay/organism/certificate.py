"""The certificate of the standard: which recipe made the committed organism, where, and what it scored.

The organism is reference material: everyone loads the same weights, so that all numbers computed from it agree but for rounding.
A training on another processor rounds otherwise and ends at another organism; `make standard` trains one and compares it with
the certificate.
"""

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.errors import AssayError
from assay.prompts.documents import Document
from assay.storage.files import hash_folder
from assay.storage.fingerprints import fingerprint, text_hash
from assay.storage.json_text import read_document

SECTIONS = ("organism", "text", "world")  # of the params file: what determines an organism, its seed included


@dataclass(frozen=True)
class Certificate:
    """What is known of the committed weights.

    `recipe`, `code` and `prose` are SHA-256 of the parameters (`recipe_hash`), of the code and of the training documents;
    `weights` of each checkpoint's folder. `scores` are flat metrics of the weights as committed, rounded to bfloat16.
    """

    seed: int
    recipe: str
    code: str
    prose: str
    python: str
    torch: str
    processor: str
    precision: str
    trained: str
    weights: Mapping[str, str]
    scores: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return dataclasses.asdict(self)

    def check_weights(self, folder: Path) -> None:
        """Raises AssayError where a checkpoint in `folder` is not the certified one."""
        for phase, expected in self.weights.items():
            if not (folder / phase).is_dir() or hash_folder(folder / phase) != expected:
                raise AssayError(
                    f"{folder / phase} is not what its certificate describes; restore it with `git checkout -- {folder}`"
                )


def read_certificate(folder: Path) -> Certificate:
    """The certificate in `folder`. Raises AssayError that names a missing or unknown field."""
    path = folder / "certificate.json"
    value = read_document(path)
    names = {field.name for field in dataclasses.fields(Certificate)}
    if not isinstance(value, dict) or set(value) != names:
        wrong = sorted(names.symmetric_difference(value if isinstance(value, dict) else ()))
        raise AssayError(f"{path} is not a certificate of this version: see {', '.join(wrong[:3])}")
    return Certificate(**value)


def recipe_hash(sections: Mapping[str, object]) -> str:
    """SHA-256 of the SECTIONS of a params file. Raises AssayError where one is missing."""
    if missing := [name for name in SECTIONS if name not in sections]:
        raise AssayError(f"a recipe needs the sections {', '.join(SECTIONS)}; missing: {', '.join(missing)}")
    chosen = {name: sections[name] for name in SECTIONS}
    return fingerprint(chosen)


def prose_hash(documents: Sequence[Document]) -> str:
    """SHA-256 of the training documents: another version of Python ships another prose."""
    return text_hash("\0".join(f"{document.id}\n{document.text}" for document in documents))


def describe_processor() -> str:
    """Instruction set and vector units, such as `x86_64, AVX2`: what decides how sums are rounded."""
    import torch

    return f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
