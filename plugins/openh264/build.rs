//! Links the libraries that `build` made of C++, and of wasi-libc what they ask for.

fn main() {
    println!("cargo:rerun-if-env-changed=REMOLD_C_LIBRARY");
    let of = |name: &str| std::env::var(name).expect("run plugins/openh264/build, which sets it");
    println!("cargo:rustc-link-search=native={}", of("REMOLD_C_LIBRARY"));
    println!("cargo:rustc-link-search=native={}", of("REMOLD_C_SYSROOT"));
    for part in [
        "shim",
        "encoder",
        "decoder",
        "processing",
        "common",
        "files",
    ] {
        println!("cargo:rustc-link-lib=static:-bundle=openh264_{part}");
    }
    println!("cargo:rustc-link-lib=static:-bundle=c");
}
