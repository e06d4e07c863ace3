# SPDX-License-Identifier: MIT
#
# LibreOffice converts documents without a window: it consists of some hundred
# libraries that it opens as components, with C++ exceptions and its own
# bridges (assembled call stubs, run-time type information) between them.
# packages: libreoffice-writer-nogui libreoffice-calc-nogui poppler-utils
# class: slow
# timeout: 1200
# opens: /libswlo\.so /libsclo\.so /libgcc3_uno\.so
need soffice pdftotext
need_file /usr/lib/libreoffice/program/libsclo.so /usr/lib/libreoffice/program/libswlo.so
cat >text.html <<'EOF'
<html><head><title>t</title></head><body><h1>Heading</h1><p>A paragraph, <b>bold</b> and plain.</p>
<table><tr><td>one</td><td>two</td></tr></table><ul><li>first</li><li>second</li></ul></body></html>
EOF
printf 'name,number\nalpha,1\nbeta,2\n,=SUM(B2:B3)\n' >sheet.csv
office() {
	under soffice --headless --norestore --nolockcheck "-env:UserInstallation=file://$REAL_WORK/u" "$@"
}
convert() {
	office --convert-to "$1" --outdir out "$2" 2>err | sed 's/ using filter.*//; s,/[^ ]*/,,g' ||
		echo "status $?"
}
for form in odt pdf txt; do
	convert $form text.html
done
convert docx out/text.odt
for form in ods xlsx pdf csv; do
	convert $form sheet.csv
done
for f in docx odt; do
	convert txt:Text out/text.$f
	cat out/text.txt
done
cat out/sheet.csv
for f in text sheet; do
	pdftotext -layout out/$f.pdf - | tr -d '\f'
done
