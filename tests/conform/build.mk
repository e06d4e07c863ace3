# SPDX-License-Identifier: MIT
#
# Builds the conformance programs and their fixtures. Run by run.sh inside build/conform, where rules.mk was written
# by rules.awk from the BUILD lines of the sources.
CC = gcc
CXX = g++
CONFORM ?= ../../tests/conform
# Whatever a link line names becomes a DT_NEEDED, also where the distribution's compiler says --as-needed.
COMMON = -O1 -g -Wall -Wextra -Wno-unused-parameter -I$(CONFORM) -Wl,--no-as-needed
CFLAGS = -std=gnu11 -D_GNU_SOURCE $(COMMON)
CXXFLAGS = -std=gnu++17 $(COMMON)
# Empty archives since glibc 2.34. Before that who needs them shall say so, and nobody else.
LDLIBS = -Wl,--as-needed -ldl -lpthread -lrt -Wl,--no-as-needed

include rules.mk

twin.o: $(CONFORM)/twin.c
	@$(CC) $(CFLAGS) -fPIC -c -o $@ $<

$(shell cat targets) twin.o: $(wildcard $(CONFORM)/*.h $(CONFORM)/*/*.h) $(CONFORM)/build.mk
