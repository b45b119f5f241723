"""The whole path from records to a store, against one unpadded forward pass per record."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.toy_models import FAMILIES, save
from support.toy_tokenizers import gemma3, gpt2

from assay.activations.batch_reader import BatchReader
from assay.activations.extraction import Counts, extract
from assay.activations.request import Request, parse_request
from assay.activations.store import open_store
from assay.errors import AssayError
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.models.sites import SITES
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode

WORDS = [
    "the",
    "capital",
    "of",
    "France",
    "is",
    "Paris",
    "and",
    "the",
    "cat",
    "sat",
    "on",
    "the",
    "mat",
    "while",
    "a",
    "dog",
    "ran",
]
RECORDS = [
    PromptRecord(id=f"r{i}", text=" ".join(WORDS[i % 5 : i % 5 + 1 + (i * 7) % 11]), response="Oslo is north")
    for i in range(23)
]
POSITIONS = ["prompt[-1]", "prompt[:]", "response[:5]", "all"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    folder = tmp_path_factory.mktemp("models")
    loaded = {}
    for family in FAMILIES:
        path = save(folder / family, family, gpt2() if family == "gpt2" else gemma3())
        loaded[family] = load_model(make_pin(ModelEntry(alias=family, source=str(path))))
    return loaded


def request(**changed: Any) -> Request:
    plain = Request("resid", (0, 1, 2), "prompt[-1]", "last", "float32", 64)
    return dataclasses.replace(plain, **changed)


def slow(loaded: LoadedModel, record: PromptRecord, asked: Request) -> dict[int, torch.Tensor]:
    """One record, no padding, hooks by hand, pooling by its definition: [rows, width] by layer."""
    encoding = encode(loaded.tokenizer, record, [asked.position])
    taken: dict[int, torch.Tensor] = {}
    handles = []
    for layer in asked.layers:
        tap = loaded.architecture.tap(asked.site, layer)
        handles.append(
            tap.module.register_forward_hook(
                lambda _m, args, output, tap=tap, layer=layer: taken.update(
                    {layer: tap.pick(args, output)[0]}
                )
            )
        )
    with torch.no_grad():
        loaded.model(input_ids=torch.from_numpy(encoding.ids)[None], use_cache=False)
    for handle in handles:
        handle.remove()
    index = torch.from_numpy(encoding.positions[asked.position])
    reduce = {
        "none": lambda rows: rows,
        "last": lambda rows: rows[-1:],
        "mean": lambda rows: rows.mean(0, keepdim=True),
        "max": lambda rows: rows.amax(0, keepdim=True),
    }[asked.pooling]
    return {layer: reduce(hidden[index]) for layer, hidden in taken.items()}


def check(loaded: LoadedModel, asked: Request, path: Path, records: Sequence[PromptRecord] = RECORDS) -> None:
    """Every row of every layer of the store at `path`, in record order."""
    expected = [slow(loaded, record, asked) for record in records]
    with open_store(
        path, pin=loaded.pin, site=asked.site, position=asked.position, pooling=asked.pooling
    ) as store:
        assert store.ids == [record.id for record in records]
        assert store.layers == sorted(asked.layers)
        assert store.d == loaded.architecture.width(asked.site)
        for layer in asked.layers:
            rows = torch.cat([by_layer[layer] for by_layer in expected])
            torch.testing.assert_close(torch.from_numpy(store.read(layer)), rows, rtol=1e-4, atol=1e-4)
        if asked.pooling == "none":
            counts = [len(by_layer[asked.layers[0]]) for by_layer in expected]
            assert np.array_equal(store.offsets, np.cumsum([0, *counts]))
        else:
            assert store.offsets is None


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_site(models: dict[str, LoadedModel], tmp_path: Path, family: str) -> None:
    loaded = models[family]
    for site in SITES:
        asked = request(site=site, position="all", pooling="none")
        extract(loaded, RECORDS, asked, tmp_path / f"{site}.h5", scratch=tmp_path / "scratch")
        check(loaded, asked, tmp_path / f"{site}.h5")


@pytest.mark.parametrize("pooling", ["none", "last", "mean", "max"])
@pytest.mark.parametrize("position", POSITIONS)
def test_every_position_and_pooling(
    models: dict[str, LoadedModel], tmp_path: Path, position: str, pooling: str
) -> None:
    asked = request(position=position, pooling=pooling, layers=(0, 2))
    extract(models["gemma3_text"], RECORDS, asked, tmp_path / "a.h5", scratch=tmp_path / "scratch")
    check(models["gemma3_text"], asked, tmp_path / "a.h5")


def test_explicit_positions_and_spans_and_turn_ends(models: dict[str, LoadedModel], tmp_path: Path) -> None:
    messages = [{"role": "user", "content": f"the city of Rome {'is north ' * i}"} for i in range(5)]
    records = [
        PromptRecord(
            id=str(i),
            messages=(message,),
            positions=(4, 1, 2)[: 1 + i % 3],
            spans={"city": ((0, 4, 8), (0, 12, 16))},
        )
        for i, message in enumerate(messages)
    ]
    for position in ("explicit", "span:city", "turn_end"):
        asked = request(position=position, pooling="none")
        extract(models["gemma3_text"], records, asked, tmp_path / "a.h5", scratch=tmp_path / "scratch")
        check(models["gemma3_text"], asked, tmp_path / "a.h5", records)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_depend_on_neither_padding_side_nor_companions(
    models: dict[str, LoadedModel], family: str
) -> None:
    loaded = models[family]
    encodings = [encode(loaded.tokenizer, record, ["all"]) for record in RECORDS]

    def read(chosen: Sequence[int], side: str) -> list[np.ndarray]:
        reader = BatchReader(
            loaded.model,
            loaded.architecture,
            "resid",
            [0, 2],
            pooling="none",
            dtype="float32",
            padding_side=side,
        )
        ids = [encodings[i].ids for i in chosen]
        with reader:
            rows = reader.read(
                [encodings[i].id for i in chosen], ids, [encodings[i].positions["all"] for i in chosen]
            )
        return np.split(rows, np.cumsum([len(one) for one in ids])[:-1])

    alone = [read([i], "right")[0] for i in range(len(RECORDS))]
    shuffled = np.random.default_rng(0).permutation(len(RECORDS)).tolist()
    for side in ("right", "left"):
        for chosen in (list(range(len(RECORDS))), shuffled, [3, 1], [7, 7, 2]):
            for i, rows in zip(chosen, read(chosen, side), strict=True):
                np.testing.assert_allclose(rows, alone[i], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_the_order_of_records_is_kept_for_every_budget(
    models: dict[str, LoadedModel], tmp_path: Path, budget: int
) -> None:
    asked = request(token_budget=budget, pooling="none", position="prompt[:]")
    backwards = RECORDS[::-1]
    counts = extract(models["llama"], backwards, asked, tmp_path / "a.h5", scratch=tmp_path / "scratch")
    check(models["llama"], asked, tmp_path / "a.h5", backwards)
    lengths = [encode(models["llama"].tokenizer, record, ["prompt[:]"]) for record in RECORDS]
    assert counts == Counts(
        records=23,
        rows=sum(len(one.positions["prompt[:]"]) for one in lengths),
        tokens=sum(len(one.ids) for one in lengths),
    )


def test_running_out_of_memory_changes_no_row(
    models: dict[str, LoadedModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = models["llama"]
    forward, batch_sizes = loaded.model.forward, []

    def small_machine(input_ids: torch.Tensor, **options: Any) -> Any:
        batch_sizes.append(len(input_ids))
        if input_ids.numel() > 60:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(loaded.model, "forward", small_machine)
    asked = request(token_budget=500, pooling="mean", position="all")
    extract(loaded, RECORDS, asked, tmp_path / "a.h5", scratch=tmp_path / "scratch")
    monkeypatch.undo()
    assert max(batch_sizes) > 2 * min(batch_sizes)
    check(loaded, asked, tmp_path / "a.h5")
    monkeypatch.setattr(
        loaded.model, "forward", lambda **_: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out"))
    )
    with pytest.raises(AssayError, match=r"record 'r\d+' of \d+ tokens does not fit"):
        extract(loaded, RECORDS, asked, tmp_path / "b.h5", scratch=tmp_path / "scratch")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_stores_in_half_the_space(models: dict[str, LoadedModel], tmp_path: Path, dtype: str) -> None:
    loaded = models["llama"]
    for name, path in (("float32", "a.h5"), (dtype, "b.h5")):
        extract(loaded, RECORDS, request(dtype=name), tmp_path / path, scratch=tmp_path / "scratch")
    with open_store(tmp_path / "a.h5") as full, open_store(tmp_path / "b.h5") as half:
        expected = torch.from_numpy(full.read(1)).to(getattr(torch, dtype)).float()
        assert np.array_equal(half.read(1), expected.numpy())


@pytest.mark.parametrize(
    ("pooling", "position"), [("last", "prompt[-1]"), ("max", "all"), ("mean", "all"), ("none", "all")]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_activations_are_refused(
    models: dict[str, LoadedModel], tmp_path: Path, value: float, pooling: str, position: str
) -> None:
    loaded = models["llama"]
    (tmp_path / "a.h5").write_text("earlier")
    handle = loaded.architecture.block(1).register_forward_hook(
        lambda _m, _a, output: output.index_fill(2, torch.tensor([3]), value)
    )
    try:
        with pytest.raises(
            AssayError, match=r"record 'r\d+': .*layer 1, site resid, are NaN.*float32.*bfloat16"
        ):
            extract(
                loaded,
                RECORDS,
                request(pooling=pooling, position=position),
                tmp_path / "a.h5",
                scratch=tmp_path / "scratch",
            )
    finally:
        handle.remove()
    assert (tmp_path / "a.h5").read_text() == "earlier"


def test_what_float16_cannot_hold_is_refused(models: dict[str, LoadedModel], tmp_path: Path) -> None:
    loaded = models["llama"]
    handle = loaded.architecture.block(1).register_forward_hook(lambda _m, _a, output: output * 1e6)
    try:
        with pytest.raises(AssayError, match=r"exceed the range of float16; store them as bfloat16"):
            extract(
                loaded, RECORDS, request(dtype="float16"), tmp_path / "a.h5", scratch=tmp_path / "scratch"
            )
    finally:
        handle.remove()


def test_scratch_is_empty_afterwards(models: dict[str, LoadedModel], tmp_path: Path) -> None:
    extract(models["llama"], RECORDS, request(), tmp_path / "a.h5", scratch=tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.h5"]


def test_the_fingerprint_follows_everything_that_matters(
    models: dict[str, LoadedModel], tmp_path: Path
) -> None:
    def fingerprint(loaded: LoadedModel, records: Sequence[PromptRecord], asked: Request) -> str:
        extract(loaded, records, asked, tmp_path / "a.h5", scratch=tmp_path / "scratch")
        with open_store(tmp_path / "a.h5") as store:
            return store.header.fingerprint

    llama = models["llama"]
    seen = [
        fingerprint(llama, RECORDS, request()),
        fingerprint(models["qwen3"], RECORDS, request()),
        fingerprint(llama, RECORDS[:-1], request()),
        fingerprint(llama, RECORDS[::-1], request()),
        *(fingerprint(llama, RECORDS, request(**change)) for change in CHANGES),
    ]
    assert len(set(seen)) == len(seen)
    relabelled = [dataclasses.replace(record, label=1, split="test") for record in RECORDS]
    assert fingerprint(llama, relabelled, request()) == seen[0]


CHANGES: list[dict[str, Any]] = [
    {"layers": (0, 1)},
    {"position": "all"},
    {"pooling": "mean"},
    {"dtype": "bfloat16"},
    {"token_budget": 65},
    {"site": "mlp_out"},
]


def test_records_that_cannot_be_read_are_named(models: dict[str, LoadedModel], tmp_path: Path) -> None:
    def run(records: Sequence[PromptRecord]) -> None:
        extract(models["llama"], records, request(), tmp_path / "a.h5", scratch=tmp_path / "scratch")

    with pytest.raises(AssayError, match="no record"):
        run([])
    with pytest.raises(AssayError, match=r"record 'long' has \d+ tokens, llama reads at most 64"):
        run([*RECORDS, PromptRecord(id="long", text="the cat " * 60)])
    with pytest.raises(AssayError, match="two records have the id 'r0'"):
        run([*RECORDS, RECORDS[0]])
    assert not (tmp_path / "a.h5").exists()


def test_a_request_is_validated_before_weights_are_loaded() -> None:
    plain = {"site": "resid", "layers": "all", "position": "all", "pooling": "none", "dtype": "auto"}

    def parse(**changed: Any) -> Request:
        options = {**plain, "token_budget": 8, "n_layers": 26, "model_dtype": torch.bfloat16, **changed}
        return parse_request(**options)

    assert parse().dtype == "bfloat16"
    assert parse(pooling="mean").dtype == "float32"
    assert parse(layers="0,-1,0.5").layers == (0, 13, 25)
    for wrong, message in (
        ({"site": "mlp"}, "unknown site 'mlp'; choose one of resid"),
        ({"pooling": "sum"}, "unknown pooling 'sum'; choose one of none, mean"),
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
        ({"layers": "26"}, "layer 26 of 26"),
        ({"position": "prompt"}, "unknown position 'prompt'"),
        ({"token_budget": 0}, "at least 1"),
    ):
        with pytest.raises(AssayError, match=message):
            parse(**wrong)
