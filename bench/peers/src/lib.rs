// SPDX-License-Identifier: MIT
//
// The peers behind the four functions that dlbench calls: PREFIX_open, _sym, _close, _error.
//
//   libloading   a face of the host's dlopen
//   elf_loader   one image, nothing around it: no search, no dependencies, no names, no lock
//   elf_linker   elf_loader's run-time linker: dependencies by RUNPATH, all in a context of their own
//   dlopen_rs    a dlopen of its own over an older elf_loader
//
// Names come as C strings and go in without a check, which favours the peers. Each open makes what the peer's
// own examples make for it; nothing is kept from one to the next but what the peer itself keeps.
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::sync::Mutex;

static MESSAGE: Mutex<Option<CString>> = Mutex::new(None);

fn keep(what: impl std::fmt::Debug) -> *mut c_void {
    *MESSAGE.lock().unwrap() = CString::new(format!("{what:?}")).ok();
    std::ptr::null_mut()
}

fn message() -> *const c_char {
    MESSAGE.lock().unwrap().as_ref().map_or(std::ptr::null(), |m| m.as_ptr())
}

unsafe fn text<'a>(s: *const c_char) -> &'a str {
    std::str::from_utf8_unchecked(CStr::from_ptr(s).to_bytes())
}

fn boxed<T>(value: T) -> *mut c_void {
    Box::into_raw(Box::new(value)).cast()
}

unsafe fn dropped<T>(handle: *mut c_void) -> c_int {
    drop(Box::from_raw(handle.cast::<T>()));
    0
}

/// The four functions of one peer: type of the handle, how to open, how to find.
macro_rules! peer {
    ($open:ident $sym:ident $close:ident $error:ident, $handle:ty, $opener:expr, $finder:expr) => {
        #[no_mangle]
        pub unsafe extern "C" fn $open(file: *const c_char, mode: c_int) -> *mut c_void {
            let opener: unsafe fn(*const c_char, c_int) -> Result<$handle, String> = $opener;
            match opener(file, mode) {
                Ok(library) => boxed::<$handle>(library),
                Err(e) => keep(e),
            }
        }

        #[no_mangle]
        pub unsafe extern "C" fn $sym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
            let finder: unsafe fn(&$handle, *const c_char) -> *mut c_void = $finder;
            finder(&*handle.cast::<$handle>(), name)
        }

        #[no_mangle]
        pub unsafe extern "C" fn $close(handle: *mut c_void) -> c_int {
            dropped::<$handle>(handle)
        }

        #[no_mangle]
        pub extern "C" fn $error() -> *const c_char {
            message()
        }
    };
}

// ---- libloading --------------------------------------------------------------------------------

type Libloading = libloading::os::unix::Library;

unsafe fn libloading_opener(file: *const c_char, mode: c_int) -> Result<Libloading, String> {
    Libloading::open(Some(text(file)), mode).map_err(|e| e.to_string())
}

unsafe fn libloading_finder(library: &Libloading, name: *const c_char) -> *mut c_void {
    match library.get::<*mut c_void>(CStr::from_ptr(name).to_bytes_with_nul()) {
        Ok(symbol) => symbol.into_raw(),
        Err(_) => std::ptr::null_mut(),
    }
}

peer!(libloading_open libloading_sym libloading_close libloading_error,
      Libloading, libloading_opener, libloading_finder);

// ---- elf_loader: one image ---------------------------------------------------------------------

type Image = elf_loader::image::LoadedCore<()>;

unsafe fn loader_opener(file: *const c_char, _mode: c_int) -> Result<Image, String> {
    elf_loader::Loader::new()
        .load_dylib(text(file))
        .and_then(|raw| raw.relocator().relocate())
        .map_err(|e| format!("{e:?}"))
}

unsafe fn loader_finder(image: &Image, name: *const c_char) -> *mut c_void {
    match image.get::<*mut c_void>(text(name)) {
        Some(symbol) => symbol.into_raw() as *mut c_void,
        None => std::ptr::null_mut(),
    }
}

peer!(elf_loader_open elf_loader_sym elf_loader_close elf_loader_error,
      Image, loader_opener, loader_finder);

// ---- elf_loader: dependencies ------------------------------------------------------------------

type Group = (
    elf_loader::linker::LinkContext<elf_loader::input::PathBuf, ()>,
    elf_loader::image::LoadedCore<()>,
);

unsafe fn linker_opener(file: *const c_char, _mode: c_int) -> Result<Group, String> {
    let mut context = elf_loader::linker::LinkContext::new();
    let mut resolver = elf_loader::linker::SearchPathResolver::new();

    resolver.push_search_dir_provider(|request, out| {
        if let Some(dirs) = request.runpath() {
            out.extend(dirs);
        }
        Ok(())
    });
    let loaded = elf_loader::linker::Linker::new()
        .resolver(resolver)
        .load(&mut context, elf_loader::input::PathBuf::from(text(file)))
        .map_err(|e| format!("{e:?}"))?;
    Ok((context, loaded.into_root()))
}

unsafe fn linker_finder(group: &Group, name: *const c_char) -> *mut c_void {
    loader_finder(&group.1, name)
}

peer!(elf_linker_open elf_linker_sym elf_linker_close elf_linker_error,
      Group, linker_opener, linker_finder);

// ---- dlopen-rs ---------------------------------------------------------------------------------

type Dylib = dlopen_rs::Dylib;

unsafe fn dlopen_rs_opener(file: *const c_char, mode: c_int) -> Result<Dylib, String> {
    dlopen_rs::init();
    let flags = dlopen_rs::OpenFlags::from_bits_truncate(mode as u32);
    dlopen_rs::ElfLibrary::dlopen(text(file), flags).map_err(|e| e.to_string())
}

unsafe fn dlopen_rs_finder(library: &Dylib, name: *const c_char) -> *mut c_void {
    match library.get::<*mut c_void>(text(name)) {
        Ok(symbol) => symbol.into_raw() as *mut c_void,
        Err(_) => std::ptr::null_mut(),
    }
}

peer!(dlopen_rs_open dlopen_rs_sym dlopen_rs_close dlopen_rs_error,
      Dylib, dlopen_rs_opener, dlopen_rs_finder);
