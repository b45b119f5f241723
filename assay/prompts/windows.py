"""Documents cut into windows of at most `context` tokens, with the character end of every token."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from assay.errors import AssayError
from assay.prompts.documents import Document
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode


@dataclass(frozen=True)
class TokenizedText:
    """A text as the model reads it.

    Attributes:
        ids: [n_tokens] int64, special tokens such as BOS included.
        n_special: how many special tokens come before the first token of the text.
        starts, ends: [n_tokens − n_special] int64, character [start, end) of each text token. Byte tokens of one
            character share its span.
    """

    ids: NDArray[np.int64]
    n_special: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def text_ids(self) -> NDArray[np.int64]:
        """Ids without the leading special tokens."""
        return self.ids[self.n_special :]


@dataclass(frozen=True)
class Window:
    """Consecutive text of one document, at most `context` tokens long when it is encoded on its own."""

    id: str
    document: str
    text: str
    tokens: TokenizedText


def tokenize(tokenizer: PreTrainedTokenizerBase, text: str, name: str) -> TokenizedText:
    """Ids of the one tokenisation function, joined with character offsets; `name` is for errors."""
    encoding = encode(tokenizer, PromptRecord(id=name, text=text))
    n_special = int(encoding.bos_added)
    return TokenizedText(encoding.ids, n_special, *encoding.offsets[n_special:].T)


def cut_windows(tokenizer: PreTrainedTokenizerBase, document: Document, context: int) -> list[Window]:
    """Cut a document at token boundaries into windows of at most `context` tokens (special tokens included).

    Each window is encoded again on its own, because a model will read it so; where that makes it longer than
    `context`, it gives up its last tokens to the next window.
    """
    whole = tokenize(tokenizer, document.text, document.id)
    room = context - whole.n_special
    if room < 1:
        raise AssayError(f"context {context} leaves no room for text; give at least {whole.n_special + 2}")
    windows: list[Window] = []
    first, begin = 0, 0
    while first < len(whole.ends):
        size = _whole_characters(whole, first, room)
        while True:
            end = int(whole.ends[first + size - 1])
            tokens = tokenize(tokenizer, document.text[begin:end], document.id)
            excess = len(tokens.ids) - context
            if excess <= 0 or size == 1:
                break
            size = _whole_characters(whole, first, max(1, size - excess))
        windows.append(Window(f"{document.id}#{len(windows)}", document.id, document.text[begin:end], tokens))
        first, begin = first + size, end
    return windows


def _whole_characters(whole: TokenizedText, first: int, size: int) -> int:
    """The most tokens from `first` on, at most `size` where possible, that end where a character ends."""
    last = min(first + size, len(whole.ends))
    for end in range(last, first, -1):
        if end == len(whole.ends) or whole.starts[end] >= whole.ends[end - 1]:
            return end - first
    rest = range(
        last, len(whole.ends)
    )  # one character of more byte tokens than fit: it stays whole all the same
    return next((end for end in rest if whole.starts[end] >= whole.ends[end - 1]), len(whole.ends)) - first
