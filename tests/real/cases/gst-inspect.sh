# SPDX-License-Identifier: MIT
#
# gst-inspect-1.0 builds a fresh registry out of every plugin of the system,
# in its own process and with its scanner as a child; both must find the same
# as the host's loader does.  Then it looks at every element of some plugins,
# and a pipeline runs.
# packages: gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
# packages: gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
# class: slow
# timeout: 1200
# opens: /libgstcoreelements\.so /libgstlibav\.so /libgstvideoconvertscale\.so /libavcodec
need gst-inspect-1.0 gst-launch-1.0
for fork in no yes; do
	export GST_REGISTRY="$REAL_WORK/registry.$fork" GST_REGISTRY_FORK=$fork
	echo "== fork $fork"
	under gst-inspect-1.0 2>err | sort
	grep -c -i 'failed to load' err || :
	under gst-inspect-1.0 -b 2>/dev/null | sort
done
for plugin in coreelements videotestsrc audiotestsrc videoconvertscale libav; do
	under gst-inspect-1.0 --plugin $plugin 2>/dev/null
done
for element in videotestsrc avenc_mpeg4 audioconvert; do
	under gst-inspect-1.0 $element 2>/dev/null | grep -v -i '^ *Filename\|0x[0-9a-f]\{6\}'
done
small=video/x-raw,width=160,height=120,framerate=30/1
under gst-launch-1.0 -q videotestsrc num-buffers=30 pattern=ball ! $small ! videoconvert ! \
	video/x-raw,format=I420 ! identity silent=true ! checksumsink hash=md5 2>/dev/null |
	sed 's/^[^ ]* *//'
under gst-launch-1.0 -q audiotestsrc num-buffers=50 wave=sine ! audioconvert ! audioresample ! \
	audio/x-raw,rate=22050,format=S16LE,channels=2 ! wavenc ! filesink location=a.wav
md5sum a.wav
