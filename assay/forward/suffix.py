"""The upper part of a decoder: from the input of block `start` to logits, with the model's own blocks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from assay.forward.masks import attention_mask
from assay.forward.replaced_forwards import replaced_forwards
from assay.models.architecture import Architecture
from assay.models.devices import input_device


class Keys(Protocol):
    """What a block calls as its key-value cache."""

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *args: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """New keys and values [batch, n_kv_heads, n_queries, head_dim] in; those to attend to out."""


@dataclass(frozen=True)
class Tokens:
    """A padded batch of tokens: `ids`, `positions` int64 and `valid` bool, all [batch, n]."""

    ids: torch.Tensor
    positions: torch.Tensor
    valid: torch.Tensor


class Suffix:
    """Runs a model from the input of block `start`; start = n_layers leaves the final norm alone.

    While `open`, the blocks below return what they get, so the model's own forward prepares positions and masks and
    nothing below is computed. Nothing is changed once it is closed, also after an exception.
    """

    def __init__(self, architecture: Architecture, start: int):
        self.architecture = architecture
        self.start = start
        at_end = start == architecture.n_layers
        self.entry = architecture.final_norm if at_end else architecture.block(start)
        self.device = input_device(architecture)
        self.text_config: Any = architecture.model.config.get_text_config()  # type: ignore[operator, union-attr]
        self.dtype = next(architecture.final_norm.parameters()).dtype

    @property
    def kept_layers(self) -> int:
        """How many blocks it runs."""
        return self.architecture.n_layers - self.start

    @contextmanager
    def open(self) -> Iterator[Callable[..., torch.Tensor]]:
        """Yield `run(hidden, tokens, past, keys)`; see `_run`."""
        lower = [self.architecture.block(layer) for layer in range(self.start)]
        with replaced_forwards(dict.fromkeys(lower, _pass_on)):
            yield self._run

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """While this lasts, the blocks from `start` on return what they get: a forward pass that only feeds the entry."""
        upper = [self.architecture.block(layer) for layer in range(self.start, self.architecture.n_layers)]
        with replaced_forwards(dict.fromkeys(upper, _pass_on)):
            yield

    def _run(
        self, hidden: torch.Tensor, tokens: Tokens, past: Tokens | None = None, keys: Keys | None = None
    ) -> torch.Tensor:
        """Normed hidden states [batch, n, d_model] of `tokens`, given the input `hidden` of block `start`.

        `past` are the tokens before them, whose keys and values `keys` puts in front.
        """

        def enter(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return (hidden.to(args[0]), *args[1:])

        handle = self.entry.register_forward_pre_hook(enter)
        try:
            return self.run_stack(tokens, past, keys)
        finally:
            handle.remove()

    def run_stack(self, tokens: Tokens, past: Tokens | None = None, keys: Keys | None = None) -> torch.Tensor:
        """The text decoder with masks written out: normed hidden states [batch, n, d_model]."""
        before = [] if past is None else [past]
        positions = torch.cat([*(t.positions for t in before), tokens.positions], dim=1)
        valid = torch.cat([*(t.valid for t in before), tokens.valid], dim=1)
        mask = attention_mask(self.text_config, positions, valid, tokens.positions, self.dtype)
        output = self.architecture.stack(
            input_ids=tokens.ids,
            attention_mask=mask,
            position_ids=tokens.positions,
            past_key_values=keys,
            use_cache=keys is not None,
        )
        normed: torch.Tensor = output.last_hidden_state
        return normed

    def logits(self, normed: torch.Tensor) -> torch.Tensor:
        """Normed hidden states [n, d_model] → logits [n, vocab], soft-capped where the family does."""
        unembed = self.architecture.unembed
        logits: torch.Tensor = unembed(normed)
        cap = getattr(self.text_config, "final_logit_softcapping", None)
        return logits if cap is None else torch.tanh(logits / cap) * cap


def _pass_on(hidden: torch.Tensor, *_args: Any, **_kwargs: Any) -> torch.Tensor:
    return hidden
