//! JSON-RPC and MCP on the wire. Pure.
