//! The node agent: brings registry CAs to a node's runtimes and proves that they work.
