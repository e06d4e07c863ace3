// SPDX-License-Identifier: MIT
//
// An extension module for Python in C++, made to be difficult to load:
// exceptions come from another library and end as Python exceptions, Python
// exceptions travel through C++ frames, and each thread has an object of its
// own that is made when it is first used and destroyed with its thread.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "thrower.h"

#include <algorithm>
#include <vector>

namespace
{

// A Python exception is set; this carries it through C++ frames.
struct PythonError {
};

std::atomic<int> threads_gone;

struct Mine {
	std::vector<long> numbers;
	~Mine()
	{
		threads_gone++;
	}
};
thread_local Mine mine;
thread_local long plain_count = 100;

PyObject *refuse(PyObject *, PyObject *args)
{
	int depth, code;

	if (!PyArg_ParseTuple(args, "ii", &depth, &code))
		return nullptr;
	try {
		descend(depth, code);
	} catch (const Refused &e) {
		PyErr_Format(PyExc_ValueError, "%s, %d guards left", e.what(), Guard::alive.load());
		return nullptr;
	}
	Py_RETURN_NONE;
}

// Sort with a comparison written in Python: an exception in it leaves through
// the middle of std::sort.
PyObject *sorted(PyObject *, PyObject *args)
{
	PyObject *list, *less;

	if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &list, &less))
		return nullptr;
	std::vector<long> v;
	for (Py_ssize_t i = 0; i < PyList_Size(list); i++)
		v.push_back(PyLong_AsLong(PyList_GetItem(list, i)));
	try {
		std::sort(v.begin(), v.end(), [less](long a, long b) {
			Guard guard;
			PyObject *r = PyObject_CallFunction(less, "ll", a, b);
			if (!r)
				throw PythonError();
			bool yes = PyObject_IsTrue(r);
			Py_DECREF(r);
			return yes;
		});
	} catch (const PythonError &) {
		return nullptr;
	}
	PyObject *out = PyList_New(0);
	for (long n : v) {
		PyObject *o = PyLong_FromLong(n);
		PyList_Append(out, o);
		Py_DECREF(o);
	}
	return out;
}

PyObject *remember(PyObject *, PyObject *args)
{
	long n;

	if (!PyArg_ParseTuple(args, "l", &n))
		return nullptr;
	mine.numbers.push_back(n);
	plain_count++;
	return Py_BuildValue("(nl)", (Py_ssize_t)mine.numbers.size(), plain_count);
}

PyObject *gone(PyObject *, PyObject *)
{
	return PyLong_FromLong(threads_gone);
}

PyMethodDef methods[] = {
	{"refuse", refuse, METH_VARARGS, "throw in a library below and raise ValueError"},
	{"sorted", sorted, METH_VARARGS, "std::sort with a comparison in Python"},
	{"remember", remember, METH_VARARGS, "remember a number in this thread"},
	{"gone", gone, METH_NOARGS, "how many threads that remembered have ended"},
	{nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT,
		      "throwing",
		      nullptr,
		      -1,
		      methods,
		      nullptr,
		      nullptr,
		      nullptr,
		      nullptr};

} // namespace

PyMODINIT_FUNC PyInit_throwing(void)
{
	return PyModule_Create(&module);
}
