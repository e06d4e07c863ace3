# SPDX-License-Identifier: MIT
#
# Apache with thirty-odd modules answers requests while it restarts
# gracefully ten times: each time it unloads its modules and loads them again.
# packages: apache2 curl openssl
# class: slow
# opens: /mod_ssl\.so /mod_lua\.so /mod_mpm_event\.so /mod_http2\.so /mod_rewrite\.so
# opens: /mod_deflate\.so
need apache2 curl openssl
modules=/usr/lib/apache2/modules
need_file $modules/mod_lua.so
port=$(free_port)
tls_port=$(free_port)
mkdir -p html run
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost \
	-days 2 2>/dev/null
echo 'plain page' >html/index.html
cat >html/run.cgi <<'EOF'
#!/bin/sh
printf 'Content-Type: text/plain\n\ncgi %s\n' "$REQUEST_METHOD"
EOF
chmod 755 html/run.cgi
cat >html/hi.lua <<'EOF'
function handle(r)
	r.content_type = "text/plain"
	r:puts("lua ", r:md5("abc"), "\n")
	return apache2.OK
end
EOF
cat >html/page.shtml <<'EOF'
<!--#echo var="DOCUMENT_NAME" --> <!--#set var="x" value="y" --><!--#echo var="x" -->
EOF
configure() {
	{
		for m in mpm_event authn_core authz_core authz_host authn_file authz_user auth_basic \
			auth_digest access_compat alias allowmethods actions asis autoindex brotli \
			buffer cache cache_disk cgid charset_lite data dav dav_fs dbd deflate dir env \
			expires ext_filter filter headers http2 include info lbmethod_byrequests lua \
			macro mime negotiation proxy proxy_http proxy_balancer proxy_fcgi \
			proxy_wstunnel ratelimit remoteip reqtimeout request rewrite sed session \
			session_cookie session_crypto setenvif slotmem_shm socache_shmcb speling ssl \
			status substitute unique_id userdir vhost_alias watchdog xml2enc; do
			[ -e $modules/mod_$m.so ] && echo "LoadModule ${m}_module $modules/mod_$m.so"
		done
		[ "$(id -u)" != 0 ] || printf 'User www-data\nGroup www-data\n'
		cat <<EOF
ServerRoot $REAL_WORK
ServerName localhost
PidFile $REAL_WORK/run/pid
DefaultRuntimeDir $REAL_WORK/run
ScriptSock $REAL_WORK/run/cgisock
ErrorLog $REAL_WORK/error.log
LogLevel notice
Listen 127.0.0.1:$port
Listen 127.0.0.1:$tls_port
DocumentRoot $REAL_WORK/html
StartServers 2
MaxConnectionsPerChild 0
Protocols h2 http/1.1
TypesConfig /etc/mime.types
AddHandler cgi-script .cgi
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
LuaMapHandler /lua $REAL_WORK/html/hi.lua handle
RewriteEngine On
RewriteRule ^/generation$ - [R=200,L]
RewriteRule ^/moved$ /index.html [PT]
Header always set X-Generation "$1"
<Location /balanced>
ProxyPass http://127.0.0.1:$port/index.html
</Location>
<Location /sed>
AddOutputFilterByType SUBSTITUTE text/html
Substitute s/plain/fancy/
ProxyPass http://127.0.0.1:$port/index.html
</Location>
<Directory $REAL_WORK/html>
Require all granted
Options +ExecCGI +Includes
</Directory>
<VirtualHost 127.0.0.1:$tls_port>
SSLEngine on
SSLCertificateFile $REAL_WORK/cert.pem
SSLCertificateKeyFile $REAL_WORK/key.pem
</VirtualHost>
EOF
	} >next.conf
	mv next.conf apache.conf
}
generation_is() {
	curl -s -o /dev/null -D - --max-time 10 "http://127.0.0.1:$port/" |
		grep -qi "^X-Generation: $1[[:space:]]*\$"
}
configure 0
chmod -R a+rX . && chmod a+rwx run
start apache2 -f "$REAL_WORK/apache.conf" -DFOREGROUND
apache=$started
at_exit "stop $apache; tail -n 5 error.log >&2"
wait_until 120 generation_is 0
$PY "$REAL_DIR/helpers/hammer.py" $port stop /index.html /moved /lua /page.shtml >hammered &
hammer=$!
at_exit 'touch stop'
for n in $(seq 10); do
	configure $n
	kill -USR1 $apache
	wait_until 120 generation_is $n
done
touch stop
wait $hammer
cat hammered
for path in index.html moved run.cgi lua page.shtml balanced sed; do
	curl -s "http://127.0.0.1:$port/$path"
done
curl -s --compressed -H 'Accept-Encoding: gzip, br' "http://127.0.0.1:$port/index.html"
curl -sk "https://localhost:$tls_port/index.html" --resolve "localhost:$tls_port:127.0.0.1"
curl -sk --http2 -o /dev/null -w '%{http_version}\n' "https://127.0.0.1:$tls_port/index.html"
grep -E ':(alert|crit|emerg)\]|Segmentation|exit signal' error.log || echo "no errors logged"
stop $apache
wait $apache && echo "status 0" || echo "status $?"
under apache2 -f "$REAL_WORK/apache.conf" -M 2>/dev/null | sort
