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

/// The contract has no worlds of these interfaces alone, so they are named here.
macro_rules! part {
    ($module:ident, $world:literal, $inline:literal) => {
        /// One interface of the contract.
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit/remold-codec-0.1.0",
                inline: $inline,
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
part!(
    video_decoder,
    "remold:parts/video-decode-part",
    "package remold:parts; world video-decode-part { export remold:codec/video-decode@0.1.0; }"
);
part!(
    video_encoder,
    "remold:parts/video-encode-part",
    "package remold:parts; world video-encode-part { export remold:codec/video-encode@0.1.0; }"
);
