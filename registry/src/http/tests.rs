//! The API, request by request.
