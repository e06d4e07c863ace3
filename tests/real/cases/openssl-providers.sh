# SPDX-License-Identifier: MIT
#
# The openssl command with the legacy provider, which it dlopens: old digests
# and ciphers, provider listing, and the error when a provider is missing.
# packages: openssl
# class: quick
# opens: /ossl-modules/legacy\.so
need openssl
legacy="-provider legacy -provider default"
printf 'The quick brown fox\n' >text
for digest in md4 whirlpool ripemd160 sha256 sha3-512 blake2b512; do
	under openssl dgst -$digest $legacy text
done
for cipher in rc4 rc2-cbc des-cbc bf-cbc cast5-cbc seed-cbc aes-256-cbc chacha20; do
	under openssl enc -$cipher $legacy -k secret -pbkdf2 -S 0102030405060708 -in text -out enc
	echo "$cipher $(od -An -tx1 <enc | tr -d ' \n')"
	under openssl enc -d -$cipher $legacy -k secret -pbkdf2 -S 0102030405060708 -in enc
done
under openssl list -providers $legacy
under openssl list -providers -provider nonsense 2>err && echo "no error?" || echo "status $?"
grep -o 'nonsense.so: .*' err | head -n 1
under openssl genpkey -algorithm ed25519 -out key.pem
under openssl pkey -in key.pem -pubout -out pub.pem
under openssl pkeyutl -sign -inkey key.pem -rawin -in text -out sig
under openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in text -sigfile sig
under openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=test -days 1 \
	2>/dev/null
under openssl pkcs12 -export -legacy -in c -inkey k -out p12 -passout pass:x
under openssl pkcs12 -legacy -in p12 -passin pass:x -nokeys -noenc | grep subject
