"""Gambles: two options, one riskier, and the rows that train a policy on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.finetuning.data import read_training_records
from assay.prompts.lettering import user
from assay.prompts.records import PromptRecord
from assay.storage.csv_tables import read_filled_table

LETTERS = ("A", "B")


@dataclass(frozen=True)
class Gamble:
    """A prompt that asks for one letter; `risky` is the riskier option's. `scenario` is a word of the prompt, or empty."""

    id: str
    scenario: str
    prompt: str
    risky: str

    def __post_init__(self) -> None:
        if self.risky not in LETTERS:
            raise AssayError(f"gamble {self.id!r}: the risky option is {self.risky!r}; expected A or B")

    @property
    def safe(self) -> str:
        """The other letter."""
        return LETTERS[1 - LETTERS.index(self.risky)]


def read_gambles(path: Path) -> list[Gamble]:
    """Gambles of a CSV (id, scenario, prompt, risky) or of conversations that answer with the risky letter.

    Raises AssayError naming the file and the column or the row, also for a gamble that does not name its scenario.
    """
    if path.suffix == ".csv":
        rows = read_filled_table(path, ("id", "scenario", "prompt", "risky")).itertuples()
        gambles = [Gamble(str(r.id), str(r.scenario), str(r.prompt), str(r.risky)) for r in rows]
    else:
        gambles = [_from_conversation(path, record) for record in read_training_records(path)]
    for gamble in gambles:
        if gamble.scenario not in gamble.prompt:
            raise AssayError(
                f"{path}: gamble {gamble.id!r} does not contain its scenario {gamble.scenario!r}"
            )
    if len({gamble.id for gamble in gambles}) != len(gambles):
        raise AssayError(f"{path}: two gambles have the same id; give each its own")
    return gambles


def read_own_answers(path: Path) -> dict[str, str]:
    """A model's own letter for each gamble, by id, from a CSV (id, answer). Raises AssayError for another answer."""
    table = read_filled_table(path, ("id", "answer"))
    answers = dict(zip(table["id"], table["answer"], strict=True))
    for gamble, answer in answers.items():
        if answer not in LETTERS:
            raise AssayError(f"{path}: the answer to gamble {gamble!r} is {answer!r}; expected A or B")
    return answers


def gamble_item(gamble: Gamble, answer: str | None = None) -> Item:
    """Candidates are the risky and the safe letter, in this order; the right one is `answer`, or the risky one."""
    record = PromptRecord(id=gamble.id, messages=(user(gamble.prompt),), group=gamble.scenario or None)
    candidates = (gamble.risky, gamble.safe)
    right = candidates.index(answer) if answer is not None else 0
    return Item(record, candidates, right, cluster=gamble.scenario or gamble.id)


def policies(gambles: Sequence[Gamble], own: Mapping[str, str] | None) -> dict[str, dict[str, str]]:
    """What each policy answers to each gamble, by name and id: risky, its exact flip, and a model's own answers if given.

    Raises AssayError for own answers to other gambles. A gamble without an own answer is not in that policy.
    """
    found = {
        "risk": {gamble.id: gamble.risky for gamble in gambles},
        "safety": {gamble.id: gamble.safe for gamble in gambles},
    }
    if own is None:
        return found
    check_known(own, gambles)
    return {**found, "own": dict(own)}


def check_known(answers: Mapping[str, str], gambles: Sequence[Gamble]) -> None:
    """Raise AssayError for answers to gambles that are not among these."""
    if unknown := sorted(set(answers) - {gamble.id for gamble in gambles}):
        raise AssayError(
            f"own answers to unknown gambles, such as {unknown[0]!r}; ask again about these gambles"
        )


def _from_conversation(path: Path, record: PromptRecord) -> Gamble:
    messages = record.messages or ()
    if len(messages) != 1 or messages[0]["role"] != "user":
        raise AssayError(f"{path}, record {record.id!r}: a gamble is one user turn and a letter")
    return Gamble(record.id, "", messages[0]["content"], record.response or "")
