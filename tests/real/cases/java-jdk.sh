# SPDX-License-Identifier: MIT
#
# The JDK compiles and runs a program whose classes sit on native libraries
# (files and channels, zip, sockets, TLS, preferences, management, images,
# fonts where headless allows) with threads, and a JNI library of the case's
# own that calls back and throws; then the JVM is created by dlopen of libjvm
# from a small launcher.
# packages: openjdk-17-jdk-headless gcc g++ libc6-dev
# class: slow
# opens: /libjvm\.so /libjava\.so /libnio\.so /libnet\.so /libzip\.so /libown\.so
need javac java gcc g++
home=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")
need_file "$home/include/jni.h"
cat >Work.java <<'EOF'
import java.io.*;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.security.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.zip.*;
import javax.crypto.*;
import javax.crypto.spec.*;
import java.lang.management.*;
public class Work
{
	static native int add(int a, int b);
	static native String greet(String s);
	static native void fail(String why);
	static native int callback(Object o, int n);
	static native long counter();
	public int times(int n)
	{
		if (n < 0)
			throw new IllegalStateException("negative");
		return n * 3;
	}
	public static void main(String[] a) throws Exception
	{
		System.load(new File("libown.so").getAbsolutePath());
		System.out.println(add(2, 40) + " " + greet("wörld") + " " +
				   callback(new Work(), 14));
		try {
			fail("from C++");
		} catch (RuntimeException e) {
			System.out.println(e);
		}
		try {
			callback(new Work(), -1);
		} catch (IllegalStateException e) {
			System.out.println(e);
		}
		try {
			System.loadLibrary("nothere");
		} catch (UnsatisfiedLinkError e) {
			System.out.println(e.getMessage().substring(0, 10));
		}
		try {
			System.load("/nonexistent/lib.so");
		} catch (UnsatisfiedLinkError e) {
			System.out.println(e.getMessage());
		}
		Path p = Path.of("f.bin");
		try (FileChannel c =
			     FileChannel.open(p, StandardOpenOption.CREATE, StandardOpenOption.READ,
					      StandardOpenOption.WRITE)) {
			MappedByteBuffer m = c.map(FileChannel.MapMode.READ_WRITE, 0, 65536);
			for (int i = 0; i < 16384; i++)
				m.putInt(i * i);
			m.force();
			System.out.println(c.size() + " " + m.getInt(400));
		}
		CRC32 crc = new CRC32();
		crc.update(Files.readAllBytes(p));
		System.out.println(Long.toHexString(crc.getValue()));
		ByteArrayOutputStream bo = new ByteArrayOutputStream();
		try (ZipOutputStream z = new ZipOutputStream(bo)) {
			ZipEntry e = new ZipEntry("x");
			z.putNextEntry(e);
			z.write(new byte[10000]);
		}
		try (ZipInputStream z =
			     new ZipInputStream(new ByteArrayInputStream(bo.toByteArray()))) {
			z.getNextEntry();
			System.out.println(z.readAllBytes().length);
		}
		Cipher c = Cipher.getInstance("AES/GCM/NoPadding");
		c.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(new byte[16], "AES"),
		       new GCMParameterSpec(128, new byte[12]));
		System.out.println(HexFormat.of().formatHex(c.doFinal("text".getBytes())));
		System.out.println(HexFormat.of().formatHex(
			MessageDigest.getInstance("SHA3-256").digest("abc".getBytes())));
		KeyPair kp = KeyPairGenerator.getInstance("EC").generateKeyPair();
		Signature s = Signature.getInstance("SHA256withECDSA");
		s.initSign(kp.getPrivate());
		s.update(new byte[9]);
		byte[] sig = s.sign();
		s.initVerify(kp.getPublic());
		s.update(new byte[9]);
		System.out.println(s.verify(sig));
		try (ServerSocketChannel ss = ServerSocketChannel.open().bind(
			     new InetSocketAddress("127.0.0.1", 0))) {
			Thread t = new Thread(() -> {
				try (SocketChannel x = ss.accept()) {
					x.write(ByteBuffer.wrap("over tcp".getBytes()));
				} catch (IOException e) {
					e.printStackTrace();
				}
			});
			t.start();
			try (Socket x = new Socket(
				     "127.0.0.1",
				     ((InetSocketAddress)ss.getLocalAddress()).getPort())) {
				System.out.println(new String(x.getInputStream().readAllBytes()));
			}
			t.join();
		}
		Selector sel = Selector.open();
		Pipe pipe = Pipe.open();
		pipe.source().configureBlocking(false);
		pipe.source().register(sel, SelectionKey.OP_READ);
		pipe.sink().write(ByteBuffer.wrap(new byte[3]));
		System.out.println(sel.select());
		ExecutorService ex = Executors.newFixedThreadPool(8);
		List<Future<Long>> fs = new ArrayList<>();
		for (int i = 0; i < 64; i++) {
			final int n = i;
			fs.add(ex.submit(() -> {
				long h = n;
				for (int j = 0; j < 200000; j++)
					h = h * 31 + add(j, n);
				return h + counter() * 0;
			}));
		}
		long sum = 0;
		for (Future<Long> f : fs)
			sum += f.get();
		ex.shutdown();
		System.out.println(sum + " " + counter());
		System.out.println(ManagementFactory.getThreadMXBean().getThreadCount() > 0);
		System.out.println(ProcessHandle.current().info().command().isPresent());
		Process pr = new ProcessBuilder("echo", "from a child").start();
		System.out.print(new String(pr.getInputStream().readAllBytes()));
		System.out.println(pr.waitFor());
		try {
			Object[] deep = null;
			recurse(0);
		} catch (StackOverflowError e) {
			System.out.println("stack overflow");
		}
		try {
			int[] z = null;
			System.out.println(z[0]);
		} catch (NullPointerException e) {
			System.out.println("null");
		}
		Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
		System.gc();
	}
	static int recurse(int n)
	{
		return recurse(n + 1) + 1;
	}
}
EOF
cat >own.cc <<'EOF'
#include <jni.h>
#include <atomic>
#include <stdexcept>
#include <string>
static std::atomic<long> total;
static thread_local struct Mine {
	long n = 0;
	~Mine()
	{
		total += n;
	}
} mine;
extern "C" {
JNIEXPORT jint JNICALL Java_Work_add(JNIEnv *, jclass, jint a, jint b)
{
	mine.n++;
	return a + b;
}
JNIEXPORT jlong JNICALL Java_Work_counter(JNIEnv *, jclass)
{
	return mine.n > 0 ? 1 : 0;
}
JNIEXPORT jstring JNICALL Java_Work_greet(JNIEnv *e, jclass, jstring s)
{
	const char *c = e->GetStringUTFChars(s, nullptr);
	std::string r = std::string("hello ") + c;
	e->ReleaseStringUTFChars(s, c);
	return e->NewStringUTF(r.c_str());
}
JNIEXPORT void JNICALL Java_Work_fail(JNIEnv *e, jclass, jstring s)
{
	try {
		const char *c = e->GetStringUTFChars(s, nullptr);
		std::string why = c;
		e->ReleaseStringUTFChars(s, c);
		throw std::runtime_error(why);
	} catch (const std::exception &x) {
		e->ThrowNew(e->FindClass("java/lang/RuntimeException"), x.what());
	}
}
JNIEXPORT jint JNICALL Java_Work_callback(JNIEnv *e, jclass, jobject o, jint n)
{
	jmethodID m = e->GetMethodID(e->GetObjectClass(o), "times", "(I)I");
	return e->CallIntMethod(o, m, n);
}
}
EOF
cat >embed.c <<'EOF'
#include <dlfcn.h>
#include <jni.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	void *h = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
	if (!h)
		return puts(dlerror()), 1;
	jint (*create)(JavaVM **, void **, void *) =
		(jint(*)(JavaVM **, void **, void *))dlsym(h, "JNI_CreateJavaVM");
	JavaVMOption o[] = {{"-Djava.class.path=.", 0}, {"-Xshare:auto", 0}};
	JavaVMInitArgs a = {JNI_VERSION_1_8, 2, o, 0};
	JavaVM *vm;
	JNIEnv *e;
	if (create(&vm, (void **)&e, &a))
		return puts("no JVM"), 1;
	jclass c = (*e)->FindClass(e, "java/lang/System");
	jmethodID m = (*e)->GetStaticMethodID(e, c, "getProperty",
					      "(Ljava/lang/String;)Ljava/lang/String;");
	jstring s = (*e)->CallStaticObjectMethod(
		e, c, m, (*e)->NewStringUTF(e, "java.vm.specification.version"));
	printf("embedded %s\n", (*e)->GetStringUTFChars(e, s, 0));
	return (*vm)->DestroyJavaVM(vm);
}
EOF
g++ -O1 -shared -fPIC -I"$home/include" -I"$home/include/linux" -o libown.so own.cc
gcc -O1 -I"$home/include" -I"$home/include/linux" -o embed embed.c
under javac Work.java
under java Work
under ./embed "$home/lib/server/libjvm.so"
under jshell -s - <<'EOF'
System.out.println("jshell " + (6 * 7))
/exit
EOF
