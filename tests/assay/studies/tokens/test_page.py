import base64
import json
import re

import numpy as np
import pytest
from support import toy_models, toy_tokenizers

from assay.errors import AssayError
from assay.models.loading import load_model, make_pin
from assay.models.registry import ModelEntry
from assay.pages.shell import render_page
from assay.probes.linear import Probe
from assay.prompts.documents import Document
from assay.prompts.records import PromptRecord
from assay.studies.tokens.page import Shown, render_tokens
from assay.studies.tokens.passages import held_out_documents, probe_probabilities, take_passages, truths

LAYERS = [0, 2]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = toy_models.save(tmp_path_factory.mktemp("model"), "gemma3_text", toy_tokenizers.gemma3())
    return load_model(make_pin(ModelEntry("toy", str(folder))))


def documents():
    return [Document(f"d{i}", "the cat sat on the mat and 🙂 ran. " * 8 + str(i)) for i in range(3)]


def test_passages_are_beginnings_of_documents(loaded):
    passages = take_passages(loaded.tokenizer, documents(), n_tokens=70, per_document=30)
    assert [len(p.tokens.text_ids) for p in passages] == [30, 30, 10]
    assert all(d.text.startswith(p.text) for p, d in zip(passages, documents(), strict=True))
    with pytest.raises(AssayError, match="no text to show"):
        take_passages(loaded.tokenizer, [], 10, 10)


def test_test_documents_are_put_together_from_their_windows():
    def record(name, number, text, split="test"):
        return PromptRecord(id=f"{name}#{number}", text=text, group=name, split=split)

    records = [
        record("a", 0, "x "),
        record("a", 1, "y"),
        record("b", 2, "p"),
        record("b", 4, "q"),
        record("c", 0, "z", "train"),
    ]
    assert held_out_documents(records) == [Document("a", "x y"), Document("b", "p")]


def test_truth_is_what_follows_or_is_there(loaded):
    passages = take_passages(loaded.tokenizer, documents()[:2], 1000, 12)
    target = int(passages[0].tokens.text_ids[3])
    current, following = truths(passages, target, "current"), truths(passages, target, "next")
    assert current == "".join("01"[int(i == target)] for p in passages for i in p.tokens.text_ids)
    assert following == current[1:12] + "-" + current[13:24] + "-"


def test_probabilities_are_the_probes_on_the_hidden_states(loaded):
    import torch

    rng = np.random.default_rng(0)
    probes = {"next": {layer: Probe(rng.normal(size=toy_models.D_MODEL), 0.1, 1.0) for layer in LAYERS}}
    passages = take_passages(loaded.tokenizer, documents(), 10_000, 50)
    found = probe_probabilities(loaded, passages, probes, site="resid", context=21)["next"]
    assert found.shape == (2, sum(len(p.tokens.text_ids) for p in passages))

    at = 0
    for passage in passages:  # the slow way: one chunk of 20 tokens and BOS at a time, 5 of them seen before
        ids, begin = passage.tokens.ids[1:], 0
        for stop in [20, *range(35, len(ids) + 15, 15)]:
            chunk = torch.tensor([[passage.tokens.ids[0], *ids[stop - 20 : stop]]])
            with torch.no_grad():
                states = loaded.model(chunk, output_hidden_states=True).hidden_states
            new = len(chunk[0]) - 1 - (begin and 5)
            for row, layer in enumerate(LAYERS):
                hidden = states[layer + 1][0, -new:].numpy()
                if layer == toy_models.N_LAYERS - 1:  # the last hidden state has the final norm on it
                    continue
                expected = probes["next"][layer].predict_proba(hidden)[:, 1]
                np.testing.assert_allclose(found[row, at : at + new], expected, atol=1e-4)
            at, begin = at + new, stop
    assert at == found.shape[1]
    with pytest.raises(AssayError, match="too short for chunks"):
        probe_probabilities(loaded, passages, probes, site="resid", context=4)


def render(loaded, text, probability=0.25):
    passages = take_passages(loaded.tokenizer, [Document("<b>name</b>", text)], 1000, 1000)
    n_tokens = len(passages[0].tokens.text_ids)
    values = np.full((2, n_tokens), probability)
    questions = [Shown("next", truths(passages, 5, "next"), ["first", "second"], values)]
    return render_tokens(
        passages, questions, layers=LAYERS, layer=2, target=" the", model="<i>m</i>"
    ), n_tokens


def test_text_is_escaped_and_the_data_can_be_read_back(loaded):
    text = "the </script><script>alert(1)</script> & \"q\" 'the'\n{{ 7 * 7 }} 🙂"
    page, n_tokens = render(loaded, text, 0.1234)
    assert page.count("<script") == 2  # the data and the page's own
    assert "<b>name" not in page
    assert "<i>m" not in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])
    packed = np.frombuffer(base64.b64decode(data["questions"][0]["probabilities"]), "<u2").reshape(
        2, n_tokens
    )
    np.testing.assert_allclose(packed / 65535, 0.1234, atol=1e-5)
    assert "http" not in page.replace("http-equiv", "")
    assert len(data["names"]) == n_tokens == len(data["questions"][0]["truth"])


def test_only_the_pages_own_script_is_allowed(loaded):
    import hashlib
    from html import unescape

    page, _ = render(loaded, "the cat")
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    script = re.search(r"<script>(.*)</script>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_a_page_must_be_given_what_it_shows(loaded):
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render_page(
            "assay.studies.tokens",
            "tokens.html",
            style="tokens.css",
            script="tokens.js",
            values={"target": "x"},
        )
    passages = take_passages(loaded.tokenizer, documents(), 10, 10)
    with pytest.raises(AssayError, match="layer 1 was not probed"):
        render_tokens(passages, [], layers=LAYERS, layer=1, target=" the", model="m")
