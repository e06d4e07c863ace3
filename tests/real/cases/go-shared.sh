# SPDX-License-Identifier: MIT
#
# A Go library (-buildmode=c-shared) in a C program: a whole runtime with its
# own threads, signal handlers, garbage collector and initial-exec
# thread-locals comes in by dlopen, calls back into C, and panics are caught.
# Then a Go program opens a Go plug-in (-buildmode=plugin).
# packages: golang-go gcc libc6-dev
# class: slow
# opens: /libgo\.so
need go gcc
export GOCACHE="$REAL_CACHE/go" GOPATH="$REAL_WORK/gopath" GOFLAGS=-mod=mod GO111MODULE=on
mkdir lib plug host
cat >lib/lib.go <<'EOF'
package main

// typedef int (*callback)(int);
// static int call(callback f, int n) { return f(n); }
import "C"
import (
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"
)

//export Sum
func Sum(n C.int) C.long {
	var wg sync.WaitGroup
	c := make(chan int, 16)
	for i := 0; i < int(n); i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			c <- len(strings.Repeat("x", i))
		}(i)
	}
	go func() { wg.Wait(); close(c) }()
	total := 0
	for v := range c {
		total += v
	}
	runtime.GC()
	return C.long(total)
}

//export Callback
func Callback(f C.callback, n C.int) C.int {
	return C.call(f, n) + 1
}

//export Recover
func Recover() *C.char {
	var message string
	func() {
		defer func() { message = fmt.Sprint(recover()) }()
		var p *int
		*p = 1
	}()
	words := []string{"c", "a", "b"}
	sort.Strings(words)
	return C.CString(message + " " + strings.Join(words, ""))
}

func main() {}
EOF
cat >main.c <<'EOF'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static void *lib;
static int square(int n)
{
	return n * n;
}
static void *work(void *arg)
{
	return (void *)((long (*)(int))dlsym(lib, "Sum"))((int)(long)arg);
}
int main(void)
{
	lib = dlopen("./libgo.so", RTLD_NOW);
	if (!lib)
		return puts(dlerror()), 1;
	printf("%d\n", ((int (*)(int (*)(int), int))dlsym(lib, "Callback"))(square, 9));
	printf("%s\n", ((char *(*)(void))dlsym(lib, "Recover"))());
	pthread_t t[6];
	for (long i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, work, (void *)(i * 100));
	for (int i = 0; i < 6; i++) {
		void *r;
		pthread_join(t[i], &r);
		printf("%ld\n", (long)r);
	}
	return 0;
}
EOF
cat >plug/plug.go <<'EOF'
package main

import "fmt"

var Counter = 41

func Next() string {
	Counter++
	return fmt.Sprintf("plug-in %d", Counter)
}
EOF
cat >host/host.go <<'EOF'
package main

import (
	"fmt"
	"os"
	"plugin"
)

func main() {
	p, err := plugin.Open(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	next, _ := p.Lookup("Next")
	counter, _ := p.Lookup("Counter")
	fmt.Println(next.(func() string)(), *counter.(*int))
	_, err = p.Lookup("Nothing")
	fmt.Println(err != nil)
	_, err = plugin.Open("nothere.so")
	fmt.Println(err != nil)
}
EOF
for d in lib plug host; do
	(cd $d && go mod init example.org/$d 2>/dev/null)
done
(cd lib && go build -buildmode=c-shared -o ../libgo.so .)
(cd plug && go build -buildmode=plugin -o ../plug.so .)
(cd host && go build -o ../host.bin .)
gcc -O1 -o main main.c -pthread
under ./main
under ./host.bin "$REAL_WORK/plug.so"
