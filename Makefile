# Two commands matter: `make demo` and `make test`. Each prepares .venv first, when that is needed.
# ARGS goes to pytest (make test ARGS='-k lease -x'), PYTHON chooses the interpreter (make test PYTHON=python3.13).

VENV := .venv
ARGS :=
READY := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready

# Whatever environment the caller has activated: ours is $(VENV).
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

# Every page is read anew: a warning about a page that has not changed since would not come again.
BUILD_DOCS := sphinx-build -q -E -W --keep-going -c docs -d build/doctrees . build/docs

.PHONY: help demo test check docs bench bench-quick FORCE

help:
	@echo 'make demo     show the queue at work: a server, robots, a crash, nothing lost'
	@echo 'make test     run the tests (ARGS=... goes to pytest, CASARE_PG_BIN=<bin folder> picks another PostgreSQL)'
	@echo 'make check    run the linters, the type checker, the import rules and the docs; report all of them'
	@echo 'make docs     build the documents into build/docs'
	@echo 'make bench    measure the queue beside its peers (half an hour; make bench-quick: 6 minutes; ARGS=--help)'
	@echo
	@echo 'Needs Python 3.11 or later, git and make. PYTHON=<interpreter> chooses the Python.'

demo: $(READY)
	@$(VENV)/bin/casare demo

test: $(READY)
	@$(VENV)/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(READY)
	@failed=; \
	for step in 'ruff check' 'ruff format --check' mypy 'lint-imports --no-logo' 'deptry src' '$(BUILD_DOCS)'; do \
		echo "---- $$step"; \
		$(VENV)/bin/$$step || failed="$$failed\n  $$step"; \
	done; \
	if [ -n "$$failed" ]; then printf "Failed:$$failed\n" >&2; exit 1; fi

docs: $(READY)
	@$(VENV)/bin/$(BUILD_DOCS)
	@echo "Open build/docs/index.html"

bench: $(BENCH_READY)
	@$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)

bench-quick: $(BENCH_READY)
	@$(BENCH_VENV)/bin/python -m benchmarks --quick $(ARGS)

# A new environment is due when the dependencies changed, a Python is asked for by name, or the folder was moved
# (the scripts in an environment carry its path).
$(READY): pyproject.toml uv.lock .ci/bootstrap $(if $(PYTHON),FORCE)
	@.ci/bootstrap $(VENV)

# The peers have an environment of their own, with the newest Python that there is: one of them needs it.
$(BENCH_READY): pyproject.toml uv.lock .ci/bootstrap $(if $(PYTHON),FORCE)
	@PYTHON=$$(PYTHON=$(PYTHON) .ci/newest-python) .ci/bootstrap $(BENCH_VENV) --no-dev --group bench

ifneq "$(shell cat $(READY) 2>/dev/null)" "$(CURDIR)"
$(READY): FORCE
endif
ifneq "$(shell cat $(BENCH_READY) 2>/dev/null)" "$(CURDIR)"
$(BENCH_READY): FORCE
endif
