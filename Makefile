# Everything runs in .venv, which the first target that needs it creates. `make demo` and `make test` are the two to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: demo test test-fast test-slow coverage lint docs wheel clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# What the tests of the extras, the examples and the site need besides.
$(VENV)/.extras: $(VENV)/.installed examples/lightning_gan/requirements.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,export,tensorboard,hub,docs,sweep]' \
		--requirement examples/lightning_gan/requirements.txt
	@touch $@

demo: $(VENV)/.installed  ## the main job on handwritten digits, four to six minutes on two cores
	$(BIN)/degas run --data digits --out $(DEMO) --preset quick --gan.frame-start resnet --gan.supervised

test: $(VENV)/.extras  ## the whole test suite but what takes minutes
	$(BIN)/python -m pytest -m "not nightly" --numprocesses 2 --dist worksteal

test-fast: $(VENV)/.installed  ## under two minutes, for every edit
	$(BIN)/python -m pytest -m "not slow and not nightly" --numprocesses 2 --dist worksteal

test-slow: $(VENV)/.extras  ## what takes minutes
	$(BIN)/python -m pytest -m "nightly"

coverage: $(VENV)/.extras  ## lines that the tests reach, processes that they start included; at least 90 %
	$(BIN)/python -m pytest -m "not nightly" --cov --cov-report term-missing --numprocesses 2 --dist worksteal

lint: $(VENV)/.installed  ## style, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.extras  ## the documentation site in site/, links checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: $(VENV)/.installed  ## dist/degas_nas-*.whl, which pip installs anywhere
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean:
	rm -rf $(VENV) $(DEMO) build dist site .pytest_cache .mypy_cache .ruff_cache
