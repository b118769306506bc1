//! Judges the gateway from outside.
