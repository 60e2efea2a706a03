# make test is all that has to hold, and what .ci/run calls. The rest is for
# people. Programs for development are pinned in tools/go.mod.

tool   := go tool -modfile=$(CURDIR)/tools/go.mod
# The explorer and the simulator are one goroutine each, and archtest reads source: the
# race detector would find nothing in them and make them ten times slower. The
# end-to-end tests run a built program, and the clash is of processes.
unraced := ./elect ./sim ./internal/e2e ./internal/clash ./internal/archtest
raced    = $(shell go list ./... | grep -v $(patsubst ./%,-e /%$$,$(unraced)))
# What it takes to compile the tests of the raced ones.
parts    = $(shell go list -test -deps -f '{{if not (or .ForTest .Standard)}}{{.ImportPath}}{{end}}' $(raced) | grep -v '\.test$$')
# Modules of their own below this one, for what weighs more than all the rest.
apart  := adapter/leaselock tools/deploy tools/release
search := TestExplore|TestMutants
fuzz   ?= 60s
fuzzed ?= ./...
# What reads octets that anybody can send, or write where everybody reads.
hostile := ./zone ./internal/dnsmsg ./lookup ./record ./seal ./schedule ./config ./report ./internal/expression
# What make prove goes through: states of each configuration one by one, and ways by
# chance through it. The first need the memory: about 5 KB each, in two of them at a time.
states ?= 600000
ways   ?= 30000
years  ?= 25
backlog ?= 100000

# A clone may belong to somebody else than who tests it: do not ask git about it.
test stories searches prove faults bench packaging: export GOFLAGS += -buildvcs=false

.PHONY: test stories searches needs lint cross prove faults fuzz bench build packaging release

# The tests themselves go one package after the other, since many keep time; what
# keeps none goes on in the background while the stories wait for their ticks.
test: needs lint cross packaging
	go build -race $(parts)
	go test -race -p 1 -timeout 15m $(raced)
	@$(MAKE) --no-print-directory -j 2 -O stories searches
	cd adapter/leaselock && go test -race -p 1 -timeout 15m ./...
	cd tools/deploy && go test -count=1 -timeout 15m ./...

# Agents, servers and faults as processes, in a network of their own: what they build
# is fetched before.
stories:
	go build -o /dev/null ./cmd/solotick
	go test -exec $(CURDIR)/tools/alone -p 1 -timeout 25m ./internal/e2e ./internal/clash

# States, years, and what anybody could send: all of it by number, not by time.
searches:
	nice -n 19 go test -p 1 -timeout 25m -skip '$(search)' ./internal/archtest ./elect ./sim
	nice -n 19 go test -v -timeout 25m -run '$(search)' ./elect
	nice -n 19 $(MAKE) --no-print-directory fuzz fuzz=5000x fuzzed='$(hostile)'

# The servers and clients that the tests start. The one that speaks S3 is built from
# its source, once: the go command keeps it.
needs:
	@tools/needs
	@go tool -modfile=tools/s3/go.mod -n versitygw >/dev/null
	@go mod download -modfile=tools/mermaid/go.mod

lint:
	@test -z "$$($(tool) gofumpt -l . | tee /dev/stderr)" || { echo 'lint: the files above are not formatted: $(tool) gofumpt -w .' >&2; exit 1; }
	go vet ./...
	$(tool) staticcheck -checks all ./...
	go mod tidy -diff
	for m in $(apart); do (cd $$m && go vet ./... && $(tool) staticcheck -checks all ./... && go mod tidy -diff) || exit 1; done

# Everything compiles for the other systems: tests too where they can run. An int has
# 32 bits on one of them, as in a release for armv7.
cross:
	GOOS=darwin go vet ./...
	GOOS=windows GOARCH=386 go build . ./adapter/... ./cmd/... ./fence/... ./ready/... ./register/... ./examples/...
	cd adapter/leaselock && GOOS=darwin go vet ./... && GOOS=windows go build ./...

# What make test does in minutes, for as long as it takes: more states, more years, a
# longer backlog, and every fuzz target. docs/proof.md has the figures of the last run.
prove: needs fuzz
	go test -v -timeout 0 -run TestExplore ./elect -explore.states $(states) -explore.ways $(ways) -explore.least 100000000
	go test -v -timeout 0 -run TestMutants ./elect
	go test -v -timeout 0 -run TestYears ./sim -sim.years $(years)
	go test -v -timeout 0 ./internal/clash -clash.servers bind -clash.ticks $(backlog) -clash.records 500 -clash.each 10 -clash.limit 6h

# Every fault on every server, and the page that tells what came of it. The tick is
# two seconds: nothing else should run.
faults: needs
	go build -o /dev/null ./cmd/solotick
	go test -exec $(CURDIR)/tools/alone -count 1 -timeout 90m -run '^TestFaults$$' ./internal/e2e -faults.all -faults.table $(CURDIR)/docs/faults.md

# By a number of inputs, as in test, it ends for certain: by a time, go may call what
# is under way at that moment a failure ("context deadline exceeded").
fuzz:
	@list=$$(go test -list ^Fuzz $(fuzzed)) || { echo "$$list" >&2; exit 1; }; \
	echo "$$list" | awk '/^Fuzz/ {f[++n] = $$1} /^ok/ {for (; n; n--) print $$2, f[n]}' | \
	while read -r package name; do go test -run ^$$ -fuzz "^$$name\$$" -fuzztime $(fuzz) "$$package" || exit 1; done

# Figures beside those of other programs in the same run. Nothing else should run.
bench: needs
	go run ./internal/bench
	go run ./internal/bench/dnsperf

build:
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/solotick

# Two builds of a release are compared byte for byte, and its packages installed: see
# RELEASING.md.
packaging: needs
	cd tools/release && go test -timeout 15m .

# All files of a release, in dist/: of the tag that is checked out, or of no version
# where there is none. SIGN is the secret key of minisign to sign with, if any.
version = $(shell git describe --exact-match --match 'v[0-9]*' 2>/dev/null | sed 's/^v//')
release: export TZ = UTC
release:
	@test -z "$$(git status --porcelain)" || { echo 'release: there is what is not committed: see git status' >&2; exit 1; }
	rm -rf dist
	cd tools/release && go run . -source ../.. -o ../../dist -version "$(or $(version),0.0.0-$(shell git rev-parse --short=12 HEAD))" \
		-commit "$$(git rev-parse HEAD)" -time "$$(git show -s --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ HEAD)" $(if $(TARGETS),-targets $(TARGETS))
	$(if $(SIGN),minisign -S -s '$(SIGN)' -m dist/SHA256SUMS -t 'solotick $(version)')
