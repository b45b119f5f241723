"""The question: two tasks, of which a model picks one by beginning with its label."""

import re
from dataclasses import dataclass

from assay.errors import AssayError
from assay.prompts.records import Message
from assay.storage.fingerprints import fingerprint

_PLACEHOLDER = re.compile(r"\{(label_a|label_b|task_a|task_b)\}")


@dataclass(frozen=True)
class Template:
    """A question with the placeholders {label_a}, {label_b}, {task_a} and {task_b}, and the two labels.

    Raises AssayError for a template that lacks a task and for labels that cannot be told apart.
    """

    name: str
    text: str
    label_a: str = "Task A:"
    label_b: str = "Task B:"

    def __post_init__(self) -> None:
        names = _PLACEHOLDER.findall(self.text)
        for name in ("task_a", "task_b"):
            if names.count(name) != 1:
                raise AssayError(
                    f"template {self.name!r} must hold {{{name}}} once, found {names.count(name)} times"
                )
        labels = [bare_label(label).lower() for label in (self.label_a, self.label_b)]
        if not all(labels) or labels[0].startswith(labels[1]) or labels[1].startswith(labels[0]):
            raise AssayError(
                f"labels {self.label_a!r} and {self.label_b!r}: neither may be empty or begin with the other"
            )

    @property
    def version(self) -> str:
        """16 hexadecimal digits of a SHA-256 over the text and the labels."""
        return fingerprint([self.name, self.text, self.label_a, self.label_b])[:16]

    def fill(self, task_a: str, task_b: str) -> str:
        """The question. All placeholders are filled in one pass, so one that stands in a task's text stays as it is."""
        values = {"label_a": self.label_a, "label_b": self.label_b, "task_a": task_a, "task_b": task_b}
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.text)


def bare_label(label: str) -> str:
    """A label without the colon that ends it."""
    return label.strip().rstrip(":").rstrip()


COMPLETION_PREFERENCE = Template(
    name="completion_preference",
    text="""\
Here are two tasks. Choose one and do it.
Begin with "{label_a}" or "{label_b}".

{label_a} {task_a}

{label_b} {task_b}""",
)


def make_messages(
    template: Template, task_a: str, task_b: str, *, system_prompt: str | None = None
) -> tuple[Message, ...]:
    """The conversation that asks for a choice; task A is presented first."""
    question = Message(role="user", content=template.fill(task_a, task_b))
    if system_prompt is None:
        return (question,)
    return (Message(role="system", content=system_prompt), question)
