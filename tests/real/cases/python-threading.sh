# SPDX-License-Identifier: MIT
#
# Python's own tests of threads, thread-locals, and threads meeting fork.
# packages: python3 libpython3.11-testsuite
# class: slow
need_py test.test_ctypes
under $PY "$REAL_DIR/helpers/pytests.py" test.test_threading \
	test.test_threading_local test.test_thread test.test_fork1 \
	test.test_queue
