//! What a component wants of its host and what it offers, by the names in its type.

use super::error::{LoadError, clean};

/// The version of the contract that this host speaks. A plugin of 0.1.n is for hosts that know
/// 0.1.n or later, since a later one may have more functions; 0.2 is another contract.
pub const VERSION: &str = "0.1.0";

const PACKAGE: &str = "remold:codec/";

/// The interfaces of the contract that a plugin may import.
const IMPORTS: [&str; 2] = ["host-log", "types"];

/// The name of an interface of the contract, without package and version; `None` for any other.
///
/// # Errors
///
/// [`LoadError::Version`] where it is the contract's, of a version that is not known.
pub(super) fn interface(name: &str) -> Result<Option<&str>, LoadError> {
    let Some(rest) = name.strip_prefix(PACKAGE) else {
        return Ok(None);
    };
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    let numbers: Vec<Option<u32>> = version.split('.').map(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        // A later patch may call for functions that this host does not have.
        [Some(0), Some(1), Some(0)] => Ok(Some(interface)),
        _ => Err(LoadError::Version(clean(name, 100))),
    }
}

/// Checks the imports of a component. `wasi` says whether those of WASI are let through.
pub(super) fn check_imports<'a>(
    names: impl Iterator<Item = &'a str>,
    wasi: bool,
) -> Result<(), LoadError> {
    for name in names {
        let known = interface(name)?.is_some_and(|interface| IMPORTS.contains(&interface));
        let trapped = wasi && name.starts_with("wasi:");
        if !(known || trapped) {
            return Err(LoadError::Import(clean(name, 100)));
        }
    }
    Ok(())
}

/// The interfaces of the contract that a component exports.
pub(super) fn exports<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>, LoadError> {
    let mut found = Vec::new();
    for name in names {
        found.extend(interface(name)?);
    }
    if !found.contains(&"meta") {
        let what = "exports no remold:codec/meta, as every plugin does".to_owned();
        return Err(LoadError::World(what));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_log_is_imported() {
        let fine = ["remold:codec/types@0.1.0", "remold:codec/host-log@0.1.0"];
        assert_eq!(check_imports(fine.into_iter(), false), Ok(()));
        for bad in [
            "wasi:filesystem/types@0.2.3",
            "wasi:sockets/tcp@0.2.3",
            "wasi:clocks/wall-clock@0.2.3",
            "wasi:random/random@0.2.3",
            "remold:codec/meta@0.1.0",
            "host-log",
            "env",
        ] {
            let error = check_imports([bad].into_iter(), false).unwrap_err();
            assert_eq!(error, LoadError::Import(bad.to_owned()));
        }
        assert_eq!(
            check_imports(["wasi:io/error@0.2.3"].into_iter(), true),
            Ok(())
        );
        assert!(check_imports(["env"].into_iter(), true).is_err());
    }

    #[test]
    fn only_known_versions_load() {
        for bad in ["0.1.1", "0.2.0", "1.0.0", "0.1", "", "0.1.0-rc"] {
            let name = format!("remold:codec/meta@{bad}");
            let error = exports([name.as_str()].into_iter()).unwrap_err();
            assert!(matches!(error, LoadError::Version(_)), "{bad}");
        }
        let names = [
            "remold:codec/meta@0.1.0",
            "remold:codec/image-decode@0.1.0",
            "x:y/z@1.0.0",
        ];
        assert_eq!(exports(names.into_iter()), Ok(vec!["meta", "image-decode"]));
        assert!(exports(["x:y/z@1.0.0"].into_iter()).is_err());
    }
}
