//! The relay: what is owed to the client, which names stand for what.
