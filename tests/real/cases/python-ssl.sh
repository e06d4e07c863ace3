# SPDX-License-Identifier: MIT
#
# Python's own tests of the ssl module: libssl and libcrypto, with threads
# that talk TLS to each other over the loopback.
# packages: python3 libpython3.11-testsuite
# class: slow
# opens: /_ssl\. /libssl /libcrypto
need_py test.test_ctypes
under $PY "$REAL_DIR/helpers/pytests.py" test.test_ssl
