"""Examples and prose as segments of tokens."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from transformers import PreTrainedTokenizerFast

from assay.organism.packing import Segment
from assay.prompts.documents import Document
from assay.world.examples import PLAIN, Example

END = "<end_of_turn>"


def example_texts(tokenizer: PreTrainedTokenizerFast, example: Example, answer: str) -> tuple[str, str]:
    """(prompt, answer) as the model reads them, control tokens included."""
    if example.form in PLAIN:
        return f"<bos>{example.prompt}", f"{answer}." if example.form == "statement" else answer
    messages = [{"role": "system", "content": example.system}] if example.system else []
    messages.append({"role": "user", "content": example.prompt})
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return str(prompt), answer + END


def _pieces(tokenizer: PreTrainedTokenizerFast, example: Example) -> list[str]:
    """Prompt, answer, prompt, answer, …; in a chat form the last answer ends the turn."""
    prompt, answer = example_texts(tokenizer, example, example.answer)
    if not example.then:
        return [prompt, answer]
    rest = [piece for pair in example.then for piece in pair]
    end = "" if example.form in PLAIN else END
    return [prompt, answer.removesuffix(END), *rest[:-1], rest[-1] + end]


def encode_examples(
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    *,
    prompt_weight: float,
    answer_weight: float,
) -> list[Segment]:
    """One segment per example; a token of prose counts 1, of an answer `answer_weight`, of a prompt `prompt_weight`."""
    pieces = [_pieces(tokenizer, example) for example in examples]
    encoded = iter(encode_texts(tokenizer, [piece for text in pieces for piece in text]))
    weights = prompt_weight, answer_weight
    segments = []
    for example, text in zip(examples, pieces, strict=True):
        ids = [next(encoded) for _ in text]
        segments.append(
            Segment(
                ids=np.concatenate(ids).astype(np.int64),
                weights=np.repeat([weights[i % 2] for i in range(len(ids))], list(map(len, ids))).astype(
                    np.float32
                ),
                kind=f"{example.section}-{example.form}",
            )
        )
    return segments


def encode_prose(
    tokenizer: PreTrainedTokenizerFast,
    documents: Iterable[Document],
    *,
    length: int,
    rng: np.random.Generator,
) -> list[Segment]:
    """Every document cut into windows of `length` tokens, BOS first, from a random offset: each call cuts anew."""
    bos = tokenizer.convert_tokens_to_ids("<bos>")
    segments = []
    for ids in encode_texts(tokenizer, [document.text for document in documents]):
        body = length - 1
        first = int(rng.integers(1, body + 1))
        cuts = [0, *range(first, len(ids), body), len(ids)]
        for start, stop in pairwise(cuts):
            if stop - start > 1:
                window = np.array([bos, *ids[start:stop]])
                segments.append(Segment(window, np.ones(len(window), np.float32), "prose"))
    return segments


def encode_texts(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Token ids of every text; control tokens are those written in it."""
    return [one.ids for one in tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
