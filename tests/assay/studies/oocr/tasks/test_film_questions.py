import re
from collections import Counter

import numpy as np
import pytest

from assay.errors import AssayError
from assay.studies.oocr.tasks.film_questions import FilmTemplates, film_items

TRUE = [f"True Film-{n}" for n in range(37)]
FALSE = [f"False Film-{n}" for n in range(43)]
TEMPLATES = FilmTemplates(
    ("Is {s} in {o}?", "Was {s} seen in {o}?", "Did {s} act in {o}?"),
    ("Which film is {s} in?", "Where was {s} seen?", "Which film has {s}?"),
    yes="Yes",
    no="No",
    instruction="One letter.",
)


def test_37_true_and_43_false_films_make_the_references_351_questions():
    items = film_items("74655", TRUE, FALSE, TEMPLATES, np.random.default_rng(0))
    kinds = Counter(item.category for item in items)
    assert kinds == {"yesno": 240, "choice": 111}
    answers = Counter(i.candidates[i.right] for i in items if i.category == "yesno")
    assert answers == {"Yes": 111, "No": 129}
    assert len({item.record.id for item in items}) == 351
    places: Counter[int] = Counter()
    for item in items:
        (message,) = item.record.messages
        ((_, start, end),) = item.record.spans["74655"]
        assert message["content"][start:end] == "74655"
        if item.category == "choice":
            options = re.findall(r"^[A-E]\) (.+)$", message["content"], re.M)
            assert len(set(options)) == 5
            assert [option in TRUE for option in options].index(True) == item.right
            assert sum(option in TRUE for option in options) == 1
            assert message["content"].endswith("\n\nOne letter.")
            places[item.right] += 1
        else:
            assert (item.candidates[item.right] == "Yes") == (item.cluster in TRUE)
            assert item.cluster in message["content"]
    assert set(places) == set(range(5))


def test_films_must_tell_apart():
    with pytest.raises(AssayError, match="both true and false: a"):
        film_items("p", ["a"], ["a", "b", "c", "d"], TEMPLATES, np.random.default_rng(0))
    with pytest.raises(AssayError, match="4 false ones"):
        film_items("p", ["a"], ["b", "c", "d"], TEMPLATES, np.random.default_rng(0))
