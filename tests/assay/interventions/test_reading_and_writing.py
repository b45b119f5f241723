"""What is read at an expression is written at it: the same tokens, on a model, for every expression of the language."""

import numpy as np
import pytest
import torch
from support.toy_models import D_MODEL, save
from support.toy_tokenizers import gemma3

from assay.activations.gathering import gather
from assay.errors import AssayError
from assay.generation.generation import generate
from assay.interventions.interventions import Intervention
from assay.interventions.writing import Row, Writer
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.records import Message, PromptRecord, Span
from assay.prompts.tokenization import encode_written

RECORD = PromptRecord(
    "r",
    messages=(Message(role="user", content="is Rome north of Oslo?"),),
    response="no, it is south",
    spans={"rome": (Span((0, 3, 7)),), "both": (Span((0, 3, 7)), Span((0, 17, 21)))},
    positions=(5, 2, 2),
)
EXPRESSIONS = [
    "prompt[-1]", "prompt[0]", "prompt[:]", "prompt[2:-2]", "response[:]", "response[:2]", "response[1:3]", "response[0]",
    "response[:50]", "all", "span:rome", "span:both", "turn_end", "explicit",
]  # fmt: skip
VECTOR = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = save(tmp_path_factory.mktemp("m"), "gemma3_text", gemma3())
    return load_model(make_pin(ModelEntry("toy", str(folder))))


def read(loaded: LoadedModel, position: str) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, activations [tokens, d_model]) of layer 1."""
    (one,) = gather(
        loaded.model, loaded.architecture, loaded.tokenizer, [RECORD], site="resid", layers=[1], position=position
    )  # fmt: skip
    return one.tokens, one.rows[:, 0]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_tokens_read_are_the_tokens_written(expression: str, loaded: LoadedModel) -> None:
    tokens, _ = read(loaded, expression)
    _, before = read(loaded, "all")
    added = Intervention("add", "resid", 1, 2.0, expression, VECTOR)
    layout = encode_written(loaded.tokenizer, RECORD, [expression]).layout
    with Writer(loaded.architecture, [added]) as writer:
        writer.aim([Row(layout, (added,), 0, len(before))], len(before))
        _, after = read(loaded, "all")
    changed = np.flatnonzero((after != before).any(axis=1))
    assert changed.tolist() == sorted(set(tokens.tolist()))
    for token in changed:  # once, also where an expression names a token twice
        np.testing.assert_allclose(after[token] - before[token], 2 * VECTOR.numpy(), atol=1e-4)


def test_explicit_tokens_that_do_not_exist_are_refused(loaded: LoadedModel) -> None:
    record = PromptRecord("r", text="is Rome", positions=(1, 90))
    with pytest.raises(AssayError, match=r"record 'r': field 'positions': index 90 is outside"):
        encode_written(loaded.tokenizer, record, ["explicit", "span:rome"])


def test_an_answer_is_written_where_the_record_says(loaded: LoadedModel) -> None:
    """`explicit` and `turn_end` in generation: as at the tokens that they name, and refused where no record has them."""
    prompt = PromptRecord("r", messages=RECORD.messages, positions=(3,))
    layout = encode_written(loaded.tokenizer, prompt, []).layout
    (end,) = layout.turn_end.tolist()

    def answer(scope: str, record: PromptRecord = prompt) -> tuple[int, ...]:
        added = [Intervention("add", "resid", 1, 9.0, scope, VECTOR)]
        (found,) = generate(loaded.model, loaded.tokenizer, [record], max_new_tokens=6, interventions=added)
        return found.ids

    assert answer("explicit") == answer("prompt[3]")
    assert answer("turn_end") == answer(f"prompt[{end}]")
    with pytest.raises(AssayError, match="no record has the tokens 'explicit'"):
        answer("explicit", PromptRecord("r", messages=RECORD.messages))
