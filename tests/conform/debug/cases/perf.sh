# SPDX-License-Identifier: MIT
#
# perf: names and call graphs of code in our images, while it runs and after.

_record()
{
	need perf
	LD_PRELOAD=$lib perf record -o data "$@" >record.log 2>&1 ||
		skip "perf cannot record here: $(grep -m 1 -iE 'error|not|permission' record.log)"
}

_report()
{
	perf report -i data --stdio "$@" >log 2>report.log
}

perf_names()
{
	_record -F 500 ./program open ./libhot.so call close
	_report --sort dso,symbol
	wants '' ' libhot.so +\[\.\] hot_spin'
}

perf_call_graph()
{
	_record -F 500 --call-graph fp ./program open ./libhot.so call
	_report --no-children --sort symbol -G
	wants '' 'hot_spin'
	wants '' 'hot_call'
	wants '' 'main'
}

perf_call_graph_dwarf()
{
	_record -F 100 --call-graph dwarf,4096 ./program open ./libhot.so call
	perf script -i data >log 2>report.log
	wants '' 'hot_spin.*libhot.so'
	wants '' 'hot_call.*libhot.so'
	wants '' ' main.*program'
}

# The library was mapped before perf came.
perf_attached()
{
	need perf
	start ./program open ./libhot.so stop call
	perf record -o data -F 500 -p "$pid" >record.log 2>&1 &
	perf=$!
	while [ ! -s data ]; do
		kill -0 $perf 2>/dev/null || skip "perf cannot record here: $(head -n 1 record.log)"
	done
	echo >go
	wait "$pid"
	wait $perf
	_report --sort dso,symbol
	wants '' ' libhot.so +\[\.\] hot_spin'
}
