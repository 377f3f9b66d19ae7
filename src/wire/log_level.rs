//! The log levels of MCP, which are those of syslog (RFC 5424, section 6.2.1).
