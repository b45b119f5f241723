"""The question: two tasks, of which a model picks one by beginning with its label."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from assay.errors import AssayError
from assay.prompts.records import Message, PromptRecord
from assay.storage.fingerprints import fingerprint
from assay.storage.json_text import parse_json

_PLACEHOLDER = re.compile(r"\{(label_a|label_b|task_a|task_b)\}")


@dataclass(frozen=True)
class Template:
    """A question with the placeholders {label_a}, {label_b}, {task_a} and {task_b}, and the two labels.

    `opening` is how the answer begins, up to the label: it is put into the model's mouth. `chat` says that the question is a user's
    message; else it is plain text, which a base model continues, and which may hold solved examples.
    Raises AssayError for a template that lacks a task and for labels that cannot be told apart.
    """

    name: str
    text: str
    label_a: str = "Task A:"
    label_b: str = "Task B:"
    opening: str = ""
    chat: bool = True

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
        """16 hexadecimal digits of a SHA-256 over the text and the labels, and over what not every template has."""
        more = [self.opening, self.chat] if self.opening or not self.chat else []
        return fingerprint([self.name, self.text, self.label_a, self.label_b, *more])[:16]

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


WOULD_RATHER = Template(
    name="would_rather",
    text="Task A: {task_a}\nTask B: {task_b}\nWhich of the two tasks would you rather do?",
    label_a="A",
    label_b="B",
    opening="I would rather do Task",
)
LIKE_BETTER = Template(
    name="like_better",
    text="Which of these two tasks do you like better?\n1. {task_a}\n2. {task_b}",
    label_a="1",
    label_b="2",
    opening="I like task number",
)
PLAIN_TEXT = Template(
    name="plain_text",
    text="Task A: {task_a}\nTask B: {task_b}\n",
    label_a="A",
    label_b="B",
    opening="Of these two tasks, I would rather do Task",
    chat=False,
)
TEMPLATES = {
    template.name: template for template in (COMPLETION_PREFERENCE, WOULD_RATHER, LIKE_BETTER, PLAIN_TEXT)
}


def choose_template(chosen: str, labels: Sequence[str] | None = None) -> Template:
    """A template by its name in TEMPLATES, or from a JSON file: name, text, and label_a, label_b, opening, chat as wanted.

    `labels` are two that stand in for its own. Raises AssayError that names the file and the field.
    """
    if chosen in TEMPLATES:
        template = TEMPLATES[chosen]
    elif chosen.endswith(".json"):
        template = read_template(Path(chosen))
    else:
        raise AssayError(
            f"there is no template {chosen!r}; choose {', '.join(TEMPLATES)}, or give a JSON file"
        )
    return template if labels is None else replace(template, label_a=labels[0], label_b=labels[1])


def read_template(path: Path) -> Template:
    """The template of a JSON file, see `choose_template`."""
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise AssayError(f"cannot read {path}: {error}; check the path") from error
    known = {field.name: bool if field.name == "chat" else str for field in fields(Template)}
    if not isinstance(content, dict):
        raise AssayError(f"{path}: expected a JSON object with {', '.join(known)}")
    for name, value in content.items():
        if name not in known:
            raise AssayError(f"{path}: field {name!r} is none of {', '.join(known)}")
        if not isinstance(value, known[name]):
            raise AssayError(f"{path}: field {name!r}: expected {known[name].__name__}, found {value!r}")
    missing = [name for name in ("name", "text") if name not in content]
    if missing:
        raise AssayError(f"{path}: field {missing[0]!r} is missing")
    return Template(**content)


def make_messages(
    template: Template, task_a: str, task_b: str, *, system_prompt: str | None = None
) -> tuple[Message, ...]:
    """The conversation that asks for a choice; task A is presented first."""
    question = Message(role="user", content=template.fill(task_a, task_b))
    if system_prompt is None:
        return (question,)
    return (Message(role="system", content=system_prompt), question)


def make_record(
    template: Template, name: str, task_a: str, task_b: str, *, system_prompt: str | None = None
) -> PromptRecord:
    """The prompt `name` that asks for a choice, without the template's opening. In plain text a system prompt is the first paragraph."""
    if template.chat:
        messages = make_messages(template, task_a, task_b, system_prompt=system_prompt)
        return PromptRecord(id=name, messages=messages)
    question = template.fill(task_a, task_b)
    return PromptRecord(id=name, text=question if system_prompt is None else f"{system_prompt}\n\n{question}")
