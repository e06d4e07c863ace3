# SPDX-License-Identifier: MIT
#
# Asks a server on the loopback for pages, from several threads and each time
# over a new connection, until the file named by the second argument is there.
#   hammer.py PORT STOPFILE PATH...
# Prints one line: whether every request was answered with status 200.
import http.client
import os
import sys
import threading
import time

port, stop, paths = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
bad, good = [], [0] * 4
limit = time.monotonic() + 500


def hammer(n):
    while not os.path.exists(stop) and time.monotonic() < limit:
        for path in paths:
            try:
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                c.request("GET", path, headers={"Connection": "close"})
                r = c.getresponse()
                r.read()
                c.close()
                if r.status == 200:
                    good[n] += 1
                else:
                    bad.append((path, r.status))
            except Exception as e:
                bad.append((path, repr(e)))


threads = [threading.Thread(target=hammer, args=(n,)) for n in range(len(good))]
for t in threads:
    t.start()
for t in threads:
    t.join()
if bad or not all(good):
    print("requests failed:", len(bad), "of", len(bad) + sum(good), bad[:3])
else:
    print("every request was answered")
