"""The page of the token study: a text, a layer slider, and every token coloured by the probe's probability."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.errors import AssayError
from assay.pages.shell import render_page
from assay.studies.tokens.passages import Passage

_QUESTIONS = {"next": "Does “{}” come next?", "current": "Is this token “{}”?"}


@dataclass(frozen=True)
class Shown:
    """One question of the page.

    Attributes:
        variant: "next" or "current".
        truth: one character per token: 1, 0 or -.
        accuracy: a sentence for each layer.
        probabilities: [layers, tokens].
    """

    variant: str
    truth: str
    accuracy: Sequence[str]
    probabilities: NDArray[np.float64]


def render_tokens(
    passages: Sequence[Passage],
    questions: Sequence[Shown],
    *,
    layers: Sequence[int],
    layer: int,
    target: str,
    model: str,
) -> str:
    """The page as HTML; its slider starts at `layer`. Probabilities keep 16 bits each."""
    if layer not in layers:
        raise AssayError(f"layer {layer} was not probed; probed layers are {', '.join(map(str, layers))}")
    texts = [list(_token_texts(passage)) for passage in passages]
    return render_page(
        __package__,
        "tokens.html",
        style="tokens.css",
        script="tokens.js",
        values={
            "target": target.strip() or target,
            "model": model,
            "questions": [_QUESTIONS[shown.variant].format(target.strip() or target) for shown in questions],
            "n_layers": len(layers),
            "start": list(layers).index(layer),
            "passages": [
                {"name": passage.name, "tokens": part} for passage, part in zip(passages, texts, strict=True)
            ],
            "data": {
                "layers": list(layers),
                "names": [_name(text) for part in texts for text in part],
                "questions": [_question(shown, target) for shown in questions],
            },
        },
    )


def _question(shown: Shown, target: str) -> dict[str, Any]:
    return {
        "asked": f"P({'next' if shown.variant == 'next' else 'this'} token is {target!r})",
        "truth": shown.truth,
        "accuracy": list(shown.accuracy),
        "probabilities": _pack(shown.probabilities),
    }


def _name(text: str) -> str:
    """A token as the tip names it: its characters, quoted, with visible escapes."""
    return repr(text) if text else "one more byte of the same character"


def _token_texts(passage: Passage) -> Iterator[str]:
    """The characters that each token adds to those before it; together they are the passage."""
    at = 0
    for end in passage.tokens.ends:
        yield passage.text[at : int(end)]
        at = max(at, int(end))


def _pack(values: NDArray[np.float64]) -> str:
    """Probabilities as base64 of little-endian 16-bit fractions, row by row."""
    return base64.b64encode(np.round(values * 65535).astype("<u2").tobytes()).decode()
