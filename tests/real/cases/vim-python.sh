# SPDX-License-Identifier: MIT
#
# vim with its interfaces: Python 3 and Lua scripts edit a buffer.  (Debian's
# vim dlopens libpython, and Python its modules.)
# packages: vim-nox python3
# class: quick
# opens: lib-dynload/
[ -x /usr/bin/vim.nox ] || skip "vim.nox is not installed"
cat >script.vim <<'EOF'
set nomore
python3 << PY
import vim, sys, hashlib, ctypes, decimal, _ssl
vim.current.buffer[:] = ["from python", hashlib.sha256(b"abc").hexdigest(),
    str(decimal.Decimal(1) / 7), str(ctypes.CDLL(None).abs(-5)), _ssl.OPENSSL_VERSION.split()[0]]
vim.command("let g:seen = py3eval('[1, 2, 3]')")
PY
call append('$', string(g:seen))
call append('$', py3eval('[k for k in ("vim", "_hashlib", "_decimal") if k in sys.modules]'))
if has('lua')
	lua vim.buffer():insert("from lua " .. math.floor(7.5))
endif
if has('perl')
	perl use POSIX; $curbuf->Append(0, POSIX::floor(3.7));
	perl $curbuf->Append(0, "from perl " . join(",", sort { $a <=> $b } 3, 1, 2));
endif
try
	python3 raise ValueError("deliberate")
catch
	call append('$', v:exception)
endtry
write! out.txt
qall!
EOF
under vim.nox -N -u NONE -i NONE -n -es -S script.vim >log 2>&1 </dev/null || echo "status $?"
cat out.txt
