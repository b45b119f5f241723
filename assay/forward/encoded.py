"""Training examples: encoded records whose response is learned, and the tokens that each trained vector touches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import AssayError
from assay.prompts.positions import parse_written, written
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode_written


@dataclass(frozen=True)
class Example:
    """One record as tokens, unpadded.

    `ids` int64 (n_tokens,): the first `prompt_length` are the prompt; the others, its response, are the labels, and
    the prompt is not learned. `touches` maps the name of a vector to the token indices (int64) it is added at.
    """

    id: str
    ids: np.ndarray
    prompt_length: int
    touches: Mapping[str, np.ndarray]

    @property
    def n_inputs(self) -> int:
        """Tokens that go into the model: the last one is only a label."""
        return len(self.ids) - 1

    @property
    def labels(self) -> np.ndarray:
        """The response's ids; the token before each predicts it."""
        return self.ids[self.prompt_length :]

    @property
    def first_change(self) -> int:
        """The first token whose activations training changes or whose logits it needs."""
        firsts = [int(tokens[0]) for tokens in self.touches.values() if len(tokens)]
        return min([*firsts, self.prompt_length - 1])

    @property
    def is_touched(self) -> bool:
        """Whether any vector touches it."""
        return any(len(tokens) for tokens in self.touches.values())


def make_examples(
    tokenizer: Any,
    records: Iterable[PromptRecord],
    scopes: Mapping[str, str],
    *,
    context_length: int,
) -> list[Example]:
    """Encode `records` with the chat template and resolve `scopes` (vector name → position; none for LoRA).

    Raises AssayError for a record without a response or too long for the model.
    """
    parsed = {name: parse_written(scope) for name, scope in scopes.items()}
    examples = []
    for record in records:
        encoding = encode_written(tokenizer, record, scopes.values())
        n_tokens = len(encoding.ids)
        if encoding.prompt_length == n_tokens:
            raise AssayError(
                f"record {record.id!r} has no response to learn; give 'response', or end 'messages' before the answer "
                "and put it there"
            )
        if not encoding.prompt_length > 0 or n_tokens > context_length:
            raise AssayError(
                f"record {record.id!r} has a prompt of {encoding.prompt_length} and {n_tokens} tokens in all; the model "
                f"needs a prompt and reads at most {context_length}"
            )
        touches = {name: written(one, encoding.layout, 0, n_tokens - 1) for name, one in parsed.items()}
        examples.append(Example(record.id, encoding.ids, encoding.prompt_length, touches))
    return examples


def touched_examples(examples: Sequence[Example], scopes: Mapping[str, str]) -> list[Example]:
    """Those that a vector touches, as the others teach nothing; all where there is none (LoRA).

    Raises AssayError for a vector that touches no example.
    """
    for name, scope in scopes.items():
        if not any(len(example.touches[name]) for example in examples):
            raise AssayError(
                f"no record has a token at {scope!r}, so there is nothing to train; check `spans` of the data"
            )
    return [example for example in examples if example.is_touched or not scopes]
