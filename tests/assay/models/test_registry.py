import dataclasses
import json

import pytest

from assay.errors import AssayError
from assay.models.registry import ModelEntry, Pin, parse_registry

PIN = Pin(
    alias="organism",
    source="data/organism/chat",
    kind="folder",
    revision=None,
    content_hash="ab" * 32,
    base="organism-base",
    model_type="gemma3_text",
    n_layers=26,
    d_model=64,
    n_heads=4,
    n_kv_heads=1,
    head_dim=16,
    d_mlp=256,
    vocab_size=1500,
    context_length=512,
    dtype_cpu="float32",
    dtype_cuda="bfloat16",
    chat_template_hash="cd" * 32,
    tokenizer_hash="ef" * 32,
    trust_remote_code=False,
)


def test_entries():
    registry = parse_registry(
        {
            "tuned": {
                "source": "org/tuned",
                "revision": "v1",
                "base": "plain",
                "dtype": "float32",
                "trust_remote_code": True,
            },
            "plain": {"source": "data/plain"},
        }
    )
    assert registry["plain"] == ModelEntry(alias="plain", source="data/plain")
    assert registry["tuned"] == ModelEntry("tuned", "org/tuned", "v1", "plain", "float32", True)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            {"source": "a/b", "reviison": "x"},
            r"models\.m: unknown key 'reviison' \(did you mean 'revision'\?\); keys: source",
        ),
        ({"revision": "x"}, r"models\.m: the key 'source' is missing"),
        ({}, r"models\.m: the key 'source' is missing"),
        ("a/b", r"models\.m: expected a mapping"),
        (None, r"models\.m: expected a mapping"),
        ({"source": ""}, r"models\.m\.source: is empty"),
        ({"source": 3}, r"models\.m\.source: expected a non-empty string"),
        (
            {"source": "a/b", "revision": 12},
            r"models\.m\.revision: expected a non-empty string \(quote numbers\), found 12",
        ),
        (
            {"source": "a/b", "dtype": "half"},
            r"models\.m\.dtype: 'half' is not one of float32, bfloat16, float16",
        ),
        (
            {"source": "a/b", "trust_remote_code": "yes"},
            r"models\.m\.trust_remote_code: expected true or false, found 'yes'",
        ),
        ({"source": "a/b", "base": "n"}, r"models\.m\.base: there is no model 'n'.*known aliases: m"),
    ],
)
def test_errors_name_entry_and_key(row, complaint):
    with pytest.raises(AssayError, match=complaint):
        parse_registry({"m": row})


@pytest.mark.parametrize("value", [None, [], "organism"])
def test_a_registry_is_a_mapping(value):
    with pytest.raises(AssayError, match="models: expected a mapping"):
        parse_registry(value)


def test_a_pin_survives_json():
    assert Pin.from_json(json.loads(json.dumps(PIN.to_json()))) == PIN


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"n_layers": None}, "field 'n_layers' is missing"),
        ({"extra": 1}, "field 'extra' is unknown"),
        ({"n_layers": "26"}, "'n_layers': expected a positive integer, found '26'"),
        ({"n_layers": True}, "'n_layers': expected a positive integer"),
        ({"d_mlp": 0}, "'d_mlp': expected a positive integer"),
        ({"vocab_size": 2.0}, "'vocab_size': expected a positive integer"),
        ({"alias": 3}, "'alias': expected a string"),
        ({"source": ""}, "'source': expected a string"),
        ({"base": False}, "'base': expected a string or null"),
        ({"kind": "url"}, "'kind': expected one of hub, folder"),
        ({"dtype_cpu": "int8"}, "'dtype_cpu': expected one of float32"),
        ({"dtype_cuda": ["float32"]}, "'dtype_cuda': expected one of float32"),
        ({"trust_remote_code": "false"}, "'trust_remote_code': expected true or false, found 'false'"),
        ({"trust_remote_code": 1}, "'trust_remote_code': expected true or false"),
        ({"kind": "hub", "revision": None}, "'revision' is null"),
        ({"kind": "folder", "content_hash": None}, "'content_hash' is null"),
    ],
)
def test_a_pin_of_another_shape_is_refused(change, complaint):
    value = {k: v for k, v in (PIN.to_json() | change).items() if not (k == "n_layers" and v is None)}
    with pytest.raises(AssayError, match=complaint):
        Pin.from_json(value)
    with pytest.raises(AssayError, match="must be a JSON object"):
        Pin.from_json([1])


def test_fingerprint_is_about_results_and_not_names():
    same = dataclasses.replace(PIN, alias="mine", source="elsewhere", base=None)
    assert same.fingerprint == PIN.fingerprint
    changes = {
        "content_hash": "00" * 32,
        "revision": "f" * 40,
        "dtype_cpu": "bfloat16",
        "dtype_cuda": "float32",
        "chat_template_hash": None,
        "tokenizer_hash": "00" * 32,
        "trust_remote_code": True,
    }
    prints = {dataclasses.replace(PIN, **{key: value}).fingerprint for key, value in changes.items()}
    assert len(prints | {PIN.fingerprint}) == len(changes) + 1
