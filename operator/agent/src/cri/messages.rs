//! The messages of `runtime.v1` that the agent needs, declared by hand: field numbers are those of
//! <https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto>; fields left out are ignored.
//! Two calls are containerd's own, of
//! <https://github.com/containerd/containerd/blob/main/api/services/content/v1/content.proto>.

use std::collections::HashMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VersionRequest {
    #[prost(string, tag = "1")]
    pub version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VersionResponse {
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    #[prost(string, tag = "3")]
    pub runtime_version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusRequest {
    #[prost(bool, tag = "1")]
    pub verbose: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusResponse {
    #[prost(map = "string, string", tag = "2")]
    pub info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ImageSpec {
    #[prost(string, tag = "1")]
    pub image: String,
}

/// Without `auth` and `sandbox_config`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PullImageRequest {
    #[prost(message, optional, tag = "1")]
    pub image: Option<ImageSpec>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PullImageResponse {
    #[prost(string, tag = "1")]
    pub image_ref: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RemoveImageRequest {
    #[prost(message, optional, tag = "1")]
    pub image: Option<ImageSpec>,
}

/// An answer that says nothing.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Empty {}

/// What is being received, without a filter.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListStatusesRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListStatusesResponse {
    #[prost(message, repeated, tag = "1")]
    pub statuses: Vec<IngestStatus>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IngestStatus {
    #[prost(string, tag = "3")]
    pub reference: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AbortRequest {
    #[prost(string, tag = "1")]
    pub reference: String,
}
