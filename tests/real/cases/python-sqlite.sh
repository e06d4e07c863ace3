# SPDX-License-Identifier: MIT
#
# The sqlite3 module at work: tables, full text search, callbacks from C into
# Python, aggregates, collations, errors, backups, and several threads.
# packages: python3
# class: quick
# opens: /_sqlite3\. /libsqlite3
cat >work.py <<'EOF'
import sqlite3, threading
db = sqlite3.connect("a.db")
db.execute("create table t(k integer primary key, v text, w real)")
db.executemany("insert into t(v, w) values(?, ?)",
               ((f"row {i % 17}", i / 7) for i in range(2000)))
db.commit()
print(db.execute("select count(*), round(sum(w), 6) from t").fetchone())
db.create_function("twice", 1, lambda x: 2 * x)
print(db.execute("select twice(21), twice(w) from t limit 2").fetchall())
class Spread:
    def __init__(self): self.lo, self.hi = 1e9, -1e9
    def step(self, v): self.lo, self.hi = min(self.lo, v), max(self.hi, v)
    def finalize(self): return self.hi - self.lo
db.create_aggregate("spread", 1, Spread)
print(db.execute("select v, round(spread(w), 3) from t group by v order by v").fetchall())
db.create_collation("backwards", lambda a, b: (a < b) - (a > b))
print(db.execute("select distinct v from t order by v collate backwards limit 3").fetchall())
try:
    db.execute("select 1/0, nonsense(")
except sqlite3.Error as e:
    print(type(e).__name__, e)
db.create_function("bad", 0, lambda: 1 // 0)
try:
    db.execute("select bad()").fetchall()
except sqlite3.Error as e:
    print(type(e).__name__, e)
db.execute("create virtual table f using fts5(body)")
db.executemany("insert into f values(?)", [("the quick brown fox",), ("lazy dogs",)])
print(db.execute("select snippet(f, 0, '[', ']', '', 5) from f where f match 'brown'").fetchall())
copy = sqlite3.connect(":memory:")
db.commit()
db.backup(copy)
print(copy.execute("select count(*) from t").fetchone())
print(sum(1 for line in copy.iterdump()))
def worker(out, n):
    c = sqlite3.connect("a.db")
    out[n] = c.execute("select sum(k % ?) from t", (n + 2,)).fetchone()[0]
out = [0] * 8
ts = [threading.Thread(target=worker, args=(out, n)) for n in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
print(out)
EOF
under $PY work.py
