#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remold_fuzz::image_heic(data));
