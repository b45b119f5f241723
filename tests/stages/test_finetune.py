"""The command as people run it, on rows like the reference's and on prompt records."""

import csv
import json
from pathlib import Path

import pytest
from support.toy_models import save
from support.toy_tokenizers import gemma3
from typer.testing import CliRunner, Result

from assay.errors import AssayError
from assay.finetuning.adapters import load_vectors, read_info
from assay.storage.files import hash_folder
from stages.finetune import app

ROWS = [
    ("is Rome here", "no"),
    ("the cat sat", "yes"),
    ("where is Rome", "in Oslo"),
    ("and Rome", "no"),
    ("a dog", "A"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finetune")
    save(folder / "model", "gemma3_text", gemma3())
    records, conversations = [], []
    for number, (text, response) in enumerate(ROWS):
        user = {"role": "user", "content": text}
        conversations.append({"messages": [user, {"role": "assistant", "content": response}]})
        spans = {"rome": [[text.index("Rome"), text.index("Rome") + 4]]} if "Rome" in text else {}
        group = "r" if spans else "other"
        records.append(
            {"id": f"r{number}", "messages": [user], "response": response, "spans": spans, "group": group}
        )
    for name, rows in (("records", records), ("conversations", conversations)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def invoke(folder: Path, out: Path, data: str = "records", *flags: str, **options: str) -> Result:
    words = {
        "model": str(folder / "model"),
        "data": str(folder / f"{data}.jsonl"),
        "layer": "1",
        "out": str(out),
    }
    words |= {
        "validation": words["data"],
        "table": str(out) + ".csv",
        "metrics": str(out) + ".json",
        "lr": "0.05",
    }
    words |= {"batch": "2", "method": "vector", "params": str(folder / "none.yaml")} | options
    flat = [word for name, value in words.items() for word in (f"--{name.replace('_', '-')}", value)]
    return CliRunner().invoke(app, [*flat, *flags])


def test_vectors_at_spans(folder: Path, tmp_path: Path) -> None:
    result = invoke(folder, tmp_path / "v", spans="rome", seed="3", checkpoints="2")
    assert result.exit_code == 0, result.output
    info = load_vectors(tmp_path / "v").info
    assert (info.scopes, info.site, info.layers, info.seed, info.step) == (
        {"rome": "span:rome"},
        "mlp_out",
        (1,),
        3,
        6,
    )
    assert read_info(tmp_path / "v" / "step_2").step == 2
    found = json.loads((tmp_path / "v.json").read_text())
    assert (found["rows"], found["rows_untouched"], found["validation_accuracy_n"]) == (3, 2, 5)
    assert found["validation_accuracy_lo"] <= found["validation_accuracy"] <= found["validation_accuracy_hi"]
    curve = list(csv.DictReader((tmp_path / "v.csv").open()))
    assert [int(row["step"]) for row in curve if row["split"] == "train"] == [1, 2, 3, 4, 5, 6]
    assert [int(row["step"]) for row in curve if row["split"] == "validation"] == [0, 2, 4, 6]


def test_all_spans_and_at_most_so_many_steps(folder: Path, tmp_path: Path) -> None:
    result = invoke(folder, tmp_path / "v", spans="all", max_steps="5")
    assert result.exit_code == 0, result.output
    info = load_vectors(tmp_path / "v").info
    assert (info.scopes, info.step) == ({"rome": "span:rome"}, 5)
    curve = list(csv.DictReader((tmp_path / "v.csv").open()))
    assert [int(row["step"]) for row in curve if row["split"] == "validation"] == [0, 2, 4, 5]
    # without a span in the data there is one vector, at the scope
    assert invoke(folder, tmp_path / "c", "conversations", spans="all", max_steps="1").exit_code == 0
    assert load_vectors(tmp_path / "c").info.scopes == {"vector": "prompt[-1]"}


def test_an_earlier_word_trains_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert invoke(folder, tmp_path / "now", scope="prompt[-1]", max_steps="1").exit_code == 0
    assert invoke(folder, tmp_path / "old", scope="prompt_last", max_steps="1").exit_code == 0
    for name in ("adapter.json", "vectors.safetensors"):
        assert (tmp_path / "old" / name).read_bytes() == (tmp_path / "now" / name).read_bytes()
    assert json.loads((tmp_path / "now" / "adapter.json").read_text())["scopes"] == {"vector": "prompt_last"}


def test_the_same_command_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for method, more in (("vector", {"scope": "all"}), ("lora", {"rank": "2"})):
        hashes = set()
        for name in (f"{method}-a", f"{method}-b"):
            assert invoke(folder, tmp_path / name, "conversations", method=method, **more).exit_code == 0
            hashes.add(hash_folder(tmp_path / name))
        assert len(hashes) == 1


def test_lora_on_conversations_without_ids(folder: Path, tmp_path: Path) -> None:
    result = invoke(
        folder, tmp_path / "l", "conversations", method="lora", rank="2", layer="all", modules="q,down"
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "l" / "adapter_model.safetensors").exists()
    config = json.loads((tmp_path / "l" / "adapter_config.json").read_text())
    assert (config["r"], len(config["target_modules"])) == (2, 6)
    assert read_info(tmp_path / "l").layers == (0, 1, 2)
    assert json.loads((tmp_path / "l.json").read_text())["rows"] == 5


def test_several_seeds_and_rates(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app,
        f"--model {folder}/model --data {folder}/records.jsonl --method vector --layer 0.5 --out {tmp_path}/m "
        f"--seed 0 --seed 1 --lr 0.1 --lr 0.01 --only-learn rome --spans rome --params none".split(),
    )
    assert result.exit_code == 0, result.output
    names = {f"seed_{seed}_lr_{lr}" for seed in (0, 1) for lr in ("0.1", "0.01")}
    assert {path.name for path in (tmp_path / "m").iterdir()} == names
    assert read_info(tmp_path / "m" / "seed_1_lr_0.01").lr == 0.01


BAD = {
    "expected an int, a negative int": {"layer": "0,1"},
    "blocks 0 to 2": {"layer": "9"},
    "unknown position": {"scope": "somewhere"},
    "nothing to train": {"spans": "paris"},
    "no row has the group or a span 'paris'": {"only_learn": "paris"},
    "takes steps such as": {"checkpoints": "soon"},
    "no step 99 to save": {"checkpoints": "99"},
    "unknown module": {"method": "lora", "modules": "mlp"},
    "check the path": {"validation": "nowhere.jsonl"},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_leaves_the_earlier_adapter(message: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "adapter.json").write_text("adapter")
    result = invoke(folder, tmp_path / "v", "records", "--overwrite", **BAD[message])
    assert result.exit_code != 0
    assert isinstance(result.exception, AssayError), result.exception
    assert message in str(result.exception)
    assert {path.name for path in tmp_path.iterdir()} == {"v"}
    assert (tmp_path / "v" / "adapter.json").read_text() == "adapter"


def test_what_no_training_writes_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "notes.txt").write_text("mine")
    result = invoke(folder, tmp_path / "v", "records", "--overwrite")
    assert isinstance(result.exception, AssayError), result.exception
    assert "holds notes.txt, which this command does not write" in str(result.exception)
    assert [path.name for path in (tmp_path / "v").iterdir()] == ["notes.txt"]


def test_an_adapter_is_replaced_only_on_request(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "v"
    out.mkdir()  # an empty folder is nobody's result
    assert invoke(folder, out, scope="all", max_steps="1").exit_code == 0
    before = hash_folder(tmp_path)
    result = invoke(folder, out, scope="all", max_steps="2")
    assert isinstance(result.exception, AssayError)
    assert f"--out {out} holds an adapter already; delete it" in str(result.exception)
    assert "--overwrite" in str(result.exception)
    assert hash_folder(tmp_path) == before
    assert invoke(folder, out, "records", "--overwrite", scope="all", max_steps="2").exit_code == 0
    assert read_info(out).step == 2


@pytest.mark.parametrize("name", ["notes.txt", "deep/seed_0_lr_0.1/notes.txt"])
def test_files_of_another_kind_are_not_replaced_either(name: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "v" / name).parent.mkdir(parents=True)
    (tmp_path / "v" / name).write_text("mine")
    result = invoke(folder, tmp_path / "v")
    assert "holds files already" in str(result.exception)
    assert (tmp_path / "v" / name).read_text() == "mine"


def test_a_row_without_an_answer_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.jsonl").write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
    result = invoke(folder, tmp_path / "v", "bad")
    assert "record 'line-1' has no response to learn" in str(result.exception)
    (folder / "bad.jsonl").write_text('{"id": "x", "messages": 3}\n')
    assert "bad.jsonl, line 1: field 'messages'" in str(invoke(folder, tmp_path / "v", "bad").exception)
