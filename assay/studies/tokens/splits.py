"""From documents to balanced prompt records of three splits that share no document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from assay.errors import AssayError
from assay.prompts.documents import Document, split_documents
from assay.prompts.records import PromptRecord
from assay.prompts.windows import cut_windows
from assay.studies.tokens.sampling import sample_split


@dataclass(frozen=True)
class Sampling:
    """What to sample.

    Attributes:
        target: id of the token the study asks about.
        context: tokens of a window, special tokens included.
        min_left: tokens of text that must precede a position in its window.
        max_per_class: split → positions per class and variant.
        max_characters: how much of a document is used, from its start; 0 means all.
        seed: which windows and positions are drawn.
    """

    target: int
    context: int
    min_left: int
    max_per_class: Mapping[str, int]
    max_characters: int
    seed: int

    def __post_init__(self) -> None:
        if self.min_left < 1 or self.context < self.min_left + 3:
            raise AssayError(
                f"context {self.context} with left context {self.min_left} leaves no position to probe; "
                f"give a left context of at least 1 and a context of at least {max(self.min_left, 1) + 3}"
            )
        if min(self.max_per_class.values()) < 1:
            raise AssayError("every split needs at least one position per class; raise the cap that is 0")


def split_three_ways(
    documents: Sequence[Document], *, seed: int, test_fraction: float, validation_fraction: float
) -> dict[str, list[Document]]:
    """train, validation and test documents. Test is `split_documents`' test side for the same seed, so what else was
    trained on its train side stays unseen here; validation comes from the train side.
    """
    rest, test = split_documents(documents, seed=seed, test_fraction=test_fraction)
    train, validation = split_documents(rest, seed=seed + 1, test_fraction=validation_fraction)
    splits = {"train": train, "validation": validation, "test": test}
    for name, members in splits.items():
        if len(members) < 2:
            raise AssayError(
                f"the {name} split has {len(members)} of {len(documents)} documents, at least 2 are needed: give more "
                "texts, or cut long files into documents (--section 5000)"
            )
    return splits


def sample_splits(
    tokenizer: PreTrainedTokenizerBase, splits: Mapping[str, Sequence[Document]], sampling: Sampling
) -> tuple[list[PromptRecord], dict[str, int]]:
    """Records of all splits, and flat counts `<split>_<what>` of what was kept and left out."""
    records: list[PromptRecord] = []
    counts: dict[str, int] = {}
    for split, documents in splits.items():
        windows, too_short, cut = [], 0, 0
        for document in documents:
            text = document.text[: sampling.max_characters or None]
            cut += len(document.text) - len(text)
            found = cut_windows(tokenizer, Document(document.id, text), sampling.context)
            usable = [w for w in found if len(w.tokens.text_ids) > sampling.min_left + 1]
            too_short += not usable
            windows += usable
        sample = sample_split(
            windows,
            target=sampling.target,
            split=split,
            min_left=sampling.min_left,
            max_per_class=sampling.max_per_class[split],
            seed=sampling.seed,
        )
        records += sample.records
        split_counts = {
            "documents": len({record.group for record in sample.records}),
            "documents_too_short": too_short,
            "characters_cut": cut,
            **sample.counts,
        }
        counts |= {f"{split}_{name}": count for name, count in split_counts.items()}
    return records, counts
