# SPDX-License-Identifier: MIT
#
# Binary wheels from PyPI: extension modules in C++ and Rust that bring copies
# of their libraries along, renamed and rewritten by auditwheel and patchelf,
# with run paths of their own and allocators that want static thread-locals.
# The packages are fetched once, into the build directory.
# packages: python3 python3-venv
# class: slow
# timeout: 1200
# opens: pandas/_libs pyarrow/libarrow\.so pillow\.libs/ lxml/etree\. _rust\.abi3\.so orjson
# opens: polars numpy\.libs/ grpc/_cython/cygrpc
need_py venv ensurepip
packages="numpy==1.26.4 pandas==2.2.2 pillow==10.4.0 lxml==5.2.2 cryptography==42.0.8 pyarrow==16.1.0
	polars==1.2.1 orjson==3.10.6 grpcio==1.65.1 regex==2024.7.24 pyzmq==26.0.3"
if ! [ -e "$REAL_CACHE/wheels/complete" ]; then
	rm -rf "$REAL_CACHE/wheels"
	$PY -m venv "$REAL_CACHE/wheels"
	HOME=$REAL_HOME "$REAL_CACHE/wheels/bin/pip" install -q --only-binary :all: $packages \
		>pip.log 2>&1 || skip "pip cannot fetch the wheels: $(tail -n 1 pip.log)"
	touch "$REAL_CACHE/wheels/complete"
fi
cat >work.py <<'EOF'
import concurrent.futures, io, threading
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import grpc, lxml.etree, orjson, regex, zmq
from PIL import Image, ImageDraw, ImageFilter
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography import x509

t = pd.DataFrame({"k": np.arange(1000) % 7, "v": np.arange(1000) ** 0.5})
print(t.groupby("k").v.sum().round(4).tolist())
try:
    t["nothing"]
except KeyError as e:
    print("KeyError", e)

table = pa.Table.from_pandas(t)
pq.write_table(table, "t.parquet", compression="zstd")
back = pq.read_table("t.parquet")
print(back.equals(table), round(pc.sum(back["v"]).as_py(), 6))
try:
    pa.array([1, "x"])
except pa.ArrowInvalid as e:
    print("ArrowInvalid", str(e)[:30])

p = pl.read_parquet("t.parquet").lazy().group_by("k").agg(pl.col("v").mean()).sort("k").collect()
print(p["v"].round(4).to_list())
try:
    p.select(pl.col("none"))
except pl.exceptions.ColumnNotFoundError:
    print("ColumnNotFoundError")

im = Image.new("RGB", (80, 60), "navy")
ImageDraw.Draw(im).ellipse((10, 10, 70, 50), fill="gold")
im = im.filter(ImageFilter.GaussianBlur(2)).resize((40, 30))
for form in "PNG", "JPEG", "WEBP", "TIFF", "JPEG2000":
    out = io.BytesIO()
    im.save(out, form)
    print(form, Image.open(io.BytesIO(out.getvalue())).convert("RGB").getpixel((20, 15)))

tree = lxml.etree.XML("<a><b c='1'/><b c='2'/></a>")
print([b.get("c") for b in tree.iterfind("b")])
try:
    lxml.etree.XML("<a>")
except lxml.etree.XMLSyntaxError as e:
    print("XMLSyntaxError", e.lineno)

print(ChaCha20Poly1305(bytes(32)).encrypt(bytes(12), b"text", None).hex())
try:
    x509.load_pem_x509_certificate(b"junk")
except ValueError:
    print("ValueError")
print(orjson.dumps({"a": [1, 2.5, None, np.float64(3)]}, option=orjson.OPT_SERIALIZE_NUMPY))
print(regex.findall(r"\p{Lu}\w+", "One two Три"))

# Threads of the libraries' own, and ours.
context = zmq.Context()
a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
a.bind("inproc://x")
b.connect("inproc://x")
b.send(b"over zmq")
print(a.recv())
server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request[::-1])
server.add_generic_rpc_handlers((Echo(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    print([channel.unary_unary("/x/y")(bytes([n] * 3 + [0])) for n in range(3)])
server.stop(None).wait()

def work(n):
    f = pl.DataFrame({"x": list(range(n * 100))})
    return f["x"].sum() + int(pd.Series(range(n)).sum()) + len(pq.read_table("t.parquet"))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(list(pool.map(work, range(1, 17))))
EOF
under "$REAL_CACHE/wheels/bin/python3" work.py
