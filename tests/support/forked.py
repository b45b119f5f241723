"""Processes of their own without ten seconds of imports: they are forked from a server that has imported everything once."""

import multiprocessing

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "openai",
        "pandas",
        "pyarrow.parquet",
        "assay.activations.extraction",
        "assay.studies.preferences.asking.given_pairs",
        "assay.studies.preferences.asking.label_probability",
        "assay.studies.preferences.asking.remote",
        "stages.extract",
        "stages.preferences.measure",
        "transformers.models.gemma3.modeling_gemma3",
        "transformers.models.llama.modeling_llama",
    ]
)
