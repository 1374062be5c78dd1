//! Who made a plugin: Ed25519 (RFC 8032) over its octets.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::error::LoadError;
use super::host::hex;

/// In front of the octets that are signed, so that a signature on anything else is none on a plugin.
const PURPOSE: &[u8] = b"remold plugin signature 1\n";

/// A key that signs plugins.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new key, and the octets to keep of it (PKCS #8).
    ///
    /// # Errors
    ///
    /// Where the system gives no random numbers.
    pub fn generate() -> Result<(Self, Vec<u8>), String> {
        let pair = Ed25519KeyPair::generate().map_err(|error| error.to_string())?;
        let kept = pair.to_pkcs8().map_err(|error| error.to_string())?;
        Ok((Self(pair), kept.as_ref().to_vec()))
    }

    /// The key of octets that were kept.
    ///
    /// # Errors
    ///
    /// Where they are none.
    pub fn read(kept: &[u8]) -> Result<Self, String> {
        Ed25519KeyPair::from_pkcs8(kept)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// What a manifest names it by.
    #[must_use]
    pub fn public(&self) -> String {
        hex(self.0.public_key().as_ref())
    }

    /// The signature of a component, in hexadecimal.
    #[must_use]
    pub fn sign(&self, component: &[u8]) -> String {
        hex(self.0.sign(&message(component)).as_ref())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({}, …)", self.public())
    }
}

/// Holds a component against the key that a manifest pins.
pub(super) fn verify(
    component: &[u8],
    signature: Option<&str>,
    key: &str,
) -> Result<(), LoadError> {
    let wrong = |why: &str| Err(LoadError::Signature(why.to_owned()));
    let Some(signature) = signature else {
        return wrong("there is no signature beside it");
    };
    let (Some(signature), Some(key)) = (octets(signature.trim()), octets(key)) else {
        return wrong("the signature or the key is not hexadecimal");
    };
    match UnparsedPublicKey::new(&ED25519, key).verify(&message(component), &signature) {
        Ok(()) => Ok(()),
        Err(_) => wrong("the signature is not that of the key signed-by"),
    }
}

fn message(component: &[u8]) -> Vec<u8> {
    [PURPOSE, component].concat()
}

/// Octets out of hexadecimal.
fn octets(hex: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let octets = pairs
        .iter()
        .map(|&[high, low]| digit(high)?.checked_mul(16)?.checked_add(digit(low)?));
    octets
        .collect::<Option<Vec<u8>>>()
        .filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pinned_key_over_the_same_octets_counts() {
        let (key, kept) = SigningKey::generate().unwrap();
        let (other, _) = SigningKey::generate().unwrap();
        let again = SigningKey::read(&kept).unwrap();
        assert_eq!(again.public(), key.public());
        let signature = key.sign(b"component") + "\n";
        assert_eq!(
            verify(b"component", Some(&signature), &key.public()),
            Ok(())
        );
        for (component, signature, key) in [
            (b"componenT", Some(signature.as_str()), key.public()),
            (b"component", Some(&signature), other.public()),
            (b"component", Some(&signature[2..]), key.public()),
            (b"component", Some("xyz"), key.public()),
            (b"component", None, key.public()),
            (b"component", Some(&signature), "00".to_owned()),
        ] {
            let outcome = verify(component, signature, &key);
            assert!(matches!(outcome, Err(LoadError::Signature(_))));
        }
        assert!(SigningKey::read(b"no key").is_err());
        assert!(!format!("{key:?}").contains(&hex(&kept)));
    }
}
