//! An HTTP/1.1 engine that knows nothing of MCP.
