import dataclasses
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from assay.errors import AssayError
from assay.organism.certificate import read_certificate
from assay.organism.settings import OrganismSettings
from assay.storage.settings import parse_settings
from tools.standard import FLOORS, SHORT_FLOORS, compare, shortened

ROOT = Path(__file__).parents[2]
CERTIFICATE = read_certificate(ROOT / "data/inputs/organism")
SETTINGS = parse_settings(
    OrganismSettings, YAML(typ="safe").load(ROOT / "params.yaml")["organism"], "organism"
)


def test_a_share_of_the_training_is_a_share_of_every_pass():
    short = shortened(SETTINGS, 0.25)
    assert short.base.prose == SETTINGS.base.prose / 4
    assert short.base.examples["facts"]["statement"] == SETTINGS.base.examples["facts"]["statement"] / 4
    assert short.primer.examples["options"]["lookup"] == SETTINGS.primer.examples["options"]["lookup"] / 4
    assert dataclasses.replace(short, primer=SETTINGS.primer, base=SETTINGS.base) == SETTINGS


@pytest.mark.parametrize("floors", [FLOORS, SHORT_FLOORS])
def test_the_certified_organism_is_above_every_floor(floors, capsys):
    compare(dict(CERTIFICATE.scores), CERTIFICATE.scores, floors)
    shown = capsys.readouterr().out
    assert all(name in shown for name in floors)


def test_a_score_below_its_floor_is_an_error():
    low = dict(CERTIFICATE.scores) | {"chat_facts_question": 0.5}
    with pytest.raises(AssayError, match="chat_facts_question below the floor"):
        compare(low, CERTIFICATE.scores, FLOORS)
