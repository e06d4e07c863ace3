# SPDX-License-Identifier: MIT
#
# numpy and scipy: BLAS and LAPACK (and their threads), FFTs, random numbers,
# sparse matrices, optimisation, special functions; a wrong relocation of a
# vector function shows up in the digits.
# packages: python3 python3-numpy python3-scipy
# class: quick
# opens: numpy.*/_multiarray_umath\. numpy.*/_umath_linalg\. /libgfortran scipy.*/_sparsetools\.
need_py numpy scipy
cat >work.py <<'EOF'
import numpy as np
import scipy.fft, scipy.integrate, scipy.interpolate, scipy.linalg, scipy.optimize
import scipy.signal, scipy.sparse, scipy.sparse.linalg, scipy.special, scipy.stats
import scipy.ndimage, scipy.spatial
np.set_printoptions(precision=8, suppress=True)
r = np.random.default_rng(7)
a = r.standard_normal((120, 120)); b = r.standard_normal(120)
x = np.linalg.solve(a, b)
print("solve", np.abs(a @ x - b).max() < 1e-9, round(float(x.sum()), 6))
w = np.linalg.eigvalsh(a @ a.T); print("eig", w[-3:])
u, s, v = np.linalg.svd(a); print("svd", s[:3], np.allclose(u * s @ v, a))
print("det", round(float(np.linalg.slogdet(a)[1]), 6))
print("fft", np.allclose(np.fft.ifft(np.fft.fft(b)).real, b), abs(scipy.fft.rfft(b)).sum().round(6))
m = scipy.sparse.random(400, 400, 0.02, random_state=3, format="csr")
m = m + scipy.sparse.identity(400) * 4
y = scipy.sparse.linalg.spsolve(m.tocsc(), np.ones(400)); print("sparse", y.sum().round(8))
print("eigsh", scipy.sparse.linalg.eigsh(m + m.T, 2, v0=np.ones(400))[0])
print("expm", round(float(scipy.linalg.expm(a / 50).trace()), 6))
print("quad", scipy.integrate.quad(lambda t: np.exp(-t * t), 0, np.inf)[0])
print("root", scipy.optimize.brentq(lambda t: np.cos(t) - t, 0, 1))
print("min", scipy.optimize.minimize(scipy.optimize.rosen, [1.3, .7, .8, 1.9]).x.round(3))
print("special", scipy.special.jv(2.5, [1, 2, 3]), scipy.special.gamma(4.5))
print("stats", scipy.stats.norm.ppf([.025, .5, .975]))
print("spline", scipy.interpolate.CubicSpline(range(9), np.sin(range(9)))(3.3))
print("filter", scipy.signal.lfilter(*scipy.signal.butter(3, .2), b)[:3])
print("image", scipy.ndimage.gaussian_filter(a, 2)[3, :3])
print("tree", scipy.spatial.cKDTree(a[:, :3]).query([0, 0, 0])[1])
print("sort", np.sort(b)[:3], np.exp(b).sum().round(6), np.sin(b).sum().round(6))
print("f16", np.float16(b).astype(float).sum().round(3))
print("einsum", np.einsum("ij,jk->ik", a, a)[0, 0].round(6))
try:
    np.linalg.cholesky(-np.eye(3))
except np.linalg.LinAlgError as e:
    print("error", e)
EOF
export OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
under $PY work.py
