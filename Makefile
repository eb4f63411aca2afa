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

PACKAGES     := libev-dev libsodium-dev nettle-dev libcapstone-dev libcmocka-dev
PROGRAM_LIBS := -lev -lsodium -lnettle -lcapstone
SIM_LIBS     := -lev -lsodium -lnettle -lunicorn

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
            -Wvla -Wundef -Wformat=2 -Werror
SANITIZE := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
comma    := ,
VERSION  := 0.1.0

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

.PHONY: all help check unit e2e format format-check lint layers install clean bench sim guest packages
.SECONDARY:
.DELETE_ON_ERROR:

all: $(O)/kdbridge

help:
	@sed -n 's/^#: //p' Makefile

-include Makefile.packages

#: make               the program, build/kdbridge
$(O)/kdbridge: $(MAIN_OBJ) $(O)/libbridge.a $(O)/librsp.a $(O)/libkdnet.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PROGRAM_LIBS)

#: make sim           the simulated target, build/kdsim, and its guest images
sim: $(O)/kdsim guest
$(O)/kdsim: $(O)/test/sim/main.o $(O)/libsim.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SIM_LIBS)

$(O)/libkdnet.a: $(KDNET_OBJS)
$(O)/librsp.a: $(RSP_OBJS)
$(O)/libbridge.a: $(BRIDGE_OBJS)
$(O)/libsim.a: $(SIM_OBJS) $(SIM_SHARED)
$(O)/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Guest images: real PE files with PDBs, rules beside their sources.
-include test/sim/guest/guest.mk

# Unit tests link only the archive of what they test: a layering mistake does not link.
UNIT_CFLAGS := -DTEST_VECTORS='"$(CURDIR)/test/vectors"'
$(O)/test/%.o: ALL_CFLAGS += $(UNIT_CFLAGS)
$(O)/test/unit/kdnet/%: $(O)/test/unit/kdnet/%.o $(UTIL_OBJ) $(O)/libkdnet.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka -lev -lsodium -lnettle
$(O)/test/unit/rsp/%: $(O)/test/unit/rsp/%.o $(UTIL_OBJ) $(O)/librsp.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka -lev
$(O)/test/unit/bridge/%: $(O)/test/unit/bridge/%.o $(UTIL_OBJ) $(O)/libbridge.a $(O)/librsp.a $(O)/libkdnet.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(PROGRAM_LIBS)
$(O)/test/unit/sim/%: $(O)/test/unit/sim/%.o $(UTIL_OBJ) $(O)/libsim.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(SIM_LIBS)

unit: $(UNIT_TESTS)

clean:
	rm -rf build

DEPS := $(shell find $(O) -name '*.d' 2>/dev/null)
-include $(DEPS)
