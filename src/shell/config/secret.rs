//! A value that is never printed and is wiped when dropped.

use zeroize::Zeroizing;

/// A password or the like. Cloning is cheap: all clones share one buffer.
#[derive(Clone)]
pub struct Secret(std::sync::Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Takes the bytes over; they are wiped with the last clone.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(std::sync::Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes themselves, for the one place that must send them.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.reveal(), other.reveal()).into()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn does_not_print() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec())), "Secret(…)");
    }
}
