# SPDX-License-Identifier: MIT
#
# A fuzz corpus as one file, and back.
#
#   pack.py pack DIRECTORY PACK        all files of the directory, smallest first
#   pack.py unpack PACK DIRECTORY      one file for each input
#
# The form: "dlrs-fuzz-pack\n", then for each input its length in four bytes, little endian, and its bytes.
import hashlib
import os
import struct
import sys

MAGIC = b"dlrs-fuzz-pack\n"


def pack(directory, path):
    inputs = set()
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as f:
            inputs.add(f.read())
    with open(path, "wb") as f:
        f.write(MAGIC)
        for data in sorted(inputs, key=lambda d: (len(d), d)):
            f.write(struct.pack("<I", len(data)) + data)
    print(f"{path}: {len(inputs)} inputs, {os.path.getsize(path)} bytes")


def unpack(path, directory):
    os.makedirs(directory, exist_ok=True)
    with open(path, "rb") as f:
        data = f.read()
    if not data.startswith(MAGIC):
        sys.exit(f"{path}: not a pack")
    at = len(MAGIC)
    while at < len(data):
        (n,) = struct.unpack_from("<I", data, at)
        one = data[at + 4:at + 4 + n]
        with open(os.path.join(directory, hashlib.sha1(one).hexdigest()), "wb") as f:
            f.write(one)
        at += 4 + n


if len(sys.argv) != 4 or sys.argv[1] not in ("pack", "unpack"):
    sys.exit(__doc__ or "usage: pack.py pack DIRECTORY PACK | unpack PACK DIRECTORY")
{"pack": pack, "unpack": unpack}[sys.argv[1]](sys.argv[2], sys.argv[3])
