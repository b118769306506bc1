//! Stalls.
pub(crate) async fn all(_cluster: &crate::cluster::Cluster) {}
