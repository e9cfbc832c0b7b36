# Every target but fmt and help is a step of .ci/run, so that what passes here passes there.
STEP = .ci/run

.DEFAULT_GOAL := help
.PHONY: help fmt lint test race fuzz bench check demo examples benchstat bench-compare

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

fmt: ## format all Go files
	gofmt -w .

lint: ## gofmt, vet, golangci-lint (its first build takes minutes)
	$(STEP) format vet lint

test: ## all tests
	$(STEP) test

race: ## all tests but the long ones, under the race detector
	$(STEP) race

fuzz: ## every fuzz target for FUZZ_TIME (3s)
	$(STEP) fuzz

bench: ## every benchmark once; for numbers use benchstat
	$(STEP) bench

benchstat: ## ten runs of the benchmarks of PKG (./window), summed up
	go test -run '^$$' -bench . -count 10 $(or $(PKG),./...) | tee bench.out
	go tool -modfile=tools/go.mod benchstat bench.out

bench-compare: ## the benchmarks of PKG of commit BASE and of the work tree, in COUNT (10) turns, compared
	@test -n "$(BASE)" || { echo "name a commit: make bench-compare BASE=main"; exit 2; }
	internal/bench/compare.sh $(BASE) $(PKG)

examples: ## build and run every example
	$(STEP) examples

demo: ## a hub, an agent and impulses in one process, live in the terminal
	go run ./cmd/komstream demo

check: ## everything, as before a change goes in
	$(STEP)
