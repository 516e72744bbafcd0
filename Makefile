# `make help` lists the targets. `make test` needs Go, a C compiler and the module
# proxy, and nothing else to be set up.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO        ?= go
VERSION   ?=
FUZZTIME  ?= 1m
EXECS     ?= 2000000
KILLS     ?= 500
FAILOVERS ?= 100
WALKS     ?= 100000
STATES    ?= 68000
SEED      ?= 1
BENCH     ?= .
BENCHTIME ?= 1s

GOLANGCI_LINT := v2.15.0
GOTESTSUM     := v1.13.0
NFPM          := v2.45.2
ACTIONLINT    := v1.7.12
CYCLONEDX     := v1.10.0
GORELEASER    := v2.15.1

# Tools are built once, and kept where a clean checkout finds them again.
TOOLS   := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rotatord-tools
LINT    := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT)/golangci-lint
TESTSUM := $(TOOLS)/gotestsum-$(GOTESTSUM)/gotestsum
NFPMS   := $(TOOLS)/nfpm-$(NFPM)/nfpm
ACTIONS := $(TOOLS)/actionlint-$(ACTIONLINT)/actionlint
SBOM    := $(TOOLS)/cyclonedx-gomod-$(CYCLONEDX)/cyclonedx-gomod
RELEASER := $(TOOLS)/goreleaser-$(GORELEASER)/goreleaser
RESULTS := tmp/test
RUN      = $(TESTSUM) --format $(or $(FORMAT),pkgname) --hide-summary=skipped --jsonfile $(RESULTS)/$@.json --

# Functions begin at every 16th byte in place of every 32nd: one part in a hundred of the binary.
LDFLAGS := -s -w -funcalign=16 $(if $(VERSION),-X main.buildVersion=$(VERSION))
# Nothing of AWS's and Vault's clients is inlined: two parts in a hundred of the binary, for some microseconds of a call.
# The tests' build of the binary (test/harness) has the same flags, and goreleaser is handed them.
GCFLAGS := -gcflags=github.com/aws/...=-l -gcflags=github.com/hashicorp/...=-l
FLAGS   := -trimpath $(GCFLAGS)
BUILD    = CGO_ENABLED=0 $(GO) build $(FLAGS) -ldflags "$(LDFLAGS)"

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## the static binary, bin/rotatord
	$(BUILD) -o bin/rotatord ./cmd/rotatord
	@chmod 0755 bin/rotatord
	@stat -c '%n: %s bytes (at most 45000000)' bin/rotatord
	@test "$$(stat -c %s bin/rotatord)" -le 45000000

# Tests ----------------------------------------------------------------------

# The packages whose tests need neither a server nor the built binary, but for the heart.
UNIT = $(GO) list ./... | grep -vE '/test/(e2e|soak|bench)$$|/internal/(rotation|sinks/vault.*|journal/etcdjournal.*|leadership)$$'

.PHONY: check
check: lint ## before each commit: lint, unit tests, the exploration one deep; two or three minutes
	@$(GO) test -timeout 5m $$($(UNIT))
	@$(GO) test -timeout 5m ./internal/rotation -explore.depth=1 -explore.walks=0 -explore.seed=1

.PHONY: test
test: ## all tests: with the race detector, on a real Vault, the whole exploration, and the mutants
	@.ci/setup
	@rm -rf $(RESULTS) && mkdir -p $(RESULTS)
	@failed=; began=$$SECONDS; \
	for phase in test-vault test-race test-heart test-explore test-mutants test-modules; do \
		echo "== $$phase (after $$((SECONDS - began)) s)"; since=$$SECONDS; \
		$(MAKE) $$phase || failed="$$failed $$phase"; \
		echo "$$phase $$((SECONDS - since))" >> $(RESULTS)/phases; \
	done; \
	$(MAKE) summary || failed="$$failed summary"; \
	test -z "$$failed" || { echo "FAILED:$$failed"; exit 1; }

.PHONY: test-vault
test-vault: $(TESTSUM) | $(RESULTS) ## the Vault and the etcd server for tests: built once, then kept in the cache
	@echo "the first build of the servers for tests takes some minutes"
	@$(GO) run ./test/servers/build test/etcdserver
	@$(RUN) -timeout 40m ./internal/sinks/vault/vaulttest

.PHONY: test-race
test-race: $(TESTSUM) | $(RESULTS) ## every package but internal/rotation, with the race detector
	@$(RUN) -race -timeout 20m $$($(GO) list ./... | grep -vE '/internal/(rotation|sinks/vault/vaulttest)$$')

# The tests of internal/rotation that run whole stories in virtual time, call by call.
EXPLORATION := '^(TestNoCombination|TestThePictureOfStates)'

.PHONY: test-heart
test-heart: $(TESTSUM) | $(RESULTS) ## internal/rotation with the race detector, but for the exploration, which has one goroutine
	@$(RUN) -race -timeout 20m -skip $(EXPLORATION) ./internal/rotation

.PHONY: test-explore
test-explore: $(TESTSUM) | $(RESULTS) ## every crash point, fault and order: two deep, and the random walks of SEED (1; 0 takes a new one)
	@GOGC=400 $(RUN) -count=1 -timeout 20m -run $(EXPLORATION) ./internal/rotation -explore.depth=2 -explore.walks=20 -explore.seed=$(SEED) -explore.floor=$(STATES)
	@grep -hoE 'explored [0-9]+ runs, [0-9]+ distinct states|explore.seed=[0-9]+' $(RESULTS)/$@.json

.PHONY: test-modules
test-modules: $(TESTSUM) | $(RESULTS) ## the modules of their own that the main one must not depend on
	@for mod in test/cfsdk77 deploy/grafana; do \
		(cd $$mod && $(TESTSUM) --format pkgname --jsonfile $(CURDIR)/$(RESULTS)/$@-$${mod##*/}.json -- -race -timeout 10m ./...); \
	done

# Without cgo and paths, as the kube-apiserver is built: the two share much of what is compiled.
# The vet of all that Helm brings along would take longer than the tests.
CHART = cd test/chart && CGO_ENABLED=0

.PHONY: apiserver
apiserver: ## the kube-apiserver for tests: built once, then kept in the cache
	@$(GO) run ./test/servers/build test/apiserver

.PHONY: test-chart
test-chart: $(TESTSUM) | $(RESULTS) ## the Helm chart and the kustomize base, on a kube-apiserver too; the first build takes some minutes
	@$(CHART) $(TESTSUM) --format pkgname --jsonfile $(CURDIR)/$(RESULTS)/$@.json -- \
		-vet=off -trimpath -count=1 -timeout 40m ./...

.PHONY: test-mutants
test-mutants: ## break the heart in each named way: every break must turn a test red
	@$(GO) run ./test/mutants

.PHONY: summary
summary: $(TESTSUM) ## where the time of the last run went, and how it ended
	@.ci/slowest $(RESULTS)
	@! grep -h '"Action":"skip"' $(RESULTS)/*.json | grep '"Test":' || { echo "FAILED: tests were skipped"; exit 1; }
	@$(TESTSUM) --format none --raw-command -- cat $(wildcard $(RESULTS)/*.json)

$(RESULTS):
	@mkdir -p $@

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (1m)
	@for pkg in $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "== $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

.PHONY: fuzz-answers
fuzz-answers: ## what Cloudflare and the sinks' stores may answer: each target EXECS (2000000) times, in slices of nine minutes
	@grep -roE --include='*_test.go' '^func Fuzz[A-Za-z]*Answers?\(' internal | sed -E 's|^(.*)/[^/]*:func (.*)\($$|./\1 \2|' | sort | \
		while read -r package target; do .ci/fuzz "$$package" "$$target" $(EXECS) </dev/null; done

.PHONY: soak
soak: ## the long forms: KILLS (500) kills of the real binary, FAILOVERS (100) of several replicas, a minute of load, WALKS (100000) new random walks a scenario
	$(GO) test -count=1 -v -timeout 3h ./test/soak -soak.kills=$(KILLS) -soak.failovers=$(FAILOVERS)
	$(GO) test -count=1 -v -timeout 1h ./test/e2e -e2e.minute
	$(GO) test -count=1 -v -timeout 3h -run '^TestNoCombination' ./internal/rotation -explore.all -explore.depth=2 -explore.walks=$(WALKS)

.PHONY: bench
bench: ## the table of docs/performance.md; takes about half an hour on an idle machine
	@.ci/setup curl:curl jq:jq
	@$(GO) test -run '^(TestOnlyTheBudget|TestWhatARotationCosts)' -bench . -benchtime 1x -timeout 1h -v ./test/bench -overdue 5000

.PHONY: bench-parts
bench-parts: ## the benchmarks of single parts that BENCH (all) names
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -timeout 1h $$($(GO) list ./... | grep -v /test/)

# Quality --------------------------------------------------------------------

# What they bring along would keep the linters busy for minutes.
SERVERS := test/vaultserver test/etcdserver test/apiserver

.PHONY: lint
lint: $(LINT) $(ACTIONS) ## the linters, the import table among them
	$(GO) mod tidy -diff
	$(LINT) run --allow-serial-runners ./...
	$(GO) run ./test/names
	@for mod in test/cfsdk77 test/packages deploy/grafana; do (cd $$mod && $(LINT) run --allow-serial-runners -c ../../.golangci.yml ./...); done
	$(CHART) GOFLAGS=-trimpath $(LINT) run --allow-serial-runners -c ../../.golangci.yml ./...
	$(ACTIONS) .github/workflows/*.yaml
	@test -z "$$(gofmt -l $(SERVERS))" || { gofmt -l $(SERVERS); exit 1; }

# Packaging ------------------------------------------------------------------

# What a package brings beside the binary: the manual page and the shells' completions, made of the commands.
SHARE := bin/share

.PHONY: share
share: ## the manual page and the shells' completions, bin/share
	@rm -rf $(SHARE) && mkdir -p $(SHARE)
	@$(GO) test ./cmd/rotatord -run '^(TestTheManualPage|TestEachShell)' -share=$(CURDIR)/$(SHARE) >/dev/null
	@gzip -9n $(SHARE)/rotatord.1

PREFIX  ?= /usr/local
DESTDIR ?=
into     = $(DESTDIR)$(PREFIX)

.PHONY: install
install: build share ## the binary, the unit and all beside them into $(DESTDIR)$(PREFIX) (/usr/local)
	install -D -m 0755 bin/rotatord $(into)/bin/rotatord
	install -D -m 0644 deploy/systemd/rotatord.service $(into)/lib/systemd/system/rotatord.service
	sed -i 's|=/usr/bin/rotatord |=$(PREFIX)/bin/rotatord |' $(into)/lib/systemd/system/rotatord.service
	install -D -m 0644 deploy/systemd/rotatord.sysusers $(into)/lib/sysusers.d/rotatord.conf
	install -D -m 0644 deploy/systemd/rotatord.tmpfiles $(into)/lib/tmpfiles.d/rotatord.conf
	install -D -m 0644 $(SHARE)/rotatord.1.gz $(into)/share/man/man1/rotatord.1.gz
	install -D -m 0644 $(SHARE)/rotatord.bash $(into)/share/bash-completion/completions/rotatord
	install -D -m 0644 $(SHARE)/rotatord.zsh $(into)/share/zsh/site-functions/_rotatord
	install -D -m 0644 $(SHARE)/rotatord.fish $(into)/share/fish/vendor_completions.d/rotatord.fish
	install -D -m 0644 config.example.yaml $(into)/share/doc/rotatord/examples/config.example.yaml

# A package has a number even where nothing is released; its date is the commit's, so that it can be made again.
RELEASE  := $(patsubst v%,%,$(or $(VERSION),0.0.0-devel))
ARCHES   ?= amd64 arm64
DIST     ?= dist
BUILT_AT  = $(shell git log -1 --format=%ct)

.PHONY: packages
packages: $(NFPMS) $(addprefix bin/linux-,$(ARCHES)) share ## the .deb and .rpm of ARCHES (amd64 arm64) and VERSION, into dist
	@mkdir -p $(DIST)
	@for arch in $(ARCHES); do for kind in deb rpm; do \
		ARCH=$$arch VERSION=$(RELEASE) SOURCE_DATE_EPOCH=$(BUILT_AT) $(NFPMS) package -f deploy/packages/nfpm.yaml -p $$kind -t $(DIST); \
	done; done

.PHONY: images
images: $(addprefix bin/linux-,$(ARCHES)) bin/rootfs ## one image for all of ARCHES, in dist (OCI archive with a list of manifests)
	@mkdir -p $(DIST)
	@buildah --storage-driver vfs manifest rm rotatord:$(RELEASE) >/dev/null 2>&1 || true
	@for arch in $(ARCHES); do \
		buildah --storage-driver vfs bud --isolation chroot --timestamp $(BUILT_AT) --platform linux/$$arch \
			--manifest rotatord:$(RELEASE) --build-arg BINARY=bin/linux-$$arch/rotatord \
			--label org.opencontainers.image.version=$(RELEASE) \
			--label org.opencontainers.image.revision=$$(git rev-parse HEAD) \
			--label org.opencontainers.image.created=$$(date -u -d @$(BUILT_AT) +%FT%TZ) .; \
	done
	@rm -rf bin/image
	buildah --storage-driver vfs manifest push --all rotatord:$(RELEASE) oci:bin/image
	@tar -c --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=@$(BUILT_AT) \
		-C bin/image blobs index.json oci-layout >$(DIST)/rotatord_$(RELEASE)_image.tar

# goreleaser refuses a VERSION that is not the commit's tag, and a folder in which something was changed since. It is
# told what go is told by go's own settings (go env -w), too, in whose place GOFLAGS comes.
RELEASED = $(if $(VERSION),--skip=publish,--snapshot)

.PHONY: release
release: $(RELEASER) $(SBOM) ## all that a release is of, with SHA256SUMS, in dist; VERSION=v1.2.3, if the commit has that tag
	@rm -f $(DIST)/rotatord* $(DIST)/SHA256SUMS*
	@$(MAKE) packages images
	PATH="$(dir $(SBOM)):$$PATH" DIST=$(DIST) RELEASE=$(RELEASE) GORELEASER_CURRENT_TAG=v$(RELEASE) \
		BUILT_AT=$(BUILT_AT) COMMITTED=$$(date -u -d @$(BUILT_AT) +%FT%TZ) \
		CGO_ENABLED=0 GOFLAGS="$$($(GO) env GOFLAGS) $(FLAGS)" LDFLAGS="$(LDFLAGS)" $(RELEASER) release --clean $(RELEASED)
	@cp tmp/goreleaser/{*.tar.gz,*.cdx.json,SHA256SUMS} $(DIST)
	@cd $(DIST) && cat SHA256SUMS && sha256sum --check --quiet SHA256SUMS

.PHONY: reproduce
reproduce: ## a release of the last commit, made twice, each time elsewhere and otherwise: byte for byte the same
	@.ci/reproduce release

.PHONY: test-packages
test-packages: ## as root: the packages installed, started, upgraded, removed and purged on machines of their own
	@rm -rf $(RESULTS)/packages
	@for version in 1.0.0 1.1.0; do \
		$(MAKE) packages ARCHES=$$($(GO) env GOARCH) VERSION=$$version DIST=$(RESULTS)/packages; \
	done
	@cd test/packages && $(GO) test -count=1 -timeout 15m . -packages=$(CURDIR)/$(RESULTS)/packages

bin/linux-%: FORCE
	GOARCH=$* GOOS=linux $(BUILD) -o $@/rotatord ./cmd/rotatord
	@chmod 0755 $@/rotatord

.PHONY: image
image: build bin/rootfs ## the container image, bin/rotatord-image.tar (OCI archive), without a registry or a container engine
	@rm -f bin/rotatord-image.tar
	buildah --storage-driver vfs bud --isolation chroot --timestamp 0 -t rotatord .
	buildah --storage-driver vfs push rotatord oci-archive:bin/rotatord-image.tar
	@stat -c '%n: %s bytes (at most 30000000)' bin/rotatord-image.tar
	@test "$$(stat -c %s bin/rotatord-image.tar)" -le 30000000

# The folders that the daemon writes to, which in the image belong to its user, whatever the mask of whoever builds it.
bin/rootfs:
	@install -d -m 0755 $@ $@/var $@/var/lib $@/run $@/run/rotatord
	@install -d -m 0700 $@/var/lib/rotatord

.PHONY: schema
schema: ## write deploy/config.schema.json anew
	$(GO) test ./internal/config -run TheSchemaInDeploy -update

.PHONY: rules
rules: ## write deploy/prometheus/prometheusrule.yaml anew from the rules beside it
	$(GO) test ./deploy -run ThePrometheusRule -update

.PHONY: dashboard
dashboard: ## write deploy/grafana/rotatord.json anew
	cd deploy/grafana && $(GO) run .

.PHONY: chart
chart: ## write anew what of deploy/helm and deploy/kustomize is made from other files
	$(GO) test ./deploy -run 'TheChartHolds|TheSchemaOfTheCharts' -update
	@$(CHART) $(GO) test -vet=off -trimpath . -run TestTheKustomizeBase -update

FORCE:

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin dist tmp

# Tools ----------------------------------------------------------------------

$(LINT):
	@echo "building golangci-lint $(GOLANGCI_LINT), once"
	@GOBIN=$(@D) GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)

$(TESTSUM):
	@GOBIN=$(@D) GOFLAGS= $(GO) install gotest.tools/gotestsum@$(GOTESTSUM)

$(NFPMS):
	@echo "building nfpm $(NFPM), once"
	@GOBIN=$(@D) GOFLAGS= $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM)

$(SBOM):
	@GOBIN=$(@D) GOFLAGS= $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX)

$(RELEASER):
	@echo "building goreleaser $(GORELEASER), once: a quarter of an hour on two processors"
	@GOBIN=$(@D) GOFLAGS= $(GO) install github.com/goreleaser/goreleaser/v2@$(GORELEASER)

$(ACTIONS):
	@GOBIN=$(@D) GOFLAGS= $(GO) install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT)
