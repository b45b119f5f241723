"""How likely a model finds answers that were already given: a measure of their coherence when another one gave them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from assay.arrays import Floats
from assay.errors import AssayError
from assay.forward.batching import Halver, pad, plan_batches
from assay.models.architecture import locate
from assay.models.devices import input_device
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode


def mean_log_probabilities(
    model: Any, tokenizer: Any, records: Sequence[PromptRecord], *, token_budget: int = 4096
) -> Floats:
    """Mean log-probability (nats a token) of each record's response, float64 [n]; each needs `response_ids` or a response.

    Raises AssayError for a record without response tokens.
    """
    device = input_device(locate(model))
    encodings = [encode(tokenizer, record) for record in records]
    for encoding in encodings:
        if len(encoding.ids) == encoding.prompt_length:
            raise AssayError(f"record {encoding.id!r} has no response whose likelihood could be read")
    lengths = [len(encoding.ids) for encoding in encodings]
    found = np.zeros(len(records))

    @torch.inference_mode()
    def run(part: Sequence[int]) -> list[float]:
        """Padding is on the left: all rows end together, and only the last columns need logits."""
        chosen = [encodings[index] for index in part]
        batch = pad([one.ids for one in chosen], pad_id=0, side="left").to(device)
        counts = [len(one.ids) - one.prompt_length for one in chosen]
        logits = model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.position_ids,
            use_cache=False,
            logits_to_keep=1 + max(counts),
        ).logits  # [batch, 1 + longest, vocab]
        values = []
        for row, count in enumerate(counts):
            logps = logits[row, -1 - count : -1].double().log_softmax(dim=1)
            values.append(float(logps.gather(1, batch.ids[row, -count:, None]).mean()))
        return values

    halver = Halver(lengths, [record.id for record in records])
    for planned in plan_batches(lengths, token_budget):
        for part, values in halver.run(planned, run):
            found[list(part)] = values
    return found
