# SPDX-License-Identifier: MIT
#
# Python's own tests of decimal arithmetic, lzma and the JSON accelerator.
# packages: python3 libpython3.11-testsuite
# class: slow
# opens: /_decimal\. /_lzma\. /_json\.
need_py test.test_ctypes
under $PY "$REAL_DIR/helpers/pytests.py" test.test_decimal test.test_lzma test.test_bz2 \
	test.test_json test.test_asyncio.test_tasks test.test_asyncio.test_events
