"""From character spans of a record's contents to the tokens that hold them."""

from collections.abc import Mapping, Sequence

import numpy as np

from assay.prompts.records import Span
from assay.prompts.rendering import Rendering


def locate_spans(
    rendering: Rendering, offsets: np.ndarray, spans: Mapping[str, Sequence[Span]]
) -> dict[str, np.ndarray]:
    """Sorted token indices (int64) of each named span; empty where the template left all its characters out.

    `offsets` int64 (n_tokens, 2) are the characters [start, end) of the rendered text that each token covers. A token
    holds a span when they share a character. Its leading whitespace counts only if nothing else holds the span:
    tokenizers disagree on whether " Paris" covers the space, and a span that ends in that space does not mean Paris.
    """
    if not spans:
        return {}
    contents = {content.message: content for content in rendering.contents}
    bare, whole = _extents(rendering.text, offsets)
    found = {}
    for name, places in spans.items():
        chosen: set[int] = set()
        for message, start, end in places:
            if message not in contents:  # a blank system message that was folded away
                continue
            characters = contents[message].locate(start, end)
            chosen.update(_overlap(bare, *characters) or _overlap(whole, *characters))
        found[name] = np.asarray(sorted(chosen), dtype=np.int64)
    return found


def _overlap(extents: np.ndarray, first: int, last: int) -> list[int]:
    if first >= last:
        return []
    indices: list[int] = np.flatnonzero((extents[:, 0] < last) & (extents[:, 1] > first)).tolist()
    return indices


def _extents(text: str, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(without, with) leading whitespace: int64 (n_tokens, 2), so that together the tokens leave no character out.

    Offsets may leave gaps: whitespace that a tokenizer trims off a token, which goes to the token after it, and marks
    that normalisation merged into the letter before them, which stay with that letter.
    """
    whole = offsets.copy()
    covered = 0
    for index, (start, end) in enumerate(offsets.tolist()):
        if covered < start:
            if index == 0 or text[covered:start].isspace():
                whole[index, 0] = covered
            else:
                whole[:index][whole[:index, 1] == covered, 1] = (
                    start  # several, where a letter is several byte tokens
                )
        covered = max(covered, end)
    bare = whole.copy()
    for index, (start, end) in enumerate(whole.tolist()):
        own = text[start:end].lstrip()
        if own:
            bare[index, 0] = end - len(own)
    return bare, whole
