//! What the gateway has to know of a certificate besides trusting it: its dates and its hash.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;

/// When a certificate is good, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: u64,
    pub not_after: u64,
}

/// A certificate's dates; `None` when it cannot be read.
#[must_use]
pub fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let validity = Certificate::from_der(certificate).ok()?.tbs_certificate.validity;
    Some(Validity {
        not_before: validity.not_before.to_unix_duration().as_secs(),
        not_after: validity.not_after.to_unix_duration().as_secs(),
    })
}

const SHA256_LIKE: [&str; 6] = [
    // MD5 and SHA-1 signatures are hashed with SHA-256 (RFC 5929, section 4.1).
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.10045.4.1",
    // sha256WithRSAEncryption, ecdsa-with-SHA256, id-dsa-with-sha256.
    "1.2.840.113549.1.1.11",
    "1.2.840.10045.4.3.2",
    "2.16.840.1.101.3.4.3.2",
];
const SHA384_LIKE: [&str; 2] = ["1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3"];
const SHA512_LIKE: [&str; 2] = ["1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4"];

/// `tls-server-end-point` channel binding data: the certificate's hash under its own signature's hash
/// function (RFC 5929, section 4.1). `None` where that is undefined, as for Ed25519.
#[must_use]
pub fn server_end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let algorithm = Certificate::from_der(certificate).ok()?.signature_algorithm.oid;
    let is_one_of = |list: &[&str]| list.iter().any(|text| ObjectIdentifier::new(text) == Ok(algorithm));
    if is_one_of(&SHA256_LIKE) {
        Some(Sha256::digest(certificate).to_vec())
    } else if is_one_of(&SHA384_LIKE) {
        Some(Sha384::digest(certificate).to_vec())
    } else if is_one_of(&SHA512_LIKE) {
        Some(Sha512::digest(certificate).to_vec())
    } else {
        None
    }
}
