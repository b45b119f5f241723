"""Assay: can a concept inside a language model be read, and is what was read a lever?

The instruments. Nothing here knows paths, params.yaml, a command line or DVC: those live in ``stages``.
"""
