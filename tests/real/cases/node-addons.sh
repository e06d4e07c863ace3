# SPDX-License-Identifier: MIT
#
# Node with native add-ons from npm, of the kind that brings its binaries
# along: C and C++ and Rust (napi), one with a library of its own and worker
# threads.  The packages are fetched once, into the build directory.
# packages: nodejs/node npm/npm
# class: slow
# opens: /crc32\.linux-x64-gnu\.node /sodium-native\.node /utf-8-validate\.node
# opens: /lmdb-linux-x64/ /argon2
need node npm
packages="sodium-native@4.3.3 @node-rs/crc32@1.10.6 @node-rs/argon2@2.0.2 utf-8-validate@6.0.5
	bufferutil@4.0.9 lmdb@3.3.0"
if ! [ -e "$REAL_CACHE/node/complete" ]; then
	HOME=$REAL_HOME npm install --ignore-scripts --no-audit --no-fund --silent \
		--prefix "$REAL_CACHE/node" $packages >npm.log 2>&1 ||
		skip "npm cannot fetch the add-ons: $(tail -n 1 npm.log)"
	touch "$REAL_CACHE/node/complete"
fi
cat >work.js <<'EOF'
const {Worker, isMainThread, workerData, parentPort} = require('worker_threads');
const {createRequire} = require('module');
const from = createRequire(process.argv[2] + '/node_modules/x.js');
if (!isMainThread) {
	const {crc32} = from('@node-rs/crc32');
	const sodium = from('sodium-native');
	const out = Buffer.alloc(32);
	sodium.crypto_generichash(out, Buffer.from('worker ' + workerData));
	parentPort.postMessage(
		[ workerData, crc32('worker ' + workerData), out.toString('hex').slice(0, 16) ]);
	return;
}
(async () => {
	const {crc32, crc32c} = from('@node-rs/crc32');
	console.log('crc32', crc32('hello'), crc32c('hello'));
	const sodium = from('sodium-native');
	const h = Buffer.alloc(sodium.crypto_generichash_BYTES);
	sodium.crypto_generichash(h, Buffer.from('abc'));
	console.log('blake2b', h.toString('hex'));
	const k = Buffer.alloc(32, 1), n = Buffer.alloc(24, 2), m = Buffer.from('secret'),
	      c = Buffer.alloc(m.length + 16);
	sodium.crypto_secretbox_easy(c, m, n, k);
	console.log('box', c.toString('hex'));
	const back = Buffer.alloc(m.length);
	console.log(sodium.crypto_secretbox_open_easy(back, c, n, k), back.toString());
	try {
		sodium.crypto_secretbox_easy(c, m, n, Buffer.alloc(3));
	} catch (e) {
		console.log(e.constructor.name, String(e.message).slice(0, 40));
	}
	const valid = from('utf-8-validate');
	console.log('utf8', valid(Buffer.from('é')), valid(Buffer.from([ 0xff ])));
	const bu = from('bufferutil');
	const b = Buffer.from('masked data, some of it');
	bu.unmask(b, Buffer.from([ 1, 2, 3, 4 ]));
	console.log(b.toString('hex'));
	const {hash, verify} = from('@node-rs/argon2');
	const a = await hash('pw', {salt : Buffer.alloc(16, 7), memoryCost : 1024, timeCost : 2});
	console.log(a, await verify(a, 'pw'), await verify(a, 'no'));
	const {open} = from('lmdb');
	const db = open({path : 'db', compression : true});
	await db.transaction(() => {
		for (let i = 0; i < 500; i++)
			db.put(i, {i, text : 'x'.repeat(i)});
	});
	console.log('lmdb', db.getCount(), db.get(77).text.length,
		    [...db.getRange({start : 5, end : 8}) ].map(e => e.value.i).join());
	await db.close();
	const got = await Promise.all([...Array(4).keys() ].map(
		i => new Promise((res, rej) => {
			const w = new Worker(__filename,
					     {workerData : i, argv : [ process.argv[2] ]});
			w.on('message', res);
			w.on('error', rej);
		})));
	console.log(JSON.stringify(got));
	try {
		process.dlopen({exports : {}}, '/nonexistent.node');
	} catch (e) {
		console.log(e.code, e.message);
	}
	require('fs').writeFileSync(
		'bad.node',
		'junk junk junk junk junk junk junk junk junk junk junk junk junk junk junk');
	try {
		require('./bad.node');
	} catch (e) {
		console.log(e.code, e.message.replace(/.*\//, ''));
	}
	console.log(require('zlib').gunzipSync(require('zlib').gzipSync('x'.repeat(999))).length,
		    require('crypto').createHash('sha3-256').update('a').digest('hex').slice(0, 16),
		    1234567.891.toLocaleString('de-DE'));
})();
EOF
under node work.js "$REAL_CACHE/node"
