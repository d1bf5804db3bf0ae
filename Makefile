# `make` alone lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
SEEDS ?= 20000
# So many are part of `make test`.
TEST_SEEDS ?= 2000
CUTS ?= 200
RIG ?= hw-tests/rigs/qemu.toml
CASES ?=
# Where `make run` keeps the configuration, the journal and the database, unless it is where every command looks by itself.
STATE ?=

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/branchline
TARGET := $(or $(CARGO_TARGET_DIR),target)
PHONES := appliance/phones/requirements.txt
VENV := $(CACHE)/venv-$(shell sha256sum $(PHONES) | cut -c1-12)
LAYER_TOOLS := yocto/requirements.txt
LAYER_VENV := $(CACHE)/yocto-$(shell sha256sum $(LAYER_TOOLS) | cut -c1-12)
DENY_VERSION := 0.19.0
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)

# A C compiler for SQLite and ring; ALSA for sound cards; certificates for the package registry.
RUN_PACKAGES := gcc libc6-dev libasound2-dev make pkg-config ca-certificates
TEST_PACKAGES := $(RUN_PACKAGES) baresip-core sip-tester sipsak sipvicious kamailio kamailio-tls-modules \
	python3 python3-venv chromium chromium-driver openssl iproute2 systemd multimon-ng minimodem espeak-ng \
	pulseaudio libasound2-plugins e2fsprogs postgresql
DRILL_PACKAGES := $(RUN_PACKAGES) kamailio rtpengine-daemon sip-tester iproute2 baresip-core python3 python3-venv
IMAGE_PACKAGES := $(RUN_PACKAGES) git rustc-web gcc-aarch64-linux-gnu libc6-dev-arm64-cross cpio kmod squashfs-tools \
	genimage dosfstools mtools u-boot-tools rauc openssl python3
BOARD_PACKAGES := qemu-system-arm u-boot-qemu dnsmasq-base iproute2
BENCH_PACKAGES := $(RUN_PACKAGES) sip-tester kamailio rtpengine-daemon

.PHONY: help run test bench sim drill lint image run-image image-check yocto-check hw-test setup-run setup-test setup-bench \
	setup-drill drill-packages setup-image setup-board test-packages \
	check-format check-lints check-licences check-tests check-documentation check-sim

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: setup-run ## Build and start the box; STATE=folder holds its files
	$(CARGO) build --release --package branchline-pbx
	@# One heap for all threads, as in branchline.service.
	MALLOC_ARENA_MAX=1 exec "$(TARGET)/release/branchline" run $(if $(STATE),--state "$(STATE)")

test: setup-test check-format check-lints check-licences check-tests check-documentation check-sim yocto-check ## Check everything

sim: setup-run ## Run whole branches in memory; SEEDS=n of them
	$(CARGO) run --release --package branchline-sim -- --seeds $(SEEDS)

bench: setup-bench ## Measure against other programs, side by side
	$(CARGO) build --release --package branchline-pbx --package branchline-bench
	$(CARGO) build --release --package branchline-net --example bare_relay
	"$(TARGET)/release/branchline-bench"

drill: setup-drill ## Take hosted PBX and call database away from a branch in namespaces, and measure; CUTS=n
	$(CARGO) build --release --package branchline-pbx --package branchline-hw-tests
	"$(TARGET)/release/branchline-drill" --cuts $(CUTS)

lint: setup-run check-format check-lints check-licences ## Check format, lints, licences and sources

image: setup-image ## Build the image for ARM boards, from this source and Debian's packages
	@image/build "$(TARGET)/image"

run-image: setup-board image ## Boot the image in QEMU; FRESH=1 forgets what the box knew
	@image/run "$(TARGET)/image"

image-check: setup-image ## Build the image twice from nothing and compare
	@image/check

hw-test: setup-board image ## Hold the image on a board to its cases; RIG=file, CASES="--short" or "--only NAME"
	@image/updates-for-tests "$(TARGET)/image"
	$(CARGO) build --package branchline-hw-tests --bin branchline-hw-test
	"$(TARGET)/debug/branchline-hw-test" "$(TARGET)/image" --rig "$(RIG)" $(CASES)

yocto-check: $(LAYER_VENV)/ready ## Check the Yocto layer: crates, style, partitions, kas files
	@yocto/check "$(LAYER_VENV)"

check-format:
	$(CARGO) fmt --all --check
	@echo "passed: format"

check-lints:
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	$(CARGO) clippy --package branchline-gpio --features rpi --all-targets -- --deny warnings
	@echo "passed: lints"

check-licences: $(DENY)/bin/cargo-deny
	"$(DENY)/bin/cargo-deny" check licenses bans sources
	@echo "passed: licences and sources"

# nextest runs the slow tests of all programs side by side; without it they run program by program.
check-tests:
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace --no-fail-fast; \
	else \
		$(CARGO) test --workspace --no-fail-fast --lib --bins --tests; \
	fi
	$(CARGO) test --package branchline-gpio --features rpi

check-documentation:
	$(CARGO) test --workspace --no-fail-fast --doc

check-sim: setup-run
	$(CARGO) run --release --package branchline-sim -- --seeds $(TEST_SEEDS)
	@echo "passed: simulator"

setup-run:
	@.ci/need-packages $(RUN_PACKAGES)
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: https://rustup.rs" >&2; exit 1; }

setup-test: test-packages setup-run $(VENV)/ready

test-packages:
	@.ci/need-packages $(TEST_PACKAGES)

setup-bench:
	@.ci/need-packages $(BENCH_PACKAGES)

setup-drill: drill-packages $(VENV)/ready

drill-packages:
	@.ci/need-packages $(DRILL_PACKAGES)

setup-image: setup-run
	@.ci/need-packages $(IMAGE_PACKAGES)

setup-board:
	@.ci/need-packages $(BOARD_PACKAGES)

$(VENV)/ready: $(PHONES)
$(LAYER_VENV)/ready: $(LAYER_TOOLS)
$(VENV)/ready $(LAYER_VENV)/ready:
	@.ci/need-packages git python3 python3-venv
	rm -rf "$(@D)"
	python3 -m venv "$(@D)"
	"$(@D)/bin/pip" install --quiet --disable-pip-version-check --requirement $<
	touch "$@"

$(DENY)/bin/cargo-deny:
	$(CARGO) install cargo-deny --locked --version $(DENY_VERSION) --root "$(DENY)"
