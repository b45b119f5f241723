# One environment, .venv, pinned by constraints.txt. `make` lists the targets; `make repro` is the main job.

PYTHON ?=
BIN := .venv/bin
STAMP := .venv/.installed
# Stages run `python`: the environment's own must come first, also from a shell where it is not activated.
WITH_ENV := PATH="$(CURDIR)/$(BIN):$$PATH"

.DEFAULT_GOAL := help
.PHONY: help setup repro test standard bench lint format plots readme deps constraints

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## create .venv and install the pinned dependencies (uv when on PATH, else pip)

repro: $(STAMP) ## run the pipeline, two stages at a time: whatever is not up to date; ARGS="--count 1" for one
	@$(WITH_ENV) python -m tools.lanes $(ARGS)

test: $(STAMP) ## run the tests, in two processes; ARGS="-k probe" chooses some
	@$(WITH_ENV) python -m pytest -n 2 --dist loadfile $(ARGS)

standard: $(STAMP) ## train the standard anew and compare it with its certificate; ARGS="--passes 0.3" in three minutes
	@$(WITH_ENV) dvc repro world
	@$(WITH_ENV) python -m tools.standard $(ARGS)

lint: $(STAMP) ## ruff and mypy
	@$(WITH_ENV) ruff check .
	@$(WITH_ENV) ruff format --check .
	@$(WITH_ENV) mypy

format: $(STAMP) ## mend what ruff can mend
	@$(WITH_ENV) ruff check --fix .
	@$(WITH_ENV) ruff format .

bench: $(STAMP) .venv/.bench ## measure speed and memory, beside nnsight and TransformerLens (the bench extra)
	@$(WITH_ENV) python -m pytest tests/benchmarks -s -o addopts= $(ARGS)

plots: $(STAMP) ## dvc_plots/index.html, readable without internet and when the folder is copied
	@$(WITH_ENV) python -m tools.offline_plots
	@$(WITH_ENV) dvc plots show
	@cp .dvc/plots/vega.js dvc_plots/

readme: $(STAMP) ## write the current metrics into README.md and those of stages/
	@$(WITH_ENV) python -m tools.readme

deps: $(STAMP) ## write the code that each stage imports into dvc.yaml
	@$(WITH_ENV) python -m tools.code_deps

constraints: $(STAMP) ## resolve pyproject.toml anew for every platform (needs uv); existing pins are kept
	@env -u UV_FIND_LINKS uv pip compile --quiet --universal --all-extras --no-annotate \
		--custom-compile-command "make constraints" pyproject.toml -o constraints.txt

# The stamp is written last, so a failed install is tried again.
$(STAMP): pyproject.toml constraints.txt tools/models.txt
	@rm -f $@
	@PYTHON="$(PYTHON)" sh tools/make_venv.sh .venv
	@sh tools/install.sh .venv dev
	@$(WITH_ENV) python -m tools.offline_plots
	@touch $@

.venv/.bench: $(STAMP)
	@sh tools/install.sh .venv dev,bench
	@touch $@
