//! Where the certificate comes from.

use super::SecretReference;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Where the certificate comes from: at most one of these.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq, KubeSchema)]
#[x_kube(
    validation = Rule::new("!(has(self.secretRef) && has(self.selfSigned))")
        .message("set at most one of tls.secretRef and tls.selfSigned")
)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Your own certificate: a Secret of type kubernetes.io/tls. `tls.crt` holds the server's certificate and every
    /// intermediate after it, `tls.key` its key, `ca.crt` (optional) the root that clients and nodes need to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,

    /// Only the certificate by the operator's own CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_signed: Option<SelfSigned>,
}

/// Only the certificate by the operator's own CA.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelfSigned {
    /// How long a server certificate is valid, such as `2160h` (the default); it is renewed after two thirds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$')")
            .message("leafLifetime must be a duration in hours, minutes and seconds, such as 2160h"),
        validation = Rule::new("!self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') || (duration(self) >= duration('10m') && duration(self) <= duration('19800h'))")
            .message("leafLifetime must lie between 10m and 19800h (825 days: more than that some clients refuse)")
    )]
    pub leaf_lifetime: Option<String>,
}
