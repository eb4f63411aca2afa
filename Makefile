# kdbridge: one Makefile for everything. `make help` lists the targets.
#   make            build/kdbridge
#   make SAN=1 …    the same under AddressSanitizer and UBSan, in build/san

BUILD    := build$(if $(SAN),/san)
# Another place for everything that is built: make O=/elsewhere
O        ?= $(BUILD)
CC       ?= cc
CFLAGS   ?= -O2 -g
CLANG    ?= clang
LLD_LINK ?= lld-link

PROGRAM_LIBS := -lev -lsodium -lnettle -lcapstone -linih
SIM_LIBS     := -lev -lsodium -lnettle -lunicorn

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
            -Wvla -Wundef -Wformat=2 -Werror
comma    := ,
SANITIZE := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
VERSION  := 0.1.0

# make V=1 shows each command.
Q = $(if $(V),,@echo "  $(1)" && )

ALL_CFLAGS  = -std=c11 -D_GNU_SOURCE -DKDBRIDGE_VERSION='"$(VERSION)"' -I. \
              $(WARNINGS) $(CFLAGS) $(SANITIZE) -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) $(SANITIZE)

objects = $(patsubst %.c,$(O)/%.o,$(1))

KDNET_OBJS  := $(call objects,$(wildcard kdnet/*.c))
RSP_OBJS    := $(call objects,$(wildcard rsp/*.c))
BRIDGE_OBJS := $(call objects,$(filter-out bridge/main.c,$(wildcard bridge/*/*.c)))
MAIN_OBJ    := $(O)/bridge/main.o
SIM_OBJS    := $(call objects,$(filter-out test/sim/main.c,$(wildcard test/sim/*.c)))
# All that the simulated target shares with the program: what captures prove.
SIM_SHARED  := $(call objects,kdnet/key.c kdnet/seal.c)
UTIL_OBJ    := $(O)/test/util.o

UNIT_TESTS  := $(patsubst test/unit/%.c,$(O)/test/unit/%,$(wildcard test/unit/*/test_*.c test/unit/*/prop_*.c))

.PHONY: all help check unit-programs e2e format lint layers install package clean bench fuzz fuzzers coverage \
        coverage-programs valgrind sim guest
.SECONDARY:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

all: $(O)/kdbridge

help:
	@sed -n 's/^#: //p' Makefile

# Says which packages are missing, once for each build folder; installs nothing.
$(O)/.packages: scripts/dependencies
	@mkdir -p $(@D)
	@missing=$$(scripts/dependencies missing build | tr '\n' ' '); \
	if [ -n "$$missing" ]; then \
		echo "make: missing packages, install them with:" >&2; \
		echo "    apt install $$missing" >&2; exit 1; fi
	@touch $@

#: make               the program, build/kdbridge
$(O)/kdbridge: $(MAIN_OBJ) $(O)/libbridge.a $(O)/librsp.a $(O)/libkdnet.a
	$(call Q,LINK $@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PROGRAM_LIBS)

#: make sim           the simulated target, build/kdsim, and its guest images
sim: $(O)/kdsim guest
$(O)/kdsim: $(O)/test/sim/main.o $(O)/libsim.a
	$(call Q,LINK $@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SIM_LIBS)

$(O)/libkdnet.a: $(KDNET_OBJS)
$(O)/librsp.a: $(RSP_OBJS)
$(O)/libbridge.a: $(BRIDGE_OBJS)
$(O)/libsim.a: $(SIM_OBJS) $(SIM_SHARED)
$(O)/lib%.a $(O)/fuzz/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call Q,AR $@)$(AR) rcs $@ $^

$(O)/%.o: %.c | $(O)/.packages
	@mkdir -p $(@D)
	$(call Q,CC $<)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Guest images: real PE files with PDBs, rules beside their sources.
-include test/sim/guest/guest.mk

# Unit tests link only the archive of what they test: a layering mistake does not link.
UNIT_CFLAGS := -DTEST_VECTORS='"$(CURDIR)/test/vectors"'
$(O)/test/%.o: ALL_CFLAGS += $(UNIT_CFLAGS)
$(O)/test/unit/kdnet/%: $(O)/test/unit/kdnet/%.o $(UTIL_OBJ) $(O)/libkdnet.a
	$(call Q,LINK $@)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka -lev -lsodium -lnettle
$(O)/test/unit/rsp/%: $(O)/test/unit/rsp/%.o $(UTIL_OBJ) $(O)/librsp.a
	$(call Q,LINK $@)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka -lev
$(O)/test/unit/bridge/%: $(O)/test/unit/bridge/%.o $(UTIL_OBJ) $(O)/libbridge.a $(O)/librsp.a $(O)/libkdnet.a
	$(call Q,LINK $@)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(PROGRAM_LIBS)
$(O)/test/unit/sim/%: $(O)/test/unit/sim/%.o $(UTIL_OBJ) $(O)/libsim.a
	$(call Q,LINK $@)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(SIM_LIBS)

unit-programs: $(UNIT_TESTS)

#: make check         include directions, unit tests, end-to-end tests with real gdb
# TOTALS=FILE also adds the sums to FILE.
check: all sim unit-programs
	KDBRIDGE_BUILD=$(abspath $(O)) scripts/run-tests $(if $(TOTALS),--totals $(TOTALS)) \
		scripts/check-layers $(UNIT_TESTS) test/e2e/run

#: make SAN=1 check   the same under AddressSanitizer and UBSan
#: make e2e           the end-to-end tests alone
e2e: all sim
	KDBRIDGE_BUILD=$(abspath $(O)) test/e2e/run

#: make bench         exchanges and times of what users do, and what 1000 targets cost
bench: all sim $(O)/pingpong
	KDBRIDGE_BUILD=$(abspath $(O)) test/bench/run
	KDBRIDGE_BUILD=$(abspath $(O)) test/bench/scale
$(O)/pingpong: $(O)/test/bench/pingpong.o
	$(call Q,LINK $@)$(CC) $(ALL_LDFLAGS) -o $@ $^

#: make fuzz T=15     each fuzzer of test/fuzz for T seconds, with ASan and UBSan
T        ?= 15
FUZZ_O   := $(O)/fuzz
FUZZERS  := $(patsubst test/fuzz/%.c,$(FUZZ_O)/%,$(wildcard test/fuzz/fuzz_*.c))
FUZZ_LIB := $(patsubst %.c,$(FUZZ_O)/%.o,$(wildcard kdnet/*.c rsp/*.c) $(filter-out bridge/main.c,$(wildcard bridge/*/*.c)))
FUZZ_CFLAGS = -std=c11 -D_GNU_SOURCE -DKDBRIDGE_VERSION='"$(VERSION)"' -I. -O1 -g \
              -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -MMD -MP
$(FUZZ_O)/%.o: %.c | $(O)/.packages
	@mkdir -p $(@D)
	$(call Q,CLANG $<)$(CLANG) $(FUZZ_CFLAGS) -c -o $@ $<
$(FUZZ_O)/liball.a: $(FUZZ_LIB)
$(FUZZ_O)/fuzz_%: $(FUZZ_O)/test/fuzz/fuzz_%.o $(FUZZ_O)/liball.a
	$(call Q,LINK $@)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(PROGRAM_LIBS)
fuzzers: $(FUZZERS)
fuzz: fuzzers
	@scripts/fuzz $(if $(TOTALS),--totals $(TOTALS)) $(T) $(FUZZERS)

#: make coverage      lines and branches of rsp/ and kdnet/ that their unit tests run
COVERAGE_O     := $(O)/coverage
COVERAGE_TESTS := $(filter $(O)/test/unit/rsp/% $(O)/test/unit/kdnet/%,$(UNIT_TESTS))
coverage-programs: $(COVERAGE_TESTS)
coverage:
	@$(MAKE) --no-print-directory O=$(COVERAGE_O) CFLAGS='-O0 -g --coverage' LDFLAGS=--coverage coverage-programs
	@find $(COVERAGE_O) -name '*.gcda' -delete
	@scripts/run-tests $(patsubst $(O)/%,$(COVERAGE_O)/%,$(COVERAGE_TESTS))
	@scripts/coverage $(COVERAGE_O) rsp kdnet

#: make valgrind      some end-to-end tests with the program under valgrind
valgrind: all sim
	KDBRIDGE_BUILD=$(abspath $(O)) scripts/valgrind

OWN_SOURCES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
# Not unit tests: clang-tidy does not see that a failed cmocka assertion ends the test.
OWN_C       := $(filter %.c,$(filter-out test/sim/guest/% test/unit/%,$(OWN_SOURCES)))

#: make format        clang-format over all sources
format:
	clang-format -i $(OWN_SOURCES)

#: make lint          clang-format, clang-tidy and, where it is there, cppcheck find nothing
CPPCHECK := cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr \
            --error-exitcode=1 -D_GNU_SOURCE -I. --suppress=missingInclude
lint:
	@clang-format --dry-run -Werror $(OWN_SOURCES)
	@printf '%s\n' $(OWN_C) | xargs -P2 -n1 clang-tidy --quiet --warnings-as-errors='*'
	@! command -v cppcheck >/dev/null || $(CPPCHECK) kdnet rsp bridge

layers:
	scripts/check-layers

#: make install       PREFIX=/usr/local, DESTDIR=
PREFIX           ?= /usr/local
BASH_COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS  ?= $(PREFIX)/share/zsh/site-functions
SYSTEMD_UNITS    ?= $(PREFIX)/lib/systemd/system
install: all
	install -D -m 755 $(O)/kdbridge $(DESTDIR)$(PREFIX)/bin/kdbridge
	for page in share/man/*.[15]; do \
		install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}" || exit 1; done
	install -D -m 644 scripts/kdbridge.py $(DESTDIR)$(PREFIX)/share/kdbridge/kdbridge.py
	install -D -m 644 share/completions/kdbridge.bash $(DESTDIR)$(BASH_COMPLETIONS)/kdbridge
	install -D -m 644 share/completions/_kdbridge $(DESTDIR)$(ZSH_COMPLETIONS)/_kdbridge
	install -D -m 644 share/systemd/kdbridge.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/kdbridge.conf
	for unit in share/systemd/*.service share/systemd/*.socket; do [ ! -e "$$unit" ] || { \
		mkdir -p $(DESTDIR)$(SYSTEMD_UNITS) && \
		sed 's|/usr/bin/kdbridge|$(PREFIX)/bin/kdbridge|' "$$unit" \
			>"$(DESTDIR)$(SYSTEMD_UNITS)/$${unit##*/}"; } || exit 1; done

#: make package       a Debian package, in build/package
package:
	scripts/package

#: make clean
clean:
	rm -rf build

DEPS := $(shell find $(O) -type f -name '*.d' 2>/dev/null)
-include $(DEPS)
