"""The token a study asks about."""

from transformers import PreTrainedTokenizerBase

from assay.errors import AssayError


def target_id(tokenizer: PreTrainedTokenizerBase, target: str) -> int:
    """The id of `target`, which must be exactly one token. Raises AssayError that shows how it splits, with a cure."""
    ids = _plain_ids(tokenizer, target)
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise AssayError(
            f"target {target!r} has no token; give one word as the tokenizer writes it, such as ' the'"
        )
    pieces = " + ".join(repr(tokenizer.decode([i])) for i in ids)
    single = [other for other in _spellings(target) if len(_plain_ids(tokenizer, other)) == 1]
    if single:
        cure = f"{' and '.join(map(repr, single))} {'is' if len(single) == 1 else 'are'} one token"
    else:
        cure = (
            "choose a more frequent word; most words are one token only with their leading space, as ' the'"
        )
    raise AssayError(
        f"target {target!r} is {len(ids)} tokens of this tokenizer ({pieces}), one is needed; {cure}"
    )


def _plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _spellings(target: str) -> list[str]:
    """The same word with and without leading space, as written and in lower case."""
    word = target.strip()
    candidates = [f" {word}", word, f" {word.lower()}", word.lower()]
    return [other for other in dict.fromkeys(candidates) if other and other != target]
