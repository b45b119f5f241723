"""Shared by all tests. Being here also puts tests/ on the import path, so that tests can import the toy builders."""

import os

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # processes beside each other: one thread each, set before torch and BLAS read it
    os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from support.toy_repository import Repository, isolated_environment, make_toy_repository


@pytest.fixture(scope="session")
def toy_template(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A toy repository that ran once: copy it (`toy_template.copy`), never change it."""
    base = tmp_path_factory.mktemp("template")
    return make_toy_repository(base / "toy", isolated_environment(base / "home"))
