//! Connections that misbehave, and servers that stop.
