# Every target runs in the environment that uv.lock pins. `make test` needs nothing but a Debian
# or Ubuntu machine with Python 3.12: it installs the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
RUN := .venv/bin/
# setup puts uv into .xflow/tools where the machine has none
UV = $(shell command -v uv || echo .xflow/tools/bin/uv)

.PHONY: help setup check test test-random test-containers notebook examples bench bench-accuracy bench-vacancies bench-drift \
	bench-serving fmt

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## Install the servers and the Python environment, with development tools
	./start.sh install --dev

check: setup ## Lint, types, import layers, shell, lock
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy
	$(RUN)lint-imports
	$(RUN)shellcheck -x start.sh scripts/*.sh scripts/*/*.sh docker/*.sh docker/*/*.sh
	$(UV) lock --check --python $(PYTHON)

test: setup ## Every test without containers: unit, contract, DAGs, end to end on servers of this machine
	$(RUN)pytest -n 2

test-random: setup ## Search at random for inputs that break a property, 50 times as many as test takes
	$(RUN)pytest -n 2 -m hypothesis --times-examples 50

test-containers: setup ## End to end in containers: both pipelines, ports, restarts, scale; needs a Docker engine
	$(RUN)pytest --way docker tests/e2e tests/containers

notebook: setup ## Run the study of the real vacancy dumps from top to bottom
	$(PYTHON) research/run_notebook.py

examples: setup ## Run the examples from top to bottom on the running stack
	$(PYTHON) research/run_notebook.py research/examples/*.ipynb

bench: setup ## Speed, each figure as a ratio in one run, and peak memory
	$(PYTHON) research/bench.py

bench-accuracy: setup ## Accuracy beside the published tables of Tourism, M3 and M4
	$(PYTHON) research/bench_accuracy.py

bench-vacancies: setup ## Salary and demand cohorts on dumps of hh.ru (in XFLOW_DATA) beside the lab's recipe and baselines
	OMP_NUM_THREADS=1 $(PYTHON) research/bench_vacancies.py

bench-drift: setup ## False alarms of the drift gate on real history, and the faults that it finds
	OMP_NUM_THREADS=1 $(PYTHON) -W ignore research/bench_drift.py

bench-serving: setup ## Load on the running service, beside the bare model, and while versions are swapped
	OMP_NUM_THREADS=1 $(PYTHON) research/bench_serving.py

fmt: ## Format and apply safe fixes
	$(RUN)ruff format .
	$(RUN)ruff check --fix .
