import random

import numpy as np
import pytest
from support import toy_tokenizers

from assay.errors import AssayError
from assay.prompts.documents import Document
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode
from assay.prompts.windows import cut_windows
from assay.studies.tokens.rows import labelled_rows
from assay.studies.tokens.sampling import eligible_positions, sample_split
from assay.studies.tokens.splits import Sampling, sample_splits, split_three_ways
from assay.studies.tokens.target import target_id

SENTENCE = "the cat sat on the mat and dog ran naïve 中文 🙂 question answer the city of Rome \n"


def make_document(name, words, seed=0):
    rng = random.Random(f"{name}{seed}")
    return Document(name, " ".join(rng.choice(SENTENCE.split(" ")) for _ in range(words)))


def one_token_target(tokenizer):
    for candidate in (" the", "the"):
        if len(tokenizer(candidate, add_special_tokens=False).input_ids) == 1:
            return candidate
    raise AssertionError("the toy tokenizer knows no form of the target")


@pytest.fixture(params=toy_tokenizers.BUILDERS)
def tokenizer(request):
    return toy_tokenizers.BUILDERS[request.param]()


def test_windows_tile_the_document_and_fit(tokenizer):
    document = make_document("d", 300)
    windows = cut_windows(tokenizer, document, 32)
    assert "".join(window.text for window in windows) == document.text
    for window in windows:
        ids = encode(tokenizer, PromptRecord(id="x", text=window.text)).ids
        assert np.array_equal(ids, window.tokens.ids)
        assert len(ids) <= 32
    sizes = [len(window.tokens.ids) for window in windows[:-1]]
    assert np.mean(sizes) > 27


def test_ends_say_what_has_been_read(tokenizer):
    (window,) = cut_windows(tokenizer, make_document("d", 20), 1000)
    tokens = window.tokens
    for index in range(len(tokens.ends)):
        if index + 1 < len(tokens.ends) and tokens.starts[index + 1] < tokens.ends[index]:
            continue  # inside a character of several bytes
        read = encode(tokenizer, PromptRecord(id="x", text=window.text[: tokens.ends[index]])).ids
        assert (
            tokenizer.decode(read[tokens.n_special :]).strip()
            == tokenizer.decode(tokens.text_ids[: index + 1]).strip()
        )


def test_a_control_string_in_a_text_stays_text():
    tokenizer = toy_tokenizers.gemma3()
    windows = cut_windows(tokenizer, Document("d", "the <eos> the cat"), 100)
    assert tokenizer.eos_token_id not in windows[0].tokens.text_ids
    with pytest.raises(AssayError, match="no room"):
        cut_windows(tokenizer, Document("d", "the cat"), 1)


def test_labels_of_positions_by_the_obvious_loop(tokenizer):
    target = target_id(tokenizer, one_token_target(tokenizer))
    windows = cut_windows(tokenizer, make_document("d", 400), 40)
    positions = eligible_positions(windows, target, 5)
    expected = []
    for number, window in enumerate(windows):
        ids = window.tokens.ids.tolist()[window.tokens.n_special :]
        for place in range(len(ids)):
            if place >= 5 and place + 1 < len(ids):
                expected.append((number, place, ids[place + 1] == target, ids[place] == target))
    found = zip(
        positions.window, positions.token, positions.labels["next"], positions.labels["current"], strict=True
    )
    assert [tuple(row) for row in found] == expected


def sample(tokenizer, cap, seed=0):
    windows = [w for i in range(12) for w in cut_windows(tokenizer, make_document(f"d{i}", 200), 40)]
    target = target_id(tokenizer, one_token_target(tokenizer))
    return (
        windows,
        target,
        sample_split(windows, target=target, split="train", min_left=5, max_per_class=cap, seed=seed),
    )


def test_sampled_records_are_balanced_and_true(tokenizer):
    windows, target, found = sample(tokenizer, cap=30)
    texts = {window.id: window for window in windows}
    for variant, shift in (("next", 1), ("current", 0)):
        labels = []
        for record in found.records:
            ids = encode(tokenizer, record, ("explicit",)).ids
            for position, label, end in zip(
                record.positions, record.fields[variant], record.fields["ends"], strict=True
            ):
                if label is not None:
                    labels.append(label)
                    assert label == (ids[position + shift] == target)
                    assert end == texts[record.id].tokens.ends[position - texts[record.id].tokens.n_special]
        assert labels.count(1) == labels.count(0) == 30
        assert found.counts[f"{variant}_per_class"] == 30
    assert found.counts["rows"] == sum(len(record.positions) for record in found.records)
    assert len({record.id for record in found.records}) == len(found.records)


def test_counts_add_up():
    windows, _, found = sample(toy_tokenizers.gemma3(), cap=30)
    counts = found.counts
    assert counts["windows"] + counts["windows_not_needed"] + counts[
        "windows_without_sampled_position"
    ] == len(windows)
    for variant in ("next", "current"):
        dropped = counts[f"{variant}_positives_dropped"] + counts[f"{variant}_negatives_dropped"]
        assert dropped + 2 * counts[f"{variant}_per_class"] == counts["positions_eligible"]
    assert counts["windows_not_needed"] > 0
    everything = sample(toy_tokenizers.gemma3(), cap=10**6)[2].counts
    assert everything["windows_not_needed"] == everything["next_positives_dropped"] == 0


def test_both_variants_share_most_negatives():
    _, _, found = sample(toy_tokenizers.gemma3(), cap=30)
    negatives = {"next": set(), "current": set()}
    for record in found.records:
        for variant, places in negatives.items():
            labels = zip(record.positions, record.fields[variant], strict=True)
            places.update((record.id, position) for position, label in labels if label == 0)
    assert len(negatives["next"] & negatives["current"]) >= 20


def test_negatives_are_uniform_over_what_is_eligible():
    tokenizer = toy_tokenizers.gemma3()
    windows = cut_windows(tokenizer, make_document("d", 120), 1000)
    target = target_id(tokenizer, " the")
    positions = eligible_positions(windows, target, 5)
    drawn = np.zeros(len(positions.token))
    for seed in range(300):
        found = sample_split(windows, target=target, split="test", min_left=5, max_per_class=10, seed=seed)
        for record in found.records:
            taken = [
                p for p, label in zip(record.positions, record.fields["next"], strict=True) if label == 0
            ]
            drawn[np.searchsorted(positions.token, np.array(taken) - windows[0].tokens.n_special)] += 1
    negatives = ~positions.labels["next"]
    assert drawn[~negatives].sum() == 0
    expected = 300 * 10 / negatives.sum()
    deviation = (drawn[negatives] - expected) / np.sqrt(expected)
    assert np.abs(deviation).max() < 4.5
    assert 0.6 < deviation.var() < 1.4


def test_no_position_of_a_class_is_an_error_that_names_split_and_variant():
    tokenizer = toy_tokenizers.gemma3()
    windows = cut_windows(tokenizer, Document("d", "cat ran " * 50), 40)
    with pytest.raises(AssayError, match="test split has no positive position for the next token"):
        sample_split(
            windows, target=target_id(tokenizer, " the"), split="test", min_left=5, max_per_class=5, seed=0
        )


def test_splits_share_no_document_and_test_is_the_shared_split():
    from assay.prompts.documents import split_documents

    documents = [make_document(f"d{i}", 60) for i in range(80)]
    splits = split_three_ways(documents, seed=4, test_fraction=0.2, validation_fraction=0.2)
    ids = {name: {d.id for d in members} for name, members in splits.items()}
    assert ids["test"] == {d.id for d in split_documents(documents, seed=4, test_fraction=0.2)[1]}
    assert sum(map(len, ids.values())) == len(set().union(*ids.values())) == 80
    assert 5 < len(ids["validation"]) < 25
    sampling = Sampling(
        target=target_id(toy_tokenizers.gemma3(), " the"),
        context=40,
        min_left=5,
        max_per_class={"train": 40, "validation": 10, "test": 20},
        max_characters=150,
        seed=0,
    )
    records, counts = sample_splits(toy_tokenizers.gemma3(), splits, sampling)
    for record in records:
        assert record.group in ids[record.split]
    assert counts["test_characters_cut"] == sum(max(0, len(d.text) - 150) for d in splits["test"])
    rows = labelled_rows(records, "next", "validation")
    assert len(rows.row) == 20


def test_one_long_file_is_told_to_be_cut():
    with pytest.raises(AssayError, match=r"0 of 1 documents.*--section"):
        split_three_ways([Document("book", "x")], seed=0, test_fraction=0.2, validation_fraction=0.1)


@pytest.mark.parametrize("changes", [{"min_left": 0}, {"context": 8}, {"max_per_class": {"train": 0}}])
def test_impossible_settings_are_refused(changes):
    settings = {
        "target": 1,
        "context": 40,
        "min_left": 8,
        "max_per_class": {"train": 5},
        "max_characters": 0,
        "seed": 0,
    }
    with pytest.raises(AssayError):
        Sampling(**(settings | changes))


def test_a_target_of_two_tokens_is_shown_with_a_cure():
    tokenizer = toy_tokenizers.gemma3()
    with pytest.raises(AssayError, match=r"' the the' is 2 tokens .*\(' the' \+ ' the'\)"):
        target_id(tokenizer, " the the")
    with pytest.raises(AssayError, match="has no token"):
        target_id(tokenizer, "")
    single = next(
        w for w in ("Question", "question") if len(tokenizer(f" {w}", add_special_tokens=False).input_ids) > 1
    )
    with pytest.raises(AssayError, match="tokens of this tokenizer"):
        target_id(tokenizer, f" {single}")


def test_a_target_without_its_space_is_told_the_spelling_that_is_one_token():
    tokenizer = toy_tokenizers.gpt2()
    split = [
        w for w in ("is", "city", "of", "the") if len(tokenizer(w, add_special_tokens=False).input_ids) > 1
    ]
    known = [w for w in split if len(tokenizer(f" {w}", add_special_tokens=False).input_ids) == 1]
    with pytest.raises(AssayError, match=f"' {known[0]}' is one token"):
        target_id(tokenizer, known[0])


def test_rows_are_numbered_as_the_store_numbers_them():
    fields = {"next": [1, None, 0], "current": [None, 0, 1], "ends": [1, 2, 3]}
    records = [
        PromptRecord(id="a", text="abcd", positions=(1, 2, 3), group="g", split="train", fields=fields),
        PromptRecord(id="b", text="efgh", positions=(2, 3, 4), group="h", split="test", fields=fields),
        PromptRecord(id="c", text="ijkl", positions=(1, 3, 4), group="g", split="train", fields=fields),
    ]
    rows = labelled_rows(records, "next", "train")
    assert rows.row.tolist() == [0, 2, 6, 8]
    assert rows.label.tolist() == [True, False, True, False]
    assert rows.position.tolist() == [1, 3, 1, 4]
    assert rows.group.tolist() == [0, 0, 0, 0]
    assert rows.before == ["a", "abc", "i", "ijk"]
    assert rows.n_unlabelled == 2
    assert rows.digest() != labelled_rows(records, "current", "train").digest()
    with pytest.raises(AssayError, match="no position of split 'validation'"):
        labelled_rows(records, "next", "validation")
    broken = [PromptRecord(id="a", text="x", positions=(1,), group="g", split="train", fields={"ends": [1]})]
    with pytest.raises(AssayError, match="record 'a': field 'next'"):
        labelled_rows(broken, "next", "train")
