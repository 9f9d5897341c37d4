//! Written before it is acknowledged: the durable, ordered log of everything that arrives.
