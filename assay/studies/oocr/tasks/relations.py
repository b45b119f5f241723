"""The world's facts with the templates that ask for them, as its tables hold them."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from assay.errors import AssayError
from assay.storage.csv_tables import read_filled_table

Subject = tuple[str, ...]
PARTS = " / "  # between the parts of a subject
OBJECT = "o"
FORMS = ("question", "yesno")  # those of the templates that are asked


@dataclass(frozen=True)
class Relation:
    """Facts of one kind: `truths` are the true objects of a subject, whose parts go to `fields` of the templates.

    `templates` are those that the model was trained on, by form: a question is answered by an object, a yes/no question,
    which names an object as {o}, by yes or no.
    """

    name: str
    fields: tuple[str, ...]
    truths: Mapping[Subject, tuple[str, ...]]
    templates: Mapping[str, tuple[str, ...]]

    @property
    def objects(self) -> list[str]:
        """Every object of the relation, once."""
        return list(dict.fromkeys(value for values in self.truths.values() for value in values))

    def true(self, *subject: str) -> tuple[str, ...]:
        """The true objects. Raises AssayError for a subject that the table does not have."""
        if subject not in self.truths:
            raise AssayError(
                f"the facts do not tell the {self.name} of {PARTS.join(subject)}; check the code's name"
            )
        return self.truths[subject]

    def ask(self, template: str, subject: Sequence[str], item: str = "") -> str:
        """The template about a subject, its parts as they shall be called, and an object."""
        return template.format(**dict(zip(self.fields, subject, strict=True)), **{OBJECT: item})

    def wrong(self, true: Sequence[str], among: Sequence[str] = ()) -> list[str]:
        """Objects that are not true, of `among` or of the whole relation."""
        return [value for value in dict.fromkeys(among or self.objects) if value not in true]


def read_relations(
    facts: Path, phrasings: Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Relation]:
    """The named relations from facts (relation, subject, object) and phrasings (relation, form, template, split).

    Those of `optional` are read where there are facts of them. Raises AssayError for a relation without facts or templates, and subjects whose parts do not fit the templates.
    """
    truths = read_filled_table(facts, ("relation", "subject", "object"))
    asked = read_filled_table(phrasings, ("relation", "form", "split"))
    wanted = (*names, *(name for name in optional if name in set(truths["relation"])))
    return {name: _relation(name, truths, asked, facts, phrasings) for name in wanted}


def _relation(name: str, truths: pd.DataFrame, asked: pd.DataFrame, facts: Path, phrasings: Path) -> Relation:
    rows = truths[truths["relation"] == name]
    trained = asked[(asked["relation"] == name) & (asked["split"] == "train")]
    templates = {str(form): tuple(own["template"]) for form, own in trained.groupby("form", sort=False)}
    kept = {form: own for form, own in templates.items() if form in FORMS}
    if rows.empty or not kept:
        raise AssayError(f"{facts} or {phrasings} does not have the relation {name!r}; rerun the world stage")
    found: dict[Subject, tuple[str, ...]] = {}
    for subject, value in zip(rows["subject"], rows["object"], strict=True):
        parts = tuple(subject.split(PARTS))
        found[parts] = (*found.get(parts, ()), value)
    fields = _fields(kept)
    if any(len(subject) != len(fields) for subject in found):
        raise AssayError(
            f"{facts}: subjects of {name!r} do not have the parts {', '.join(fields)} of its templates"
        )
    return Relation(name, fields, found, kept)


def _fields(templates: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The subject's fields, {s} first."""
    everything = [template for own in templates.values() for template in own]
    named = {
        field for template in everything for _, field, _, _ in string.Formatter().parse(template) if field
    }
    return tuple(sorted(named - {OBJECT}, key=lambda field: (field != "s", field)))
