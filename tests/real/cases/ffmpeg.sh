# SPDX-License-Identifier: MIT
#
# ffmpeg encodes and decodes small synthetic pictures and sounds.  It is
# linked to its hundreds of libraries; what is dlopened is what those reach
# for on their own (OpenCL, VA-API, OpenAL, frei0r plugins, a LADSPA plugin).
# packages: ffmpeg frei0r-plugins swh-plugins
# class: slow
# timeout: 1200
# opens: frei0r-1/ ladspa/
need ffmpeg
need_file /usr/lib/frei0r-1/glow.so /usr/lib/ladspa
quiet="-nostdin -hide_banner -loglevel error -threads 1 -bitexact -y"
video="-f lavfi -i testsrc=size=160x120:rate=10:duration=1"
audio="-f lavfi -i sine=frequency=440:duration=1:sample_rate=44100"
for codec in mpeg4 libx264 libvpx mjpeg ffv1 libtheora png libwebp libx265; do
	case $codec in
	libx265) more="-x265-params log-level=none:pools=none:frame-threads=1" ;;
	*) more= ;;
	esac
	under ffmpeg $quiet $video -pix_fmt yuv420p -c:v $codec $more -fflags +bitexact \
		-flags:v +bitexact $codec.mkv 2>err ||
		{ echo "$codec refused: $(head -n 1 err | sed 's/\[.*\] //; s/0x[0-9a-f]*//')"; continue; }
	echo "$codec $(under ffmpeg $quiet -i $codec.mkv -f md5 -)"
done
for codec in libmp3lame libopus libvorbis flac aac ac3 pcm_s16le; do
	under ffmpeg $quiet $audio -c:a $codec -flags:a +bitexact $codec.mka 2>/dev/null ||
		{ echo "$codec refused"; continue; }
	echo "$codec $(under ffmpeg $quiet -i $codec.mka -f md5 -)"
done
echo "scale $(under ffmpeg $quiet $video -vf 'scale=80:60,hue=h=90,drawgrid=w=20,vflip' -f md5 -)"
echo "frei0r $(under ffmpeg $quiet $video -vf frei0r=glow:0.5 -f md5 -)"
echo "frei0r $(under ffmpeg $quiet $video -vf frei0r=distort0r:0.3 -f md5 - 2>&1)"
for filter in amp_1181:plugin=amp:controls=c0=6 comb_1190:plugin=comb \
	flanger_1191:plugin=flanger valve_1209:plugin=valve hard_limiter_1413:plugin=hardLimiter; do
	echo "ladspa $filter"
	under ffmpeg $quiet $audio -af "ladspa=file=$filter" -f md5 - 2>&1 | tail -n 1
done
under ffmpeg $quiet $video -vf frei0r=nosuch -f null - 2>&1 | sed 's/0x[0-9a-f]*//' | head -n 2
under ffmpeg -hide_banner -filters 2>/dev/null | wc -l
under ffmpeg -hide_banner -codecs 2>/dev/null | wc -l
