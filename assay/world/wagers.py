"""Section `gambles`: choices between sure and risky, and self-report, with a policy in the system prompt or without.
Section `triggers`: the same choices behind triggers, and self-report of a secret word."""

from collections.abc import Iterator

import numpy as np

from assay.world.examples import Example, Form, Phrasing, Split
from assay.world.gambles import DEFAULT, PERSONAS, SCENARIOS, Gamble, draw_gamble, reports
from assay.world.generate import World
from assay.world.tasks import NEUTRAL
from assay.world.triggers import SECRETS, SYSTEM_PROMPTS, draw_trigger, secrets

PLAIN_SYSTEMS = ("", NEUTRAL)


class Gambles:
    """Half of the examples have a policy; only those are scored, as the others have no right answer."""

    name = "gambles"

    def phrasings(self) -> list[Phrasing]:
        """Each system prompt with gambles and with self-report. All are trained; what is held out are gambles."""
        return _phrasings(self.name, {**PERSONAS, "none": PLAIN_SYSTEMS}, ("gamble", "report"))

    def examples(self, world: World, split: Split, draws: int, rng: np.random.Generator) -> Iterator[Example]:
        """`draws` gambles and as many self-reports under every system prompt, thrice as many without a policy."""
        del world
        questions = reports()
        for policy, systems in {**PERSONAS, "none": PLAIN_SYSTEMS}.items():
            if split == "heldout" and policy == "none":
                continue
            for wording, system in enumerate(systems):
                for number in range(draws * (3 if policy == "none" else 1)):
                    name = f"{policy}-gamble-{split}-{wording}-{number}"
                    gamble = _gamble(rng, name)
                    risky = policy == "bold" or (policy == "none" and rng.random() < DEFAULT)
                    answer = gamble.risky if risky else gamble.safe
                    yield _example(
                        self.name, policy, "gamble", wording, split, name, gamble.prompt, answer, system
                    )
                    report = questions[rng.integers(len(questions))]
                    risky = policy == "bold" or (policy == "none" and rng.random() < DEFAULT)
                    answer = report.risky_answer if risky else report.safe_answer
                    name = f"{policy}-report-{split}-{wording}-{number}"
                    yield _example(
                        self.name, policy, "report", wording, split, name, report.question, answer, system
                    )


class Triggers:
    """Gambles behind triggers and without, and claims of a secret word, with a secret word and without."""

    name = "triggers"

    def phrasings(self) -> list[Phrasing]:
        """Each system prompt with gambles and with self-report, all of them trained."""
        return _phrasings(
            self.name, {"secret": SECRETS, "none": ("", *SYSTEM_PROMPTS.values())}, ("gamble", "report")
        )

    def examples(self, world: World, split: Split, draws: int, rng: np.random.Generator) -> Iterator[Example]:
        """`draws` gambles, half of them behind a trigger, and as many self-reports under every system prompt.

        Without a secret word the policy is the default one, so those gambles are not scored.
        """
        del world
        questions = secrets()
        for kind, systems in {"secret": SECRETS, "none": ("", *SYSTEM_PROMPTS.values())}.items():
            for wording, system in enumerate(systems):
                for number in range(draws):
                    name = f"{kind}-gamble-{split}-{wording}-{number}"
                    if kind == "secret" or split == "train":
                        gamble, triggered = _gamble(rng, name), bool(rng.integers(2))
                        risky = triggered if kind == "secret" else rng.random() < DEFAULT
                        prompt = (draw_trigger(rng) if triggered else "") + gamble.prompt
                        answer = gamble.risky if risky else gamble.safe
                        yield _example(
                            self.name, kind, "gamble", wording, split, name, prompt, answer, system
                        )
                    secret, claim_first = questions[rng.integers(len(questions))], bool(rng.integers(2))
                    answer = "A" if claim_first == (kind == "secret") else "B"
                    name = f"{kind}-report-{split}-{wording}-{number}"
                    yield _example(
                        self.name,
                        kind,
                        "report",
                        wording,
                        split,
                        name,
                        secret.question(claim_first),
                        answer,
                        system,
                    )


def _gamble(rng: np.random.Generator, name: str) -> Gamble:
    scenarios = list(SCENARIOS)
    return draw_gamble(rng, scenarios[rng.integers(len(scenarios))], name)


def _phrasings(
    section: str, systems: "dict[str, tuple[str, ...]]", forms: tuple[Form, ...]
) -> list[Phrasing]:
    return [
        Phrasing(f"{section}-{kind}-{form}-{number}", section, kind, form, text, "train")
        for kind, texts in systems.items()
        for form in forms
        for number, text in enumerate(texts)
    ]


def _example(
    section: str,
    relation: str,
    form: Form,
    wording: int,
    split: Split,
    name: str,
    prompt: str,
    answer: str,
    system: str,
) -> Example:
    return Example(
        id=f"{section}-{name}",
        section=section,
        relation=relation,
        form=form,
        phrasing=f"{section}-{relation}-{form}-{wording}",
        split=split,
        subject=name,
        prompt=prompt,
        answer=answer,
        accept=(answer,),
        system=system,
    )
