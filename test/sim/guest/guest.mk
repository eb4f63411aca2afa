# The guest's images: real PE32+ files with PDBs, by clang and lld-link, the same
# bytes at every build. ntoskrnl.exe and hal.dll import from each other, so import
# libraries come from the .def files.

CLANG        ?= clang
LLD_LINK     ?= lld-link
LLVM_DLLTOOL ?= llvm-dlltool

GUEST        := test/sim/guest
GUEST_OUT    := $(O)/guest
GUEST_TARGET := --target=x86_64-pc-windows-msvc
GUEST_CFLAGS := $(GUEST_TARGET) -std=c11 -O2 -g -gcodeview -ffreestanding -fno-builtin \
                -fasynchronous-unwind-tables -fomit-frame-pointer -fno-stack-protector -fno-vectorize -fno-slp-vectorize \
                -ffile-compilation-dir='C:\kdbridge' -Wall -Wextra -Werror

# Linked in the folder itself, so that no path of the build gets into a PDB.
GUEST_LINK    = cd $(GUEST_OUT) && $(LLD_LINK) /nologo /machine:x64 /driver /subsystem:native \
                /nodefaultlib /dynamicbase /base:0x140000000 /debug /Brepro \
                /pdbaltpath:%_PDB% /pdbsourcepath:. /implib:$*.unused.lib /out:$(@F)

guest_objects = $(patsubst %,$(GUEST_OUT)/%.obj,$(1))
GUEST_NT      := $(call guest_objects,ke chain mm dbg io data trap links)
GUEST_FILES   := $(addprefix $(GUEST_OUT)/,ntoskrnl.exe hal.dll probe.sys synth.sys)
GUEST_HEADERS := $(wildcard $(GUEST)/*.h) $(GUEST)/guest.mk

guest: $(GUEST_FILES)

$(GUEST_OUT)/%.obj: $(GUEST)/%.c $(GUEST_HEADERS)
	@mkdir -p $(@D)
	$(call Q,CLANG $<)$(CLANG) $(GUEST_CFLAGS) -c -o $@ $<
$(GUEST_OUT)/%.obj: $(GUEST)/%.S
	@mkdir -p $(@D)
	$(call Q,CLANG $<)$(CLANG) $(GUEST_TARGET) -c -o $@ $<
$(GUEST_OUT)/%.lib: $(GUEST)/%.def
	@mkdir -p $(@D)
	$(call Q,LIB $@)$(LLVM_DLLTOOL) -m i386:x86-64 -d $< -l $@

$(GUEST_OUT)/%.exe: $(GUEST_NT) $(GUEST_OUT)/hal.lib $(GUEST)/%.def
	$(call Q,PE $@)$(GUEST_LINK) /entry:KiSystemStartup /section:.simtab,RD /section:INIT,ERD \
		/def:$(abspath $(GUEST)/$*.def) $(notdir $(GUEST_NT)) hal.lib
$(GUEST_OUT)/%.dll: $(GUEST_OUT)/%.obj $(GUEST_OUT)/ntoskrnl.lib
	$(call Q,PE $@)$(GUEST_LINK) /dll /entry:HalInitSystem $(notdir $^)
$(GUEST_OUT)/%.sys: $(GUEST_OUT)/%.obj $(GUEST_OUT)/ntoskrnl.lib
	$(call Q,PE $@)$(GUEST_LINK) /entry:DriverEntry /section:INIT,ERD $(notdir $^)

# The machine's unit tests run these images, those of bridge/image convert them.
$(O)/test/unit/sim/%.o $(O)/test/unit/bridge/%.o: ALL_CFLAGS += -DGUEST_IMAGES='"$(abspath $(GUEST_OUT))"'
unit-programs: guest
