# `make` prints what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Build alike everywhere: names are resolved by Go itself, which never takes an
# odd spelling for an address.
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false

TOOLS := $(CURDIR)/.tools
MODULES := proto pkg services/config-api services/dispatcher services/hooklab services/standalone

GOLANGCI_LINT := v2.15.0
BUF := v1.75.0
PROTOC_GEN_GO := v1.36.12
OAPI_CODEGEN := v2.8.2

.PHONY: help
help: ## Print this.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run everything in one process, with a demo receiver and demo traffic.
	go run ./services/standalone/cmd/standalone --demo

.PHONY: test
test: check ## Prove everything that CI proves.

.PHONY: check
check: needs lint generated unit e2e ## What CI runs: lint, generated code, tests.

.PHONY: unit
unit: needs ## Run the packages' tests, with the race detector and in random order.
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 12m $$(go list work | grep -v /standalone/e2e)

# The programs run as they are shipped, in processes of their own: the race
# detector would watch only the harness, and slow the receiver down.
.PHONY: e2e
e2e: needs ## Run the whole system as real processes, killed and restarted.
	go test -shuffle=on -timeout 18m ./services/standalone/e2e

.PHONY: quick
quick: ## Run the tests without the race detector.
	go test work

# What `make bench` measures. It runs the programs as they are shipped.
.PHONY: bench-programs
bench-programs: needs build
	go build -trimpath -o bin/ github.com/nats-io/nats-server/v2
	go build -trimpath -o bin/hooklab-bench ./services/hooklab/cmd/bench

.PHONY: bench
bench: bench-programs ## Measure the whole system; BENCH=burst,latency for some cases (docs/performance.md).
	bin/hooklab-bench run

.PHONY: bench-check
bench-check: bench-programs ## Compare burst and latency with the committed ratios: a minute.
	bin/hooklab-bench check

.PHONY: bench-hot
bench-hot: ## Run the hot functions' benchmarks six times, for benchstat.
	go test -run '^$$' -bench 'Canonical|ParseJSON|Body|Signer|Match|Fold|Target|Classify' -benchmem -count 6 \
	  ./pkg/event ./pkg/signature ./pkg/delivery ./pkg/endpoint ./services/dispatcher/internal/match

.PHONY: build
build: ## Build the programs into bin/.
	go build -trimpath -o bin/ ./services/config-api/cmd/config-api ./services/dispatcher/cmd/dispatcher \
	  ./services/standalone/cmd/standalone ./services/hooklab/cmd/hooklab

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Hold the code against .golangci.yml.
	$(TOOLS)/golangci-lint run --allow-parallel-runners $$(go list -m -f '{{.Dir}}/...')

.PHONY: generate
generate: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/oapi-codegen ## Generate code from the protobuf and OpenAPI contracts.
	cd proto && PATH="$(TOOLS):$$PATH" $(TOOLS)/buf generate
	cd services/config-api/internal/api && $(TOOLS)/oapi-codegen -config oapi-codegen.yaml ../../../../proto/openapi.yaml

.PHONY: generated
generated: $(TOOLS)/buf ## Check that the contracts are sound and the generated code is fresh.
	cd proto && $(TOOLS)/buf lint
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; \
	files=$$(git ls-files '*.pb.go' '*.gen.go'); cp --parents $$files "$$before"; \
	$(MAKE) --no-print-directory generate; \
	for f in $$files; do cmp "$$f" "$$before/$$f" || { echo "$$f was not fresh; commit what 'make generate' made of it"; exit 1; }; done

.PHONY: tidy
tidy: ## Tidy every module.
	for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy); done

.PHONY: needs
needs: ## Install what the tests need and this machine lacks: Node, Postgres.
	@.ci/needs

.PHONY: clean
clean: ## Remove what was built and what the demo kept.
	rm -rf bin data $(TOOLS)

# The tools are built once, at pinned versions, for this machine.
$(TOOLS)/golangci-lint: Makefile
	GOBIN=$(TOOLS) GOWORK=off go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	@touch $@
$(TOOLS)/buf: Makefile
	GOBIN=$(TOOLS) GOWORK=off go install github.com/bufbuild/buf/cmd/buf@$(BUF)
	@touch $@
$(TOOLS)/protoc-gen-go: Makefile
	GOBIN=$(TOOLS) GOWORK=off go install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO)
	@touch $@
$(TOOLS)/oapi-codegen: Makefile
	GOBIN=$(TOOLS) GOWORK=off go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@$(OAPI_CODEGEN)
	@touch $@
