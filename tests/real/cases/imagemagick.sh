# SPDX-License-Identifier: MIT
#
# ImageMagick: its coders and filters are modules that it dlopens as a file
# format asks for them.
# packages: imagemagick libmagickcore-6.q16-6-extra
# class: slow
# opens: /coders/png\.so /coders/jpeg\.so /coders/webp\.so /coders/tiff\.so /coders/svg\.so
# opens: /filters/analyze\.so
convert=/usr/bin/convert-im6.q16
[ -x $convert ] || skip "ImageMagick is not installed"
identify=/usr/bin/identify-im6.q16
# What the pixels are, without the metadata of a file.
look() {
	under $identify -format '%m %wx%h %[colorspace] %# %k\n' "$1"
}
under $convert -size 120x80 gradient:red-blue -swirl 60 -wave 4x30 in.png
look in.png
for format in png jpg webp tif gif bmp pnm xpm ico psd pcx tga jp2 dds hdr miff fits sgi ras pdf; do
	if under $convert in.png out.$format 2>err; then
		case $format in
		pdf) echo "$format written" ;;
		*) echo "$format: $(look out.$format 2>/dev/null | head -n 1)" ;;
		esac
	else
		echo "$format: refused: $(sed 's/.*: //; s/@.*//' err | head -n 1)"
	fi
done
cat >draw.svg <<'EOF'
<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60">
<rect width="90" height="60" fill="#fed"/>
<circle cx="45" cy="30" r="20" fill="teal" stroke="black" stroke-width="3"/>
<path d="M5 5 L80 50" stroke="red"/>
</svg>
EOF
under $convert draw.svg drawn.png
look drawn.png
under $convert in.png -resize 50% -blur 0x2 -sharpen 0x1 -modulate 110,80 -colorspace Lab \
	-colorspace sRGB -rotate 30 ops.png
look ops.png
under $convert in.png out.jpg -compose multiply -composite out.webp -append sheet.png
look sheet.png
under $convert in.png -process 'analyze' info: |
	sed 's/.* PNG/PNG/; s/ [0-9.]*u .*//; s/ 0\.0[0-9.]*$//'
under $convert nothere.png x.png 2>&1 | grep -o 'unable to open image' | head -n 1
echo junk >bad.png
under $convert bad.png x.png 2>&1 | grep -o 'improper image header' | head -n 1
under $identify -list format | wc -l
under $identify -list module 2>/dev/null | wc -l
