"""Which tokens a vector of the residual stream speaks for: three readings that differ in what they make of the final norm.

* `raw`: the unembedding of the vector itself, as if there were no norm.
* `gain`: the norm's linear part at a constant scale, then the unembedding: the vector times the norm's gain (a LayerNorm
  also takes its mean out). The residual's length, which divides it, only scales the result.
* `difference`: how the logits change when the vector is added to residuals h that occur: the mean over h of
  logits(norm(h + v)) − logits(norm(h)). It is the exact direct effect; how later blocks answer to it is left out.

Gemma 2 soft-caps its logits: `difference` does the same to both sides. `raw` and `gain` are not capped, because a cap
belongs to whole logits; being monotone it would not change their order.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from accelerate.hooks import remove_hook_from_module
from torch import nn

from assay.errors import AssayError
from assay.models.architecture import Architecture

Reading = Literal["raw", "gain", "difference"]
READINGS: tuple[Reading, ...] = get_args(Reading)
Side = Literal["top", "bottom"]
_VOCABULARY_ROWS = 8192  # of the unembedding that are held as float32 at once
_RESIDUALS = 32  # that are unembedded at once


@dataclass(frozen=True)
class LensToken:
    """A token among those that a vector speaks for most (`top`) or least (`bottom`); `rank` counts from 1."""

    side: Side
    rank: int
    token_id: int
    token: str
    value: float


class LogitLens:
    """The final norm and unembedding of a model, in float32. All vectors are [n, d_model] and results [n, vocabulary]."""

    def __init__(self, architecture: Architecture):
        head: Any = architecture.unembed
        if getattr(head, "bias", None) is not None:
            raise AssayError(
                "this model's unembedding has a bias, which is no part of any vector; it cannot be read so"
            )
        self.weight: torch.Tensor = head.weight  # [vocabulary, d_model]
        # A model spread over devices moves tensors in hooks of its modules, which a copy must not keep.
        self.norm = remove_hook_from_module(copy.deepcopy(architecture.final_norm))
        self.norm = self.norm.to(self.weight.device, torch.float32)
        config: Any = architecture.model.config
        self.cap: float | None = getattr(config.get_text_config(), "final_logit_softcapping", None)

    def read(
        self, reading: Reading, vectors: torch.Tensor, residuals: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The named reading; `difference` needs final residuals h [m, d_model]."""
        if reading == "raw":
            return self.raw(vectors)
        if reading == "gain":
            return self.gain(vectors)
        if residuals is None:
            raise AssayError("the reading `difference` needs residuals of some prompts; give texts")
        return self.difference(vectors, residuals)

    def raw(self, vectors: torch.Tensor) -> torch.Tensor:
        """Unembed the vectors without the norm."""
        return self._unembed(self._wide(vectors))

    def gain(self, vectors: torch.Tensor) -> torch.Tensor:
        """Unembed the vectors after the norm's linear part."""
        wide = self._wide(vectors)
        if isinstance(self.norm, nn.LayerNorm):
            wide = wide - wide.mean(dim=1, keepdim=True)
        return self._unembed(wide * norm_gain(self.norm, wide.shape[1]))

    def difference(self, vectors: torch.Tensor, residuals: torch.Tensor) -> torch.Tensor:
        """Mean change of the logits over residuals [m, d_model] of the last block when each vector is added to them."""
        wide, held = self._wide(vectors), self._wide(residuals)
        if not len(held):
            raise AssayError("the reading `difference` needs at least one residual")
        with torch.inference_mode():
            before = self.norm(held)
            rows = [self._mean_change(before, self.norm(held + vector)) for vector in wide]
        return torch.cat(rows)

    def _mean_change(self, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """[1, vocabulary]: without a cap the unembedding is linear, so the mean can be taken first."""
        if self.cap is None:
            return self._unembed((after - before).mean(dim=0, keepdim=True))
        total = torch.zeros(1, len(self.weight), device=before.device)
        for first in range(0, len(before), _RESIDUALS):
            some = slice(first, first + _RESIDUALS)
            total += (self._capped(after[some]) - self._capped(before[some])).sum(dim=0)
        return total / len(before)

    def _capped(self, normed: torch.Tensor) -> torch.Tensor:
        assert self.cap is not None
        return self.cap * torch.tanh(self._unembed(normed) / self.cap)

    def _unembed(self, normed: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            parts = [
                normed @ self.weight[first : first + _VOCABULARY_ROWS].float().T
                for first in range(0, len(self.weight), _VOCABULARY_ROWS)
            ]
            return torch.cat(parts, dim=1)

    def _wide(self, vectors: torch.Tensor) -> torch.Tensor:
        if vectors.ndim != 2 or vectors.shape[1] != self.weight.shape[1]:
            raise AssayError(
                f"this lens reads vectors [n, {self.weight.shape[1]}] of the residual stream, found {tuple(vectors.shape)}"
            )
        return vectors.to(self.weight.device, torch.float32)


def norm_gain(norm: nn.Module, width: int) -> torch.Tensor:
    """What a norm multiplies each of `width` coordinates by, float32, found by asking it.

    Signs that alternate have mean square 1 and mean 0, so the norm only multiplies them by its gain (and adds its bias,
    which half the difference between both signs takes out). Families write it differently: Gemma's is 1 + weight.
    """
    signs = torch.ones(1, width, device=next(norm.parameters()).device)
    signs[:, 1::2] = -1
    with torch.inference_mode():
        gain: torch.Tensor = ((norm(signs) - norm(-signs)) / 2 * signs)[0]
    return gain


def lens_tokens(tokenizer: Any, values: torch.Tensor, k: int) -> Iterator[LensToken]:
    """The `k` largest of `values` [vocabulary] in falling order, then the `k` smallest in rising order."""
    sides: tuple[tuple[Side, bool], ...] = (("top", True), ("bottom", False))
    for side, largest in sides:
        found = torch.topk(values, min(k, len(values)), largest=largest)
        for rank, (index, value) in enumerate(
            zip(found.indices.tolist(), found.values.tolist(), strict=True), 1
        ):
            yield LensToken(side, rank, index, token_text(tokenizer, index), value)


def token_text(tokenizer: Any, token_id: int) -> str:
    """A token as people read it: its characters, or its name in the vocabulary where it is a part of a character.

    What does not print is escaped, as in "\\r": a bare carriage return would end a row of a CSV file.
    """
    text: str = tokenizer.decode([token_id])
    if text and "\ufffd" not in text:
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    name = tokenizer.convert_ids_to_tokens(token_id)
    return name if name is not None else f"<{token_id}>"
