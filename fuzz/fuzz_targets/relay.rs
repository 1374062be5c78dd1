#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remold_fuzz::relay(data));
