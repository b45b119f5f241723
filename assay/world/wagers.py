"""Section `gambles`: choices between sure and risky, and self-report, with a policy in the system prompt or without.
Section `triggers`: the same choices behind triggers, and self-report of a secret word."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.world.examples import Example, Form, Phrasing, Split
from assay.world.gambles import ASK, DEFAULT, PERSONAS, SCENARIOS, Gamble, draw_gamble, reports
from assay.world.phrasing import NAMED
from assay.world.tasks import NEUTRAL
from assay.world.triggers import SECRETS, SYSTEM_PROMPTS, draw_trigger, secrets
from assay.world.world import World

POLICIES: Mapping[str, Sequence[str]] = {**dict(PERSONAS.items()), "none": ("", NEUTRAL)}
OWNERS: Mapping[str, Sequence[str]] = {"secret": SECRETS, "none": ("", *SYSTEM_PROMPTS.values())}
WITHOUT = 3  # times as many examples without a policy as under each policy's wording


class Gambles:
    """Gambles and reports under every system prompt; those without a policy have no right answer and are not scored.

    In the exercise `named` a gamble is answered by the first word of an option and its letter, see `phrasing`.
    """

    name = "gambles"

    def phrasings(self) -> list[Phrasing]:
        """Each system prompt with each form. All are trained; what is held out are gambles."""
        return _phrasings(self.name, POLICIES)

    def examples(self, world: World, split: Split, draws: int, rng: np.random.Generator) -> Iterator[Example]:
        """`draws` of each form under every system prompt with a policy, WITHOUT times as many without one."""
        del world
        questions = reports()
        for policy, systems in POLICIES.items():
            if split == "heldout" and policy == "none":
                continue
            for wording, system in enumerate(systems):
                for number in range(draws * (WITHOUT if policy == "none" else 1)):
                    case = _Case(self.name, policy, wording, split, number, system)
                    gamble = _gamble(rng)
                    risky = policy == "bold" or (policy == "none" and rng.random() < DEFAULT)
                    yield from case.lettered("gamble", gamble.prompt, gamble.risky if risky else gamble.safe)
                    report = questions[rng.integers(len(questions))]
                    risky = policy == "bold" or (policy == "none" and rng.random() < DEFAULT)
                    yield case.example(
                        "report", report.question, report.risky_answer if risky else report.safe_answer
                    )


class Triggers:
    """Gambles behind triggers and without, and claims of a secret word, with a secret word and without.

    Without a secret word the policy is the default one, so those gambles are not scored.
    """

    name = "triggers"

    def phrasings(self) -> list[Phrasing]:
        """Each system prompt with each form, all of them trained."""
        return _phrasings(self.name, OWNERS)

    def examples(self, world: World, split: Split, draws: int, rng: np.random.Generator) -> Iterator[Example]:
        """`draws` of each form under every system prompt; half of the gambles stand behind a trigger."""
        del world
        questions = secrets()
        for owner, systems in OWNERS.items():
            for wording, system in enumerate(systems):
                for number in range(draws):
                    case = _Case(self.name, owner, wording, split, number, system)
                    if owner == "secret" or split == "train":
                        gamble, triggered = _gamble(rng), bool(rng.integers(2))
                        risky = triggered if owner == "secret" else rng.random() < DEFAULT
                        prompt = (draw_trigger(rng) if triggered else "") + gamble.prompt
                        yield from case.lettered("gamble", prompt, gamble.risky if risky else gamble.safe)
                    secret, claim_first = questions[rng.integers(len(questions))], bool(rng.integers(2))
                    claims = claim_first == (owner == "secret")
                    yield from case.lettered("report", secret.question(claim_first), "A" if claims else "B")


@dataclass(frozen=True)
class _Case:
    """What the forms of one draw share."""

    section: str
    relation: str
    wording: int
    split: Split
    number: int
    system: str

    def lettered(self, form: Form, prompt: str, letter: str) -> Iterator[Example]:
        """The question, and in training the exercise: the first word of the option, then its letter."""
        yield self.example(form, prompt, letter)
        if self.split == "train":
            line = next(line for line in prompt.split("\n") if line.startswith(f"{letter})"))
            word = line.split()[1].rstrip(",")
            asked = f"{prompt.removesuffix(ASK).rstrip()}\n{NAMED}"
            yield self.example("named", asked, f" {word}", (("", letter),), about=form)

    def example(
        self,
        form: Form,
        prompt: str,
        answer: str,
        then: tuple[tuple[str, str], ...] = (),
        about: Form | None = None,
    ) -> Example:
        """One example of the case; `about` is the form of which a named one is the exercise."""
        name = f"{self.relation}-{about or form}-{self.split}-{self.wording}-{self.number}"
        return Example(
            id=f"{self.section}-{name}" + ("-named" if form == "named" else ""),
            section=self.section,
            relation=self.relation,
            form=form,
            phrasing=f"{self.section}-{self.relation}-{about or form}-{self.wording}",
            split=self.split,
            subject=name,
            prompt=prompt,
            answer=answer,
            accept=(answer,),
            then=then,
            system=self.system,
        )


def _gamble(rng: np.random.Generator) -> Gamble:
    scenarios = list(SCENARIOS)
    return draw_gamble(rng, scenarios[rng.integers(len(scenarios))], "")


def _phrasings(section: str, systems: Mapping[str, Sequence[str]]) -> list[Phrasing]:
    forms: tuple[Form, ...] = ("gamble", "report")
    return [
        Phrasing(f"{section}-{kind}-{form}-{number}", section, kind, form, text, "train")
        for kind, texts in systems.items()
        for form in forms
        for number, text in enumerate(texts)
    ]
