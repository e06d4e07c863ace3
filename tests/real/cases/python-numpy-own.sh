# SPDX-License-Identifier: MIT
#
# The tests that come with numpy, for linear algebra, FFTs and parts of the
# core, and with scipy for graphs and special functions.
# packages: python3 python3-numpy python3-scipy python3-pytest python3-hypothesis
# class: slow
# timeout: 1200
# opens: numpy.*/_multiarray_umath\. numpy.*/_umath_linalg\. scipy.*/_ufuncs\.
need_py numpy scipy pytest hypothesis
site=/usr/lib/python3/dist-packages
need_file $site/numpy/linalg/tests
status=0
under $PY -m pytest -q -p no:cacheprovider -p no:randomly --tb=no --color=no -rfE \
	$site/numpy/linalg/tests $site/numpy/fft/tests $site/numpy/core/tests/test_umath.py \
	$site/numpy/core/tests/test_dtype.py $site/scipy/sparse/csgraph/tests \
	$site/scipy/special/tests/test_basic.py \
	>log 2>err </dev/null || status=$?
echo "pytest: status $status"
grep -E '^(FAILED|ERROR)' log | sed 's/ - .*//' | sort
tail -n 1 log | sed 's/ in [0-9].*//; s/[0-9]* warnings*//'
