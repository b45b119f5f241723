"""Processes of their own without ten seconds of imports: they are forked from a server that has imported everything once."""

import multiprocessing

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "openai",
        "pandas",
        "pyarrow.parquet",
        "assay.extraction",
        "assay.preferences.given_pairs",
        "assay.preferences.label_probability",
        "assay.preferences.remote",
        "stages.extract",
        "stages.preferences.measure",
        "transformers.models.gemma3.modeling_gemma3",
        "transformers.models.llama.modeling_llama",
    ]
)
