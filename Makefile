# Two commands on a fresh machine with Python >= 3.11, git and make:
#   make demo    upscale the bundled microscopy stack into demo/
#   make test    lint and test everything
# The environment lives in .venv and is built again only when pyproject.toml or constraints.txt changes.

# Processes that tests start read what others have compiled, and do not compile the package again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint pytest fuzz napari docs clean

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

# One stamp per set of extras that has been installed into the environment.
BASE := $(VENV)/installed-base
DEV := $(VENV)/installed-dev
DOCS := $(VENV)/installed-docs
REQUIREMENTS := pyproject.toml constraints.txt
INSTALL = @echo "Installing into $(VENV); the first time this takes some minutes." && $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

SAMPLE := src/napari_vaesr/sample_images/nuclei.tif

help:
	@echo "make demo    upscale the bundled microscopy stack x2 into demo/"
	@echo "make test    lint, check the types and run the tests, with coverage"
	@echo "make fuzz    try many random arrays and damaged files, kill runs and remove layers; takes minutes"
	@echo "make napari  open the viewer with the widget docked and the sample loaded"
	@echo "make lint    ruff, mypy and import-linter alone"
	@echo "make docs    build the documentation into site/"
	@echo "make clean   remove the environment and everything that was built"

$(VENV)/pyvenv.cfg:
	tools/make-environment $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"  # knows dependency groups

$(BASE): $(REQUIREMENTS) | $(VENV)/pyvenv.cfg
	$(INSTALL) "."
	@touch $@

$(DEV): $(REQUIREMENTS) | $(VENV)/pyvenv.cfg
	$(INSTALL) ".[all,bioimageio]" --group dev
	@# Without torchvision, which has to be built for the same PyTorch and is not needed.
	@$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt spandrel einops
	@touch $@ $(BASE)

$(DOCS): $(REQUIREMENTS) | $(VENV)/pyvenv.cfg
	$(INSTALL) "." --group docs
	@touch $@

demo: $(BASE)
	$(BIN)/napari-vaesr upscale $(SAMPLE) demo/nuclei_x2.ome.tif --scale 2 --samples 16 --figure --force
	@echo "In demo/: nuclei_x2.ome.tif (mean and std), nuclei_x2.figure.png (a look at them), nuclei_x2.json (the record)."

test: $(DEV)
	@# The types are checked while the first tests run.
	@$(MAKE) --jobs=2 lint pytest

pytest: $(DEV)
	@# A process for each core, each with one thread. A file goes to one of them, as does what it makes once.
	OMP_NUM_THREADS=1 tools/with-display $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	  --cov --cov-report=term

fuzz: $(DEV)
	FUZZ_ARRAYS=3000 FUZZ_FILES=3000 FUZZ_KILLS=30 FUZZ_SECONDS=60 \
	  tools/with-display $(BIN)/python -m pytest tests/fuzz tests/plugin/test_removing.py --timeout=0 -s

napari: $(DEV)
	$(BIN)/python tools/open-viewer.py

lint: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --config-file benchmarks/mypy.ini tests benchmarks tools docs
	$(BIN)/lint-imports --no-logo

docs: $(DOCS)
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
