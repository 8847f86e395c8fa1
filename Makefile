.PHONY: help run test verify fix

help: ## Say what there is to make (the default)
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and watch this host; ARGS='…' goes to `bellwether run`
	@scripts/run $(ARGS)

test: ## Run all tests, or with CRATE=model those of one crate
	@scripts/test $(CRATE)

verify: ## Check formatting, lints, licences and documentation; changes nothing
	@scripts/verify

fix: ## Apply formatting and the lints' suggestions
	@scripts/fix
