# make test is all that has to hold, and what .ci/run calls. The rest is for
# people. Programs for development are pinned in tools/go.mod.

tool   := go tool -modfile=tools/go.mod
# The explorer is a search in one package: the race detector would find nothing
# in it and make it ten times slower. The end-to-end tests run a built program.
raced   = $(shell go list ./... | grep -v -e /elect$$ -e /internal/e2e$$)
search := TestExplore|TestMutants
fuzz   ?= 60s
states ?= 20000000

# A clone may belong to somebody else than who tests it: do not ask git about it.
test prove faults bench: export GOFLAGS += -buildvcs=false

.PHONY: test needs lint cross prove faults fuzz bench build

test: needs lint cross
	go test -race -p 1 -timeout 15m $(raced)
	go test -p 1 -timeout 15m -skip '$(search)' ./elect ./internal/e2e
	go test -v -timeout 15m -run '$(search)' ./elect

# The servers and clients that the tests start. The one that speaks S3 is built from
# its source, once: the go command keeps it.
needs:
	@tools/needs
	@go tool -modfile=tools/s3/go.mod -n versitygw >/dev/null

lint:
	@test -z "$$($(tool) gofumpt -l . | tee /dev/stderr)" || { echo 'lint: the files above are not formatted: $(tool) gofumpt -w .' >&2; exit 1; }
	go vet ./...
	$(tool) staticcheck -checks all ./...
	go mod tidy -diff

# Everything compiles for the other systems: tests too where they can run.
cross:
	GOOS=darwin go vet ./...
	GOOS=windows go build . ./cmd/... ./register/... ./examples/...

# What make test does in minutes, for as long as it takes: more states, and every
# fuzz target.
prove: needs fuzz
	go test -v -timeout 0 -run '$(search)' ./elect -explore.states $(states)

# Every fault on every server, and the page that tells what came of it. The tick is
# two seconds: nothing else should run.
faults: needs
	go test -count 1 -timeout 60m -run '^TestFaults$$' ./internal/e2e -faults.all -faults.table $(CURDIR)/docs/faults.md

fuzz:
	@go test -list ^Fuzz ./... | awk '/^Fuzz/ {f[++n] = $$1} /^ok/ {for (; n; n--) print $$2, f[n]}' | \
	while read -r package name; do go test -run ^$$ -fuzz "^$$name\$$" -fuzztime $(fuzz) "$$package" || exit 1; done

# Figures beside those of other programs in the same run. Nothing else should run.
bench: needs
	go run ./internal/bench
	go run ./internal/bench/dnsperf

build:
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/solotick
