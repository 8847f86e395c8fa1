.PHONY: help run cluster pulsar-demo test verify fix chaos chaos-mutants soak coverage fuzz bench profile

help: ## Say what there is to make (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and watch this host; ARGS='…' goes to `bellwether run`
	@scripts/run $(ARGS)

cluster: ## Start three nodes on this machine, and say how to look at them and how to hurt one
	@scripts/cluster

pulsar-demo: ## Show what a consumer in Pulsar sees while a target and the leader go down
	@scripts/pulsar-demo

test: ## Run all tests, or with CRATE=model those of one crate
	@scripts/test $(CRATE)

verify: ## Check formatting, lints, licences and documentation; changes nothing
	@scripts/verify

coverage: ## Say how many lines the tests reach, by crate; fails below the floors
	@scripts/coverage

fuzz: ## Fuzz what reads bytes of others, with nightly Rust; TARGET=cursor SECONDS=600
	@scripts/fuzz $(or $(TARGET),all) $(or $(SECONDS),60)

chaos: ## Hurt a real node in every way and judge it; ROWS=11,dns ROUNDS=3 for a part
	@ROWS='$(ROWS)' ROUNDS='$(ROUNDS)' SEED='$(SEED)' ARGS='$(ARGS)' scripts/chaos run

chaos-mutants: ## Show that every seeded bug is caught, by which scenario, in which round
	@BUGS='$(BUGS)' ROUNDS='$(ROUNDS)' SEED='$(SEED)' ARGS='$(ARGS)' scripts/chaos mutants

soak: ## Hurt three nodes every minute for an hour, and hold their ledger against the targets
	@MINUTES='$(MINUTES)' SEED='$(SEED)' ARGS='$(ARGS)' scripts/chaos soak

bench: ## Measure beside peers, in pairs; never a gate; ONLY=13 for one, ARGS='--pairs 3 --quick'
	@scripts/bench $(if $(ONLY),--only $(ONLY)) $(ARGS)

profile: ## Draw where the time of the write path goes, as a flame graph
	@scripts/profile

fix: ## Apply formatting and the lints' suggestions
	@scripts/fix
