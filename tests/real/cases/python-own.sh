# SPDX-License-Identifier: MIT
#
# Python's own tests of the modules that live on dlopen: ctypes, import, and
# the extension modules around compression, hashing, decimals and memory maps.
# packages: python3 libpython3.11-testsuite
# class: quick
# opens: /_ctypes\. /_ctypes_test\. /_hashlib\. /libffi /libcrypto
need_py test.test_ctypes
under $PY "$REAL_DIR/helpers/pytests.py" test.test_ctypes test.test_import \
	test.test_importlib.extension test.test_hashlib test.test_zlib \
	test.test_mmap test.test_uuid test.test_crypt \
	test.test_contextlib test.test_audioop
