# SPDX-License-Identifier: MIT
#
# Imports every extension module of the standard library into one process
# and says what each one holds; then imports each in a process of its own.
# packages: python3
# class: quick
# opens: /_ssl\. /_sqlite3\. /libsqlite3 /_ctypes\. /_curses_panel\. /libncursesw /_dbm\.
# opens: /_uuid\. /readline\. /_decimal\.
cat >all.py <<'EOF'
import importlib.util, os, sys, sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
where = os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload")
names = sorted({f[:-len(s)] for f in os.listdir(where)
                for s in EXTENSION_SUFFIXES if f.endswith(s)})
# Tcl/Tk may be installed without the module's own library, or the reverse.
names = sorted({n.split(".")[0] for n in names})
def one(n):
    try:
        m = __import__(n)
    except ImportError as e:
        print(n, "ImportError", e)
    else:
        print(n, len(dir(m)), getattr(m, "__doc__", None) is None,
              os.path.basename(getattr(m, "__file__", "built in")))
if len(sys.argv) > 1:
    one(sys.argv[1])
else:
    for n in names:
        one(n)
    sys.stdout.flush()
    import subprocess
    for n in names:
        r = subprocess.run([sys.executable, __file__, n], capture_output=True)
        print(n, r.returncode, r.stdout.decode().strip())
EOF
under $PY all.py
