# Everything starts here: `make run` and `make test` install what they need into .venv and nowhere else.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .venv/bin/uv)
RUN := .venv/bin/
WORKERS ?= auto
FAST := tests/unit tests/contract
SLOW := tests/deploy tests/integration tests/component
TESTS ?= $(FAST) $(SLOW)
# `make e2e`: what runs on containers of the official images, and what on the whole of docker-compose.yml.
ON_CONTAINERS := $(addprefix tests/integration/,kit prober evaluator incidents notifier)
STORIES := tests/e2e

.PHONY: help
help:  ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hypercare needs Python 3.11 or newer (found $$($(PYTHON) -V)); give one by PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv

# --inexact leaves uv itself alone where it came from pip into this same .venv.
.venv/.synced: pyproject.toml uv.lock | $(filter .venv/bin/uv,$(UV))
	$(UV) sync --locked --inexact --quiet --python "$$([ -x .venv/bin/python ] && echo .venv/bin/python || echo $(PYTHON))"
	@touch $@

.PHONY: setup
setup: .venv/.synced  ## install everything into .venv

# What the manifests are checked with: Kubernetes' schemas, and kustomize where neither it nor kubectl is here.
.venv/.rendering: .venv/.synced
	$(UV) sync --locked --inexact --quiet --group deploy
	$(RUN)python -m deploy.k8s.render --fetch $(UV)
	@touch $@

.PHONY: run
run: setup  ## start it all with the example ERP and the sinks, and stay up
	$(RUN)hypercare up --example

.PHONY: demo
demo: setup  ## the same, told in the terminal one line a hop
	$(RUN)hypercare demo

.PHONY: static
static: setup
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports
	$(RUN)python -m docs.generate --check

.PHONY: check
check: static  ## format, lint, types, import contracts, generated files, fast tests
	$(RUN)pytest -n $(WORKERS) -q $(FAST)

.PHONY: test
test: setup .venv/.rendering  ## every test: unit, contract, manifests, integration, component
	$(RUN)pytest -n $(WORKERS) -q $(TESTS)

.PHONY: faults
faults: setup  ## kill, freeze and lie to a whole site, twenty seeds and more; takes its time
	$(RUN)pytest -q -x tests/faults

.PHONY: render
render: setup .venv/.rendering  ## write every Kubernetes overlay to build/k8s
	$(RUN)python -m deploy.k8s.render build/k8s

.PHONY: format
format: setup  ## mend format and imports
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

.PHONY: docs
docs: setup  ## generate the JSON Schemas, the AsyncAPI document and the configuration schema
	$(RUN)python -m docs.generate

.PHONY: bench
bench: setup  ## measure; results with the machine go to standard output
	$(RUN)python -m benchmarks.engine
	$(RUN)python -m benchmarks.prober
	$(RUN)python -m benchmarks.page_latency

IMAGES := prober evaluator incidents notifier console cli example
HYPERCARE_IMAGE_PREFIX ?= hypercare
HYPERCARE_VERSION ?= 0.1.0
PYTHON_IMAGE ?= python:3.13-slim

.PHONY: images
images:  ## build the container image of every service, and say how large each is
	@for image in $(IMAGES); do \
	  docker buildx build --quiet --load --file deploy/docker/Dockerfile --tag $(HYPERCARE_IMAGE_PREFIX)/$$image:$(HYPERCARE_VERSION) \
	    --build-arg SERVICE=$$image --build-arg BASE_IMAGE=$(PYTHON_IMAGE) --build-arg VERSION=$(HYPERCARE_VERSION) \
	    --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null) . >/dev/null \
	  || { echo "$$image was not built; where no image registry can be reached, run make offline first"; exit 1; }; \
	  docker image ls --format '{{.Size}}	{{.Repository}}:{{.Tag}}' $(HYPERCARE_IMAGE_PREFIX)/$$image:$(HYPERCARE_VERSION); \
	done

.PHONY: offline
offline:  ## where no image registry can be reached: stand-in base images and the Docker plugins
	deploy/docker/offline/prepare

.PHONY: e2e
e2e: setup  ## the whole system in containers, killed, cut off and filled up: from nothing, on a Docker engine
	@docker version >/dev/null 2>&1 || { echo "make e2e: no Docker engine answers; start one, or set DOCKER_HOST"; exit 1; }
	deploy/docker/offline/prepare
	$(MAKE) images
ifneq ($(origin TESTS),command line)
	HYPERCARE_TEST_RUNTIME=containers $(RUN)pytest -n $(WORKERS) -q $(ON_CONTAINERS)
endif
	$(RUN)pytest -q -s $(if $(filter command line,$(origin TESTS)),$(TESTS),$(STORIES))

.PHONY: clean
clean:  ## remove .venv and the data folder of `make run`
	rm -rf .venv .hypercare
