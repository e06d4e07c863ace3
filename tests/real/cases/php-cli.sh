# SPDX-License-Identifier: MIT
#
# PHP's command line with the extensions of the system, each at work.
# packages: php-cli php-mbstring php-xml php-sqlite3 php-curl php-gd php-intl php-gmp
# packages: php-bcmath php-zip
# class: quick
# opens: /mbstring\.so /dom\.so /sqlite3\.so /curl\.so /gd\.so /intl\.so /ffi\.so /opcache\.so
need php
for m in mbstring xml sqlite3 curl gd intl gmp bcmath zip; do
	php -m | grep -qi "^$m\$" || skip "PHP's $m is not installed"
done
cat >work.php <<'EOF'
<?php
$ext = get_loaded_extensions();
sort($ext);
foreach ($ext as $e) {
	$r = new ReflectionExtension($e);
	echo $e, " ", count($r->getFunctions()), " ", count($r->getClasses()), "\n";
}

echo mb_strtoupper("straße é"), " ", mb_convert_case("été", MB_CASE_TITLE), "\n";
echo bin2hex(mb_convert_encoding("あ", "SJIS", "UTF-8")), "\n";
echo iconv("UTF-8", "KOI8-R//TRANSLIT", "мир") === "\xcd\xc9\xd2" ? "iconv" : "no", "\n";

$d = new DOMDocument;
$d->loadXML("<a><b c='1'>t</b><b c='2'/></a>");
foreach ((new DOMXPath($d))->query("//b/@c") as $n) {
	echo $n->value, "\n";
}
libxml_use_internal_errors(true);
var_dump((new DOMDocument)->loadXML("<a>"));
echo count(libxml_get_errors()), "\n";
echo simplexml_load_string("<r><i>5</i></r>")->i + 1, "\n";

$db = new SQLite3(":memory:");
$db->exec("create table t(a, b)");
for ($i = 0; $i < 50; $i++) {
	$db->exec("insert into t values($i, $i*$i)");
}
$db->createFunction("php_rev", "strrev");
echo $db->querySingle("select sum(b) || php_rev('abc') from t"), "\n";
$p = new PDO("sqlite::memory:");
echo $p->query("select 6*7")->fetchColumn(), "\n";
try {
	$p->query("nonsense");
} catch (PDOException $e) {
	echo get_class($e), " ", $e->getMessage(), "\n";
}

file_put_contents("f.txt", "by curl\n");
curl_exec(curl_init("file://" . getcwd() . "/f.txt"));

function image($im, $write)
{
	ob_start();
	$write($im);
	return ob_get_clean();
}
$im = imagecreatetruecolor(64, 64);
imagefilledellipse($im, 32, 32, 40, 30, imagecolorallocate($im, 255, 99, 7));
foreach (["imagepng", "imagejpeg", "imagewebp", "imagegif"] as $write) {
	$data = image($im, $write);
	echo $write, " ", md5($data), " ", imagecolorat(imagecreatefromstring($data), 32, 32), "\n";
}

echo (new NumberFormatter("de_DE", NumberFormatter::DECIMAL))->format(1234567.891), "\n";
$words = ["zebra", "ärlig", "åka", "orm"];
(new Collator("sv_SE"))->sort($words);
echo implode(" ", $words), "\n";
echo Normalizer::normalize("e\u{301}") === "é" ? "nfc" : "no", "\n";
echo transliterator_transliterate("Any-Latin; Latin-ASCII", "Ελλάδα"), "\n";
echo gmp_strval(gmp_pow(3, 100)), " ", bcdiv("1", "7", 30), "\n";

$z = new ZipArchive;
$z->open("a.zip", ZipArchive::CREATE);
$z->addFromString("x", "zipped");
$z->close();
$z->open("a.zip");
echo $z->getFromName("x"), "\n";
echo hash("sha256", "abc"), " ", strlen(gzcompress(str_repeat("x", 999))), "\n";
echo openssl_encrypt("text", "aes-256-cbc", str_repeat("k", 32), 0, str_repeat("i", 16)), "\n";
if (class_exists("FFI")) {
	echo FFI::cdef("double cbrt(double);", "libm.so.6")->cbrt(27.0), "\n";
	try {
		FFI::cdef("int f(void);", "/nonexistent.so");
	} catch (FFI\Exception $e) {
		echo $e->getMessage(), "\n";
	}
}
$pid = pcntl_fork();
if (!$pid) {
	exit(7);
}
pcntl_waitpid($pid, $st);
echo pcntl_wexitstatus($st), "\n";
EOF
under php -d opcache.enable_cli=1 work.php
