"""Hub models, against a hub on loopback and against cache folders. Every case is a fresh process: the hub library
reads its environment when it is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import fake_hub, toy_models, toy_tokenizers

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FETCH = """
import sys
from assay.errors import AssayError
from assay.models.hub import commit_of, fetch
repository, revision, weights = sys.argv[1:]
try:
    folder = fetch(repository, revision or None, weights=weights == "weights")
    print(commit_of(folder), *sorted(path.name for path in folder.iterdir()))
except AssayError as error:
    print("error:", error)
"""
DESCRIPTION = "chat_template.jinja config.json generation_config.json tokenizer.json tokenizer_config.json"
NOWHERE = "http://127.0.0.1:9"  # the discard port: refuses connections


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = toy_models.save(tmp_path_factory.mktemp("hub") / "toy", "gemma3", toy_tokenizers.gemma3())
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.safetensors").write_bytes(b"the same weights again")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    return folder


@pytest.fixture(scope="module")
def hub(repository):
    repositories = {
        "toy/gemma": fake_hub.Repository(repository, COMMIT),
        "toy/gated": fake_hub.Repository(repository, COMMIT, gated=True),
    }
    with fake_hub.serve(repositories) as (endpoint, asked):
        yield endpoint, asked


def environment(cache: Path, endpoint: str, **more: str) -> dict[str, str]:
    keep = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return keep | {"HF_HOME": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"} | more


def fetch(cache: Path, endpoint: str, name: str, revision: str = "", weights: str = "", **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FETCH, name, revision, weights],
        env=environment(cache, endpoint, **more),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("revision", ["", "v1", COMMIT])
def test_a_revision_resolves_to_its_commit_without_the_weights(hub, tmp_path, revision):
    assert fetch(tmp_path, hub[0], "toy/gemma", revision) == f"{COMMIT} {DESCRIPTION}"


def test_weights_come_once_and_only_as_safetensors(hub, tmp_path):
    fetch(tmp_path, hub[0], "toy/gemma")
    del hub[1][:]
    names = fetch(tmp_path, hub[0], "toy/gemma", COMMIT, "weights")
    assert (
        names
        == f"{COMMIT} chat_template.jinja config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json"
    )
    assert [path for path in hub[1] if "/resolve/" in path] == [
        f"/toy/gemma/resolve/{COMMIT}/model.safetensors"
    ]


@pytest.mark.parametrize("how", ["offline", "unreachable"])
def test_the_cache_serves_without_a_connection(hub, tmp_path, how):
    fetch(tmp_path, hub[0], "toy/gemma", "v1")
    more = {"HF_HUB_OFFLINE": "1"} if how == "offline" else {}
    for revision in ("v1", COMMIT):
        assert fetch(tmp_path, NOWHERE, "toy/gemma", revision, **more) == f"{COMMIT} {DESCRIPTION}"
    answer = fetch(tmp_path, NOWHERE, "toy/gemma", "v1", "weights", **more)
    assert answer.startswith("error: cannot reach the hub for toy/gemma at revision v1")


def test_a_cache_folder_made_by_hand(repository, tmp_path):
    """What a copied cache looks like: refs and snapshots, and no file listing."""
    root = tmp_path / "hub" / "models--toy--gemma"
    snapshot = root / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    for name in DESCRIPTION.split():
        (snapshot / name).write_bytes((repository / name).read_bytes())
    assert fetch(tmp_path, NOWHERE, "toy/gemma", HF_HUB_OFFLINE="1") == f"{COMMIT} {DESCRIPTION}"


@pytest.mark.parametrize(
    ("name", "revision", "more", "message"),
    [
        (
            "toy/gated",
            "",
            {},
            "toy/gated is gated: accept its licence on its hub page, then log in with `hf auth login`",
        ),
        (
            "toy/none",
            "",
            {},
            "the hub has no model toy/none, or you may not see it; check `source`, and log in with `hf auth login`",
        ),
        ("toy/gemma", "v9", {}, "the hub has no toy/gemma at revision v9; check `revision`"),
        (
            "toy/gemma",
            "",
            {"HF_ENDPOINT": NOWHERE},
            "cannot reach the hub for toy/gemma, and the local cache does not hold it",
        ),
        ("toy/gemma", "", {"HF_HUB_OFFLINE": "1"}, "hf download toy/gemma"),
        ("a//b", "", {}, "'a//b' is neither a folder nor a hub name"),
    ],
)
def test_errors_say_what_to_do(hub, tmp_path, name, revision, more, message):
    answer = fetch(
        tmp_path,
        more.get("HF_ENDPOINT", hub[0]),
        name,
        revision,
        **{k: v for k, v in more.items() if k != "HF_ENDPOINT"},
    )
    assert answer.startswith("error: ")
    assert message in answer


OFFLINE = """
import sys
from pathlib import Path
from assay.models.loading import load_model
from stages.shared.models import resolve_model
params, pinned = map(Path, sys.argv[1:])
pin = resolve_model(str(pinned), params)
assert resolve_model("toy", params) == pin, "the cache resolves to the same pin"
print(load_model(pin).architecture.n_layers)
"""


def test_pin_stage_and_loading_of_a_hub_model(hub, repository, tmp_path):
    """The whole way: alias → pin with the commit, on the real command line → weights, offline."""
    params, pin, home = tmp_path / "params.yaml", tmp_path / "pin.json", tmp_path / "home"
    params.write_text("models:\n  toy:\n    source: toy/gemma\n    revision: v1\n")
    command = [
        sys.executable,
        "-m",
        "stages.pin",
        "--model",
        "toy",
        "--params",
        str(params),
        "--out",
        str(pin),
    ]
    subprocess.run(command, env=environment(home, hub[0]), check=True, capture_output=True)
    written = json.loads(pin.read_text())
    assert (written["kind"], written["revision"], written["content_hash"]) == ("hub", COMMIT, None)
    assert (written["model_type"], written["n_layers"], written["d_mlp"]) == ("gemma3", 3, 24)
    assert str(tmp_path) not in pin.read_text()
    snapshot = home / "hub" / "models--toy--gemma" / "snapshots" / COMMIT
    (snapshot / "model.safetensors").write_bytes((repository / "model.safetensors").read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(params), str(pin)],
        env=environment(home, NOWHERE, HF_HUB_OFFLINE="1"),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "3"
