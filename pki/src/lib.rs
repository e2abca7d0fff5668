//! Certificates, keys and htpasswd lines: parse, check, issue.
