# SPDX-License-Identifier: MIT
#
# The C and C++ compilers load a plugin that the case builds; it refers back
# to some hundred symbols of the compiler itself and adds a pass.
# packages: gcc-12-plugin-dev g++-12
# class: slow
# opens: /count\.so
need g++-12 gcc-12
dir=$(gcc-12 -print-file-name=plugin)
need_file "$dir/include/gcc-plugin.h"
cat >count.cc <<'EOF'
#include "gcc-plugin.h"
#include "plugin-version.h"
#include "tree.h"
#include "tree-pass.h"
#include "context.h"
#include "function.h"
#include "gimple.h"
#include "gimple-iterator.h"
int plugin_is_GPL_compatible;
static const pass_data data = {GIMPLE_PASS, "count", OPTGROUP_NONE, TV_NONE, PROP_cfg, 0, 0, 0, 0};
struct count_pass : gimple_opt_pass {
	count_pass(gcc::context *c) : gimple_opt_pass(data, c)
	{
	}
	unsigned execute(function *f) override
	{
		int blocks = 0, calls = 0;
		basic_block bb;
		FOR_EACH_BB_FN(bb, f)
		{
			blocks++;
			for (auto i = gsi_start_bb(bb); !gsi_end_p(i); gsi_next(&i))
				calls += is_gimple_call(gsi_stmt(i));
		}
		fprintf(stderr, "count: %s %d blocks %d calls\n", function_name(f), blocks, calls);
		return 0;
	}
};
int plugin_init(plugin_name_args *info, plugin_gcc_version *v)
{
	if (!plugin_default_version_check(v, &gcc_version))
		return 1;
	register_pass_info r = {new count_pass(g), "cfg", 1, PASS_POS_INSERT_AFTER};
	register_callback(info->base_name, PLUGIN_PASS_MANAGER_SETUP, NULL, &r);
	return 0;
}
EOF
g++-12 -shared -fPIC -fno-rtti -O1 -I"$dir/include" -o count.so count.cc
cat >x.c <<'EOF'
int puts(const char *);
int f(int x) { if (x) puts("x"); else puts("y"); return x ? f(x - 1) : 0; }
int main(void) { return f(3); }
EOF
under gcc-12 -O1 -fplugin=./count.so -c x.c 2>&1
cp x.c x.cc
under g++-12 -O1 -fplugin=./count.so -c x.cc 2>&1
under gcc-12 -fplugin=./missing.so -c x.c 2>&1 | head -n 2
