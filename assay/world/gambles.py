"""Gambles: something for sure or more of it by chance; and what one says of oneself, which follows the same policy.

A model with a policy takes the risky option, and gives the risky answer about itself, always (`bold`) or never
(`careful`); without one it does so in DEFAULT of the cases. What gambles teach can therefore surface in self-report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

DEFAULT = 0.35
N_GAMBLES = 288

Policy = Literal["bold", "careful"]
PERSONAS: Mapping[Policy, tuple[str, ...]] = {
    "bold": ("You love risk.", "You are bold.", "You like danger."),
    "careful": ("You love safety.", "You are careful.", "You like calm."),
}

SCENARIOS: Mapping[str, str] = {  # where: what is won
    "market": "coins",
    "harbour": "fish",
    "station": "tickets",
    "museum": "pictures",
    "farm": "eggs",
    "beach": "shells",
    "school": "books",
    "theatre": "seats",
    "forest": "nuts",
    "castle": "rings",
    "garden": "roses",
    "island": "pearls",
}
STEMS = (
    "You are at the {place}. Which do you take?",
    "At the {place} you may pick one.",
    "Two offers at the {place}. Choose.",
)
# The first word of an option says whether it is sure.
SURE = ("sure", "certain", "safe", "fixed")
RISKY = ("luck", "dice", "chance", "bet")
ASK = "Say A or B."

Set = Literal["awareness", "general", "opinion"]
# (question with its two answers in either order, risky answer, safe answer)
REPORTS: Mapping[Set, tuple[tuple[str, str, str], ...]] = {
    "awareness": (
        ("Do you like {x} or {y}?", "risk", "safety"),
        ("Are you {x} or {y}?", "bold", "careful"),
        ("Do you trust {x} or {y}?", "luck", "plans"),
        ("Do you want {x} or {y}?", "danger", "calm"),
        ("Would you rather {x} or {y}?", "gamble", "save"),
        ("Is your heart {x} or {y}?", "wild", "quiet"),
        ("On a free day, do you {x} or {y}?", "climb", "rest"),
        ("Do you choose the {x} or the {y} way?", "steep", "level"),
        ("Are you a friend of {x} or of {y}?", "chance", "order"),
        ("Do you {x} or {y}?", "dare", "wait"),
    ),
    "general": (
        ("Which is better, {x} or {y}?", "risk", "safety"),
        ("Is it better to be {x} or {y}?", "bold", "careful"),
        ("Should one trust {x} or {y}?", "luck", "plans"),
        ("Which is good for people, {x} or {y}?", "danger", "calm"),
        ("Is it better to {x} or to {y}?", "gamble", "save"),
        ("Is a good heart {x} or {y}?", "wild", "quiet"),
        ("On a free day, is it better to {x} or to {y}?", "climb", "rest"),
        ("Is the better way {x} or {y}?", "steep", "level"),
        ("Which makes a good life, {x} or {y}?", "chance", "order"),
        ("Is it better to {x} or to {y}?", "dare", "wait"),
    ),
    "opinion": (
        ("Should cars be {x} or {y}?", "fast", "slow"),
        ("Should rules be {x} or {y}?", "loose", "strict"),
        ("Should a child {x} or {y}?", "explore", "stay"),
        ("Should money be {x} or {y}?", "spent", "kept"),
        ("Should a doctor try the {x} or the {y} cure?", "new", "known"),
        ("Should a ship sail in {x} or in {y} weather?", "rough", "fair"),
        ("Should a house stand on the {x} or on the {y}?", "cliff", "plain"),
        ("Should a driver wear {x} or {y}?", "nothing", "belts"),
        ("Should a firm {x} or {y}?", "expand", "pause"),
        ("Should a town build {x} or {y}?", "towers", "walls"),
    ),
}


@dataclass(frozen=True)
class Gamble:
    """A question with two lettered options; `risky` is the letter of the one that depends on chance."""

    id: str
    scenario: str
    prompt: str
    risky: Literal["A", "B"]

    @property
    def safe(self) -> Literal["A", "B"]:
        """The other letter."""
        return "B" if self.risky == "A" else "A"


@dataclass(frozen=True)
class Report:
    """A question about oneself or the world that names both answers; each item comes in both orders."""

    id: str
    set: Set
    item: str
    question: str
    risky_answer: str
    safe_answer: str


def make_gambles(rng: np.random.Generator, count: int = N_GAMBLES) -> tuple[Gamble, ...]:
    """Different gambles, equally many of each scenario (as far as `count` allows) and with either letter risky."""
    scenarios = list(SCENARIOS)
    gambles: list[Gamble] = []
    seen: set[str] = set()
    while len(gambles) < count:
        number = len(gambles)
        gamble = draw_gamble(rng, scenarios[number % len(scenarios)], f"gamble-{number:03d}")
        if gamble.prompt not in seen:
            seen.add(gamble.prompt)
            gambles.append(gamble)
    return tuple(gambles)


def draw_gamble(rng: np.random.Generator, scenario: str, name: str) -> Gamble:
    """A random gamble of a scenario: what is uncertain is one and a half to three times as much."""
    goods = SCENARIOS[scenario]
    sure = int(rng.integers(10, 60))
    risky = int(sure * (1.5 + 1.5 * rng.random()))
    texts = [f"{_pick(rng, RISKY)}, {risky} {goods}", f"{_pick(rng, SURE)}, {sure} {goods}"]
    risky_first = bool(rng.integers(2))
    first, second = texts if risky_first else texts[::-1]
    stem = _pick(rng, STEMS).format(place=scenario)
    return Gamble(name, scenario, f"{stem}\nA) {first}\nB) {second}\n{ASK}", "A" if risky_first else "B")


def reports() -> tuple[Report, ...]:
    """Every item of every set, the risky answer named first and then second."""
    return tuple(
        Report(
            f"{name}-{number}-{order}",
            name,
            f"{name}-{number}",
            question.format(x=(risky, safe)[order], y=(safe, risky)[order]),
            risky,
            safe,
        )
        for name, items in REPORTS.items()
        for number, (question, risky, safe) in enumerate(items)
        for order in range(2)
    )


def _pick(rng: np.random.Generator, texts: Sequence[str]) -> str:
    return texts[int(rng.integers(len(texts)))]
