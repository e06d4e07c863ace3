# SPDX-License-Identifier: MIT
#
# Lua with C modules: sockets, files, patterns, JSON, TLS.
# packages: lua5.4 lua-socket lua-filesystem lua-lpeg lua-cjson lua-sec
# class: quick
# opens: socket/core|liblua5\.4-socket lfs|filesystem lpeg cjson
need lua5.4
lua5.4 -e 'require "socket"; require "lfs"; require "lpeg"; require "cjson"; require "ssl"' 2>/dev/null ||
	skip "a Lua module of the package list is not installed"
cat >work.lua <<'EOF'
local socket, lfs, lpeg, cjson = require "socket", require "lfs", require "lpeg", require "cjson"
local ssl, mime = require "ssl", require "mime"
local s = assert(socket.bind("127.0.0.1", 0))
local _, port = s:getsockname()
local c = assert(socket.connect("127.0.0.1", port))
local d = s:accept()
c:send("hello\n"); print(d:receive()); d:close(); print(c:receive())
lfs.mkdir("d"); print(lfs.attributes("d", "mode"), lfs.attributes("none"))
io.open("d/f", "w"):write("x"):close()
local names = {}; for f in lfs.dir("d") do names[#names + 1] = f end; table.sort(names); print(table.concat(names, " "))
local P, R, S, V, C = lpeg.P, lpeg.R, lpeg.S, lpeg.V, lpeg.C
local num = C(R "09" ^ 1) / tonumber
local expr = P { "E", E = lpeg.Cf(V "T" * lpeg.Cg(C(S "+-") * V "T") ^ 0, function(a, o, b) return o == "+" and a + b or a - b end),
	T = lpeg.Cf(num * lpeg.Cg(C(S "*") * num) ^ 0, function(a, _, b) return a * b end) }
print(expr:match("1+2*30-4"))
local t = cjson.decode('{"a":[1,2.5,null,"\\u263a"],"b":{"c":true}}'); print(t.a[1], t.a[2], t.a[3] == cjson.null, t.a[4], t.b.c)
print(pcall(cjson.decode, '{"a":')); print(cjson.encode({ 1, 2, { x = 1 } }))
print(mime.b64("hello"))
print(select(2, pcall(require, "no.such.module")):match("^[^\n]*"))
print(package.loadlib("/nonexistent.so", "*"))
for i = 1, 5 do local f = assert(package.loadlib(package.searchpath("lfs", package.cpath), "luaopen_lfs")); print(type(f())) end
local ctx = assert(ssl.newcontext { mode = "client", protocol = "any" }); print(type(ctx))
print(ssl.newcontext { mode = "client", protocol = "nonsense" })
print(pcall(ssl.loadcertificate, "junk"))
EOF
under lua5.4 work.lua
