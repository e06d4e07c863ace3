# SPDX-License-Identifier: MIT
#
# Turns the BUILD lines of the test sources into a Makefile on stdout. A source says in a comment
#     BUILD libx.so: <flags>        a shared library (-shared -fPIC)
#     BUILD prog: <flags>           a program, linked with twin.o and exporting its symbols
# with one line for each variant. Everything of tests/{conform,fixtures}/<category>/ is built inside
# build/conform/<category>/, so flags name other libraries without a directory ("liby.so"), which also makes them
# prerequisites and gives DT_NEEDED entries without a slash. @origin stands for a RUNPATH of $ORIGIN, @dir for the
# directory of the source.

FNR == 1 {
	n = split(FILENAME, part, "/")
	category = part[n - 1]
	kind = part[n - 2]
	source = FILENAME
	directory = FILENAME
	sub(/\/[^\/]*$/, "", directory)
}

/(^|[ *])BUILD [^ ]+:/ {
	line = $0
	sub(/.*BUILD /, "", line)
	target = line
	sub(/:.*/, "", target)
	flags = line
	sub(/^[^:]*: ?/, "", flags)
	gsub(/@origin/, "-Wl,-rpath,'$ORIGIN'", flags)
	gsub(/\$/, "$$", flags)
	gsub(/@dir/, directory, flags)
	key = category "/" target
	if (key in source_of) {
		print "two rules for " key > "/dev/stderr"
		exit 1
	}
	order[++count] = key
	source_of[key] = source
	flags_of[key] = flags
	category_of[key] = category
	target_of[key] = target
	if (target !~ /\.(so|o)$/ && kind == "conform")
		programs = programs key "\n"
}

END {
	print "all:"
	for (i = 1; i <= count; i++) {
		key = order[i]
		target = target_of[key]
		compiler = source_of[key] ~ /\.cc$/ ? "$(CXX) $(CXXFLAGS)" : "$(CC) $(CFLAGS)"
		needs = ""
		m = split(flags_of[key], word, " ")
		for (j = 1; j <= m; j++) {
			sub(/^\.\//, "", word[j])
			if ((category_of[key] "/" word[j]) in source_of)
				needs = needs " " category_of[key] "/" word[j]
		}
		if (target ~ /\.so$/) {
			kind = "-shared -fPIC"
			tail = ""
		} else if (target ~ /\.o$/) {
			kind = "-c"
			tail = ""
		} else {
			kind = "-rdynamic"
			tail = " ../twin.o"
			needs = needs " twin.o"
		}
		dir = target ~ /\// ? "mkdir -p " substr(target, 1, match(target, /\/[^\/]*$/)) " && " : ""
		printf "all: %s\n%s: %s%s\n", key, key, source_of[key], needs
		printf "\t@mkdir -p %s && cd %s && %s%s %s -o %s %s%s %s%s\n", category_of[key], category_of[key], dir,
			compiler, kind, target, source_of[key], tail, flags_of[key],
			target ~ /\.o$/ ? "" : " $(LDLIBS)"
	}
	printf "%s", programs > "programs.new"
}
