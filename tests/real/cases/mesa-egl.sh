# SPDX-License-Identifier: MIT
#
# OpenGL without a display: libEGL finds its vendors, these dlopen Mesa's
# drivers (LLVM, a just-in-time compiler, thread-locals in many models), and a
# triangle is drawn in software and read back.
# packages: gcc libc6-dev libegl-dev libegl1 libegl-mesa0 libgl1-mesa-dri libgles-dev libgles2
# class: slow
# opens: /libEGL\.so\.1 /libEGL_mesa\.so /dri/swrast_dri\.so /libLLVM /libGLESv2\.so
need gcc
need_file /usr/include/EGL/egl.h
need_file /usr/include/GLES2/gl2.h
need_file /usr/lib/x86_64-linux-gnu/libGLESv2.so.2
cat >draw.c <<'EOF'
#include <dlfcn.h>
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define GET(lib, name) __typeof__(&name) p_##name = (__typeof__(&name))need(lib, #name)

static void *need(void *lib, const char *name)
{
	void *p = dlsym(lib, name);
	if (!p) {
		puts(dlerror());
		exit(1);
	}
	return p;
}

static GLuint shader(void *gl, GLenum kind, const char *text)
{
	GET(gl, glCreateShader);
	GET(gl, glShaderSource);
	GET(gl, glCompileShader);
	GLuint s = p_glCreateShader(kind);
	p_glShaderSource(s, 1, &text, NULL);
	p_glCompileShader(s);
	return s;
}

static void *draw(void *arg)
{
	void *egl = dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL);
	void *gl = dlopen("libGLESv2.so.2", RTLD_NOW | RTLD_LOCAL);
	if (!egl || !gl) {
		puts(dlerror());
		exit(1);
	}
	GET(egl, eglGetProcAddress);
	GET(egl, eglInitialize);
	GET(egl, eglBindAPI);
	GET(egl, eglChooseConfig);
	GET(egl, eglCreateContext);
	GET(egl, eglCreatePbufferSurface);
	GET(egl, eglMakeCurrent);
	PFNEGLGETPLATFORMDISPLAYEXTPROC display_of =
		(PFNEGLGETPLATFORMDISPLAYEXTPROC)p_eglGetProcAddress("eglGetPlatformDisplayEXT");
	EGLDisplay d = display_of(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
	EGLint major, minor, n;
	if (!p_eglInitialize(d, &major, &minor)) {
		puts("eglInitialize fails");
		exit(1);
	}
	printf("EGL %d\n", major);
	static const EGLint want[] = {EGL_SURFACE_TYPE,
				      EGL_PBUFFER_BIT,
				      EGL_RENDERABLE_TYPE,
				      EGL_OPENGL_ES2_BIT,
				      EGL_RED_SIZE,
				      8,
				      EGL_NONE};
	static const EGLint size[] = {EGL_WIDTH, 64, EGL_HEIGHT, 64, EGL_NONE};
	static const EGLint two[] = {EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE};
	EGLConfig config;
	p_eglChooseConfig(d, want, &config, 1, &n);
	p_eglBindAPI(EGL_OPENGL_ES_API);
	EGLContext c = p_eglCreateContext(d, config, EGL_NO_CONTEXT, two);
	EGLSurface s = p_eglCreatePbufferSurface(d, config, size);
	if (!p_eglMakeCurrent(d, s, s, c)) {
		puts("eglMakeCurrent fails");
		exit(1);
	}
	GET(gl, glCreateProgram);
	GET(gl, glAttachShader);
	GET(gl, glLinkProgram);
	GET(gl, glUseProgram);
	GET(gl, glVertexAttribPointer);
	GET(gl, glEnableVertexAttribArray);
	GET(gl, glClearColor);
	GET(gl, glClear);
	GET(gl, glDrawArrays);
	GET(gl, glReadPixels);
	GET(gl, glGetError);
	GET(gl, glViewport);
	GLuint p = p_glCreateProgram();
	p_glAttachShader(p, shader(gl, GL_VERTEX_SHADER,
				   "attribute vec4 at; void main() { gl_Position = at; }"));
	p_glAttachShader(p, shader(gl, GL_FRAGMENT_SHADER,
				   "precision mediump float; void main() {"
				   "gl_FragColor = vec4(1.0, sin(gl_FragCoord.x), 0.5, 1.0); }"));
	p_glLinkProgram(p);
	p_glUseProgram(p);
	static const GLfloat corners[] = {-1, -1, 1, -1, 0, 1};
	p_glViewport(0, 0, 64, 64);
	p_glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, corners);
	p_glEnableVertexAttribArray(0);
	p_glClearColor(0, 0, 1, 1);
	p_glClear(GL_COLOR_BUFFER_BIT);
	p_glDrawArrays(GL_TRIANGLES, 0, 3);
	static unsigned char pixels[64 * 64 * 4];
	p_glReadPixels(0, 0, 64, 64, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	unsigned long sum = 0;
	for (size_t i = 0; i < sizeof pixels; i++)
		sum = sum * 31 + pixels[i];
	printf("%s: error %x, pixels %lx\n", (char *)arg, p_glGetError(), sum);
	p_eglMakeCurrent(d, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
	return NULL;
}

int main(void)
{
	pthread_t t;
	draw("main");
	pthread_create(&t, NULL, draw, "thread");
	pthread_join(t, NULL);
	return 0;
}
EOF
gcc -O1 -o draw draw.c -pthread
export LIBGL_ALWAYS_SOFTWARE=1 GALLIUM_DRIVER=llvmpipe EGL_LOG_LEVEL=fatal
export MESA_SHADER_CACHE_DISABLE=true XDG_RUNTIME_DIR="$REAL_WORK"
under ./draw
