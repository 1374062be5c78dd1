//! What wit-bindgen generates of the contract: the shared words once, and each
//! interface that uses them. The linker puts together those that a plugin exports.

/// The shared words.
pub mod words {
    wit_bindgen::generate!({
        path: "../wit/remold-codec-0.1.0",
        world: "words",
        generate_all,
    });
}

/// What every plugin exports.
pub mod base {
    wit_bindgen::generate!({
        path: "../wit/remold-codec-0.1.0",
        world: "plugin-base",
        pub_export_macro: true,
        with: {
            "remold:codec/types@0.1.0": crate::bindings::words::remold::codec::types,
            "remold:codec/host-log@0.1.0": crate::bindings::words::remold::codec::host_log,
        },
    });
}

macro_rules! world {
    ($module:ident, $world:literal) => {
        /// One interface of the contract.
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit/remold-codec-0.1.0",
                world: $world,
                pub_export_macro: true,
                with: {
                    "remold:codec/types@0.1.0": crate::bindings::words::remold::codec::types,
                },
            });
        }
    };
}

world!(image_decoder, "image-decode-part");
world!(image_encoder, "image-encode-part");
world!(audio_decoder, "audio-decode-part");
world!(audio_encoder, "audio-encode-part");
