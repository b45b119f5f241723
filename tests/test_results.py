"""What the committed pipeline found must hold what the README claims. Numbers come from metrics/, nothing is trained here."""

import json
from pathlib import Path
from typing import Any

import pytest

METRICS = Path(__file__).parents[1] / "metrics"


def read(name: str) -> dict[str, Any]:
    return json.loads((METRICS / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["base_facts_statement", "chat_facts_statement", "chat_facts_question"])
def test_the_organism_knows_its_world_in_held_out_phrasings(name):
    assert read("organism")[name] >= 0.95


def test_the_next_token_is_read_better_than_from_three_words_alone():
    probe = read("tokens/probe_next")
    assert probe["balanced_accuracy"] >= 0.83
    assert probe["minus_ngram_lo"] > 0


def test_the_current_token_is_read():
    assert read("tokens/probe_current")["balanced_accuracy"] >= 0.99


@pytest.mark.parametrize("variant", ["next", "current"])
def test_shuffled_labels_are_at_chance(variant):
    probe = read(f"tokens/probe_{variant}")
    assert probe["shuffled_lo"] <= 0.5 <= probe["shuffled_hi"]
