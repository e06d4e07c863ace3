# SPDX-License-Identifier: MIT
#
# Lua with C modules: sockets, files, patterns, JSON, TLS.
# packages: lua5.4 lua-socket lua-filesystem lua-lpeg lua-cjson lua-sec
# class: quick
# opens: socket/core|liblua5\.4-socket lfs|filesystem lpeg cjson
need lua5.4
for m in socket lfs lpeg cjson ssl; do
	lua5.4 -e "require '$m'" 2>/dev/null || skip "Lua's module $m is not installed"
done
cat >work.lua <<'EOF'
local socket, lfs, lpeg, cjson = require "socket", require "lfs", require "lpeg", require "cjson"
local ssl, mime = require "ssl", require "mime"

local server = assert(socket.bind("127.0.0.1", 0))
local _, port = server:getsockname()
local client = assert(socket.connect("127.0.0.1", port))
local peer = server:accept()
client:send("hello\n")
print(peer:receive())
peer:close()
print(client:receive())

lfs.mkdir("d")
print(lfs.attributes("d", "mode"), lfs.attributes("none"))
io.open("d/f", "w"):write("x"):close()
local names = {}
for f in lfs.dir("d") do names[#names + 1] = f end
table.sort(names)
print(table.concat(names, " "))

local P, R, S, V, C = lpeg.P, lpeg.R, lpeg.S, lpeg.V, lpeg.C
local number = C(R "09" ^ 1) / tonumber
local function add(a, op, b) return op == "+" and a + b or a - b end
local function multiply(a, _, b) return a * b end
local expression = P { "E",
	E = lpeg.Cf(V "T" * lpeg.Cg(C(S "+-") * V "T") ^ 0, add),
	T = lpeg.Cf(number * lpeg.Cg(C(S "*") * number) ^ 0, multiply),
}
print(expression:match("1+2*30-4"))

local t = cjson.decode('{"a":[1,2.5,null,"\\u263a"],"b":{"c":true}}')
print(t.a[1], t.a[2], t.a[3] == cjson.null, t.a[4], t.b.c)
print(pcall(cjson.decode, '{"a":'))
print(cjson.encode({ 1, 2, { x = 1 } }))
print(mime.b64("hello"))

print(type(assert(ssl.newcontext { mode = "client", protocol = "any" })))
print(ssl.newcontext { mode = "client", protocol = "nonsense" })

print(select(2, pcall(require, "no.such.module")):match("^[^\n]*"))
print(package.loadlib("/nonexistent.so", "*"))
local path = package.searchpath("lfs", package.cpath)
print(package.loadlib(path, "no_such_function"))
for i = 1, 5 do print(type(assert(package.loadlib(path, "luaopen_lfs"))())) end
EOF
under lua5.4 work.lua
