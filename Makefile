# Two commands matter: `make demo` and `make test`. Both set up everything they need, on Python 3.11+ and pip alone.
PYTHON ?= python3
ONCE ?=
# Test files run side by side: most of their time they wait for Kafka. Each of the four has a broker of its own.
AT_ONCE ?= 4
BIN := .venv/bin
READY := .venv/.ready
GOBIN = $(shell go env GOPATH 2>/dev/null)/bin

.PHONY: setup demo test lint browser promtool helm manifests lock clean

setup: $(READY)

# The lock has names, versions and hashes of everything; `make lock` renews it.
$(READY): deploy/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("crisis-stream needs Python 3.11 to 3.13, this is %d.%d; try make PYTHON=python3.11" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] < (3, 14) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv==0.13.9
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r deploy/requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup
	$(BIN)/crisis-stream demo $(if $(ONCE),--once)

# Compiled modules are kept, whatever the surroundings say: uv compiles none, and the tests start hundreds of processes.
test: setup browser promtool
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(AT_ONCE) --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The dashboard's tests drive Chromium; where it can be neither found nor installed they skip and say so.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	echo "no Chromium here: the browser tests will skip"

# The tests of alerts and dashboards ask Prometheus' own tool; from Debian's package it is taken alone, without the server.
promtool: setup
	@command -v promtool >/dev/null || test -x $(BIN)/promtool || \
	( bin=$$PWD/$(BIN) && cd $$(mktemp -d) && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } && \
	  dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && mv usr/bin/promtool $$bin/ ) >/dev/null 2>&1 || \
	echo "no promtool here: the tests of alerts will skip"

# Helm and kubeconform, where Go is: minutes to build, once a machine. Without them the tests of the chart skip.
helm:
	@command -v helm >/dev/null || test -x $(GOBIN)/helm || ! command -v go >/dev/null || go install helm.sh/helm/v3/cmd/helm@v3.22.0 || true
	@command -v kubeconform >/dev/null || test -x $(GOBIN)/kubeconform || ! command -v go >/dev/null || go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0 || true

# deploy/kubernetes/ is the chart with everything on; a test holds them equal.
manifests: helm setup
	PATH=$$PATH:$(GOBIN) $(BIN)/python tests/deploy/chart.py

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --all-extras --python-version 3.11 \
	  --custom-compile-command "make lock" -o deploy/requirements.lock pyproject.toml

clean:
	rm -rf .venv var
