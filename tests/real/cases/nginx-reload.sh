# SPDX-License-Identifier: MIT
#
# nginx with dynamic modules answers requests while it is told 20 times to
# read its configuration again: each time the master dlopens the modules anew,
# forks workers, and closes the old ones.
# packages: nginx libnginx-mod-stream libnginx-mod-mail libnginx-mod-http-echo
# packages: libnginx-mod-http-headers-more-filter libnginx-mod-http-xslt-filter
# packages: libnginx-mod-http-image-filter libnginx-mod-http-subs-filter
# packages: libnginx-mod-http-lua libnginx-mod-http-js curl
# class: slow
# opens: /ngx_http_echo_module\.so /ngx_http_lua_module\.so /ngx_stream_module\.so
# opens: /ngx_http_image_filter_module\.so /ngx_http_js_module\.so /libgd\.so /libxslt\.so
need nginx curl
modules=/usr/lib/nginx/modules
all="ndk_http ngx_http_echo ngx_http_headers_more_filter ngx_http_xslt_filter ngx_http_image_filter
	ngx_http_subs_filter ngx_http_lua ngx_http_js ngx_stream ngx_mail"
for m in $all; do
	[ -e $modules/${m}_module.so ] || skip "nginx's module $m is not installed"
done
port=$(free_port)
stream_port=$(free_port)
mkdir -p html tmp
echo '<list><i>one</i><i>two</i></list>' >html/list.xml
cat >html/list.xsl <<'EOF'
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/>
<xsl:template match="/">
<xsl:for-each select="//i">[<xsl:value-of select="."/>]</xsl:for-each>
</xsl:template>
</xsl:stylesheet>
EOF
echo 'a needle in a haystack' >html/text.txt
$PY - <<'EOF'
import struct, zlib
def chunk(t, d):
    return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
rows = b"".join(b"\0" + b"".join(bytes((x * 4, y * 4, 99)) for x in range(60)) for y in range(40))
with open("html/pic.png", "wb") as f:
    f.write(b"\x89PNG\r\n\x1a\n")
    f.write(chunk(b"IHDR", struct.pack(">IIBBBBB", 60, 40, 8, 2, 0, 0, 0)))
    f.write(chunk(b"IDAT", zlib.compress(rows)))
    f.write(chunk(b"IEND", b""))
EOF
cat >html/hi.js <<'EOF'
function hi(r) { r.return(200, "js " + [3, 1, 2].sort().join("")); }
export default { hi };
EOF
configure() {
	user=
	[ "$(id -u)" != 0 ] || user='user www-data;'
	cat >next.conf <<EOF
$user
daemon off;
worker_processes 2;
pid $REAL_WORK/nginx.pid;
error_log $REAL_WORK/error.log notice;
$(for m in $all; do echo "load_module $modules/${m}_module.so;"; done)
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path $REAL_WORK/tmp/a;
	proxy_temp_path $REAL_WORK/tmp/b;
	fastcgi_temp_path $REAL_WORK/tmp/c;
	uwsgi_temp_path $REAL_WORK/tmp/d;
	scgi_temp_path $REAL_WORK/tmp/e;
	lua_package_path "/usr/share/lua/5.1/?.lua;;";
	js_import hi from $REAL_WORK/html/hi.js;
	types { text/xml xml; text/plain txt; image/png png; }
	server {
		listen 127.0.0.1:$port;
		root $REAL_WORK/html;
		more_set_headers "X-Case: real";
		location = /generation { return 200 "generation $1\n"; }
		location = /echo { echo -n "echo "; echo \$request_method; echo_flush; }
		location = /list.xml { xslt_stylesheet $REAL_WORK/html/list.xsl; }
		location = /pic.png { image_filter resize 30 20; }
		location = /text.txt { subs_filter_types text/plain; subs_filter needle pin; }
		location = /js { js_content hi.hi; }
		location = /lua { content_by_lua_block {
			local s = 0
			for i = 1, 100 do s = s + i end
			ngx.say("lua ", s, " ", ngx.md5("abc"))
		} }
	}
}
stream { server { listen 127.0.0.1:$stream_port; proxy_pass 127.0.0.1:$port; } }
EOF
	mv next.conf nginx.conf
}
generation_is() {
	[ "$(curl -s --max-time 10 "http://127.0.0.1:$port/generation")" = "generation $1" ]
}
configure 0
chmod -R a+rX . && chmod a+rwx tmp
start nginx -c "$REAL_WORK/nginx.conf" -e "$REAL_WORK/error.log"
nginx=$started
at_exit "stop $nginx QUIT; tail -n 5 error.log >&2"
wait_until 120 generation_is 0
$PY "$REAL_DIR/helpers/hammer.py" $port stop /generation /echo /list.xml /pic.png /text.txt \
	/js /lua >hammered &
hammer=$!
at_exit 'touch stop'
for n in $(seq 20); do
	configure $n
	kill -HUP $nginx
	wait_until 120 generation_is $n
done
touch stop
wait $hammer
cat hammered
for path in echo list.xml text.txt js lua; do
	curl -s "http://127.0.0.1:$port/$path"
	echo
done
curl -s -D - -o small.png "http://127.0.0.1:$port/pic.png" | grep -i '^x-case'
$PY -c 'import struct; print(struct.unpack(">II", open("small.png", "rb").read()[16:24]))'
curl -s "http://127.0.0.1:$stream_port/echo"
grep -E '\[(alert|crit|emerg|error)\]' error.log || echo "no errors logged"
grep -c 'exited on signal' error.log || :
stop $nginx QUIT
wait $nginx && echo "status 0" || echo "status $?"
