# SPDX-License-Identifier: MIT
#
# What the demo has Python do: import every extension module of its standard
# library, calculate with numpy, throw C++ exceptions through an extension
# module of the demo's own, and use thread-locals of C++ from many threads.
# The output says nothing about time or addresses, so that two runs compare.
import importlib
import os
import sysconfig
import textwrap
import threading
import time
from importlib.machinery import EXTENSION_SUFFIXES


def title(text):
    print(f"\n  {text}", flush=True)


def say(text):
    print(textwrap.fill(text, 92, initial_indent="    ", subsequent_indent="    "), flush=True)


title("every extension module of the standard library")
where = os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload")
files = [f for f in os.listdir(where) if f.endswith(tuple(EXTENSION_SUFFIXES))]
names = sorted({f.split(".")[0] for f in files})
good, bad = [], []
for name in names:
    try:
        module = importlib.import_module(name)
        good.append(f"{name}({len(dir(module))})")
    except ImportError as e:
        bad.append(f"{name}: {e}")
say(" ".join(good))
for line in bad:
    say(f"not here: {line}")
say(f"{len(good)} imported, {len(bad)} not")

title("some of them at work")
import ctypes, decimal, hashlib, lzma, sqlite3, ssl, uuid, zlib
say(f"sha3-256 {hashlib.sha3_256(b'libdlrs').hexdigest()[:32]}")
say(f"1/7 {decimal.Decimal(1) / decimal.Decimal(7)}")
say(f"ctypes {ctypes.CDLL(None).strlen(b'four')}, uuid {uuid.uuid5(uuid.NAMESPACE_DNS, 'example')}")
db = sqlite3.connect(":memory:")
say(f"sqlite {db.execute('select sum(value) from json_each(?)', ('[20, 22]',)).fetchone()[0]}")
say(f"lzma {len(lzma.decompress(lzma.compress(b'x' * 5000)))}, zlib {zlib.crc32(b'libdlrs')}")
say(f"tls contexts with {len(ssl.create_default_context().get_ciphers())} ciphers")

title("numpy: a linear system of 200 unknowns, eigenvalues, a Fourier transform")
import numpy as np
r = np.random.default_rng(1)
a, b = r.standard_normal((200, 200)), r.standard_normal(200)
x = np.linalg.solve(a, b)
say(f"|ax - b| < 1e-9: {bool(np.abs(a @ x - b).max() < 1e-9)}, sum of x {x.sum():.6f}")
say(f"largest eigenvalues of a a^T {np.linalg.eigvalsh(a @ a.T)[-3:].round(4)}")
say(f"back from frequencies: {bool(np.allclose(np.fft.ifft(np.fft.fft(b)).real, b))}")
try:
    np.linalg.cholesky(-np.eye(3))
except np.linalg.LinAlgError as e:
    say(f"LinAlgError: {e}")

title("C++ exceptions, from a library through an extension module into Python")
import throwing
for depth in 0, 5, 50:
    try:
        throwing.refuse(depth, depth + 7)
    except ValueError as e:
        say(f"thrown {depth} frames down: ValueError: {e}")
say(f"std::sort, compared by Python: {throwing.sorted([5, 3, 9, 1, 7], lambda a, b: a > b)}")


def moody(a, b):
    if 9 in (a, b):
        raise RuntimeError("not with a nine")
    return a < b


try:
    throwing.sorted([5, 3, 9, 1, 7], moody)
except RuntimeError as e:
    say(f"and a comparison that raises: RuntimeError: {e}")

title("thread-locals of C++ in 16 threads, and exceptions in all of them")
results = [None] * 16


def work(n):
    for k in range(n + 1):
        seen = throwing.remember(k)
    try:
        throwing.refuse(n, n)
    except ValueError as e:
        results[n] = f"{seen[0]}/{seen[1]}/{str(e).split(',')[0].split()[-1]}"


throwing.remember(0)
threads = [threading.Thread(target=work, args=(n,)) for n in range(len(results))]
for t in threads:
    t.start()
for t in threads:
    t.join()
say(" ".join(str(s) for s in results))
for _ in range(500):
    if throwing.gone() == len(threads):
        break
    time.sleep(0.01)
say(f"threads whose own objects were destroyed: {throwing.gone()}")
say(f"the numbers of the main thread: {throwing.remember(0)}")
