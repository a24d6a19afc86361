# make app and make test set up what they need by themselves, in a virtual environment beside this file.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VENV_FLAGS ?=
PORT ?= 7860
TESTS ?= not slow
COVERAGE ?=
WHEELS ?= gpu-wheels
GPU_SECONDS ?= 240

.PHONY: app test slow oldest oldest-ready gpu gpu-check gpu-short gpu-wheels soak check format wheels bench notebooks docs screenshots web clean

app: $(VENV)/ready ## start the app and print its address
	$(BIN)/dgrl app --port $(PORT)

test: $(VENV)/ready-dev ## all tests but the slow ones; those in the browser need Debian's chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "$(TESTS)" --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 40 $(COVERAGE)

slow: ## the tests that take longest: whole networks exported, programs killed, many sessions at once
	$(MAKE) test TESTS=slow

oldest: oldest-ready ## the tests with the oldest versions of the dependencies
	$(MAKE) test VENV=.venv-oldest

oldest-ready: ## set up what `make oldest` needs, some gigabytes more
	mkdir -p .venv-oldest
	sed -n '/^dependencies = \[/,/^caffe = /p' pyproject.toml | grep -oE '"[a-z][a-z0-9_-]*(\[[a-z]+\])?>=[0-9.]+' \
		| sed -E 's/"([a-z0-9_-]+).*>=/\1==/' > .venv-oldest/constraints.txt
	PIP_CONSTRAINT=$(CURDIR)/.venv-oldest/constraints.txt $(MAKE) .venv-oldest/ready-dev VENV=.venv-oldest

# With PyTorch installed already, that one is used: it fits the machine's driver.
gpu: ## does everything work on this machine's CUDA GPU? tests, then what it trains at; ten minutes
	$(MAKE) gpu-check VENV=.venv-gpu VENV_FLAGS="$$($(PYTHON) -c 'import torch' 2>/dev/null && echo --system-site-packages)"

gpu-check: $(VENV)/ready-dev
	DGRL_GPU=1 $(BIN)/python -m pytest -m gpu --durations 10 tests/gpu
	$(BIN)/python -m benchmarks gpu

# For a machine that is lent for minutes: nothing is downloaded, PyTorch is the machine's own. What is installed beside it
# comes from $(WHEELS), which `make gpu-wheels` fills where there is a network. DGRL_GPU= rehearses it on a CPU.
gpu-short: DGRL_GPU ?= 1
gpu-short: ## does everything work on this machine's CUDA GPU? at most four minutes, without a network
	test -x .venv-gpu/bin/python || $(PYTHON) -m venv --system-site-packages .venv-gpu
	.venv-gpu/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps $(WHEELS)/*.whl
	PYTHONPATH=$(CURDIR) DGRL_GPU=$(DGRL_GPU) timeout $(GPU_SECONDS) .venv-gpu/bin/python -m pytest \
		-m "short and $(if $(DGRL_GPU),gpu,not gpu)" --durations 10 tests/gpu

gpu-wheels: $(VENV)/ready-dev ## download what gpu-short needs into WHEELS=FOLDER; PYTHON_VERSION=3.12 for another Python
	$(BIN)/python scripts/gpu_wheels.py $(WHEELS) $(if $(PYTHON_VERSION),--python-version $(PYTHON_VERSION))

soak: $(VENV)/ready-dev ## what takes long: 2,000 requests in 20 sessions at once, ten minutes of fuzzing
	$(BIN)/python -m tests.helpers.soak
	for reader in caffe image trace; do $(BIN)/python -W ignore -m tests.helpers.fuzz $$reader 200 || exit 1; done

check: $(VENV)/ready-dev node_modules/ready ## lint, format and types of Python and JavaScript, and the words (needs Node.js)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.helpers.prose
	npm run --silent check

format: $(VENV)/ready-dev node_modules/ready ## fix what can be fixed automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	npm run --silent format

wheels: $(VENV)/ready-dev ## ask the package index whether every dependency has a wheel for each Python that we name
	DGRL_INDEX=1 $(BIN)/python -m pytest tests/test_wheels_exist.py

bench: $(VENV)/ready-dev ## measure speed and write the tables of benchmarks/README.md
	$(BIN)/python -m benchmarks --write

notebooks: $(VENV)/ready-dev ## execute every notebook from top to bottom and keep its outputs
	DGRL_SMALL=1 $(BIN)/python -m notebooks.execute

docs: $(VENV)/ready-dev ## build the documentation with its live pages in site/; a link that leads nowhere is an error
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

screenshots: $(VENV)/ready-dev ## take the README's pictures of the app again
	$(BIN)/python docs/screenshots.py

web: $(VENV)/ready-dev node_modules/ready ## build the static page, web/dist (needs Node.js); WEIGHTS=FOLDER for another checkpoint
	$(BIN)/python -W ignore -m web.build $(if $(WEIGHTS),--weights $(WEIGHTS))

clean: ## remove the virtual environment and what tools left
	rm -rf $(VENV) .venv-oldest .venv-gpu node_modules build dist web/dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "DGRL needs Python 3.10 or newer; try make PYTHON=python3.12")'
	@echo "Setting up $(VENV): PyTorch and the rest, some gigabytes, once."
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "pysodmetrics>=1.5; python_version >= '3.14'"
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]'
	@touch $@

# Tools that check the scripts, and what runs the network in the static page. Users of DGRL need neither them nor
# Node.js.
node_modules/ready: package.json package-lock.json
	@node -e 'process.exit(Number.parseInt(process.versions.node) < 18 ? 1 : 0)' && command -v npm >/dev/null \
		|| { echo "This needs Node.js 18 or newer with npm." >&2; exit 1; }
	npm ci --loglevel error --no-audit --no-fund
	@touch $@
