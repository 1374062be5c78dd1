//! Links the library that `build` made of C, and of wasi-libc what it asks for.

fn main() {
    println!("cargo:rerun-if-env-changed=REMOLD_C_LIBRARY");
    let of = |name: &str| std::env::var(name).expect("run plugins/amr-nb/build, which sets it");
    println!("cargo:rustc-link-search=native={}", of("REMOLD_C_LIBRARY"));
    println!("cargo:rustc-link-search=native={}", of("REMOLD_C_SYSROOT"));
    println!("cargo:rustc-link-lib=static:-bundle=opencore_amrnb");
    println!("cargo:rustc-link-lib=static:-bundle=c");
}
