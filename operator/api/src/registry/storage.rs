//! Where images are kept.

use crate::names::{ObjectName, name_or_empty};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Where images are kept: exactly one of these.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, KubeSchema)]
#[x_kube(
    validation = Rule::new("has(self.persistentVolumeClaim) != has(self.emptyDir)")
        .message("set exactly one of storage.persistentVolumeClaim and storage.emptyDir"),
    validation = Rule::new("has(self.emptyDir) == has(oldSelf.emptyDir)")
        .message("the kind of storage cannot change, because the images would stay behind: make another Registry and copy them")
)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// A volume that outlives pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<PersistentVolumeClaim>,

    /// A folder that goes with the pod: for trying things out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDir>,
}

/// A volume claim: one that the operator makes (`size`), or one that exists (`claimName`).
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, KubeSchema)]
#[x_kube(
    validation = Rule::new("has(self.size) != has(self.claimName)")
        .message("set either size, for a volume claim that the operator makes, or claimName, for one that exists"),
    validation = Rule::new("!has(self.claimName) || (!has(self.storageClassName) && !has(self.accessModes))")
        .message("claimName names a volume claim that exists: storageClassName and accessModes are set there"))]
#[serde(rename_all = "camelCase")]
pub struct PersistentVolumeClaim {
    /// How much room, such as `100Gi`. It can grow later where the storage class allows it. A volume never shrinks: one
    /// that is larger is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "size")]
    pub size: Option<Quantity>,

    /// The storage class; the cluster's default one where this is absent. A claim that is made keeps its class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "name_or_empty")]
    pub storage_class_name: Option<ObjectName>,

    /// How the volume is shared; `[ReadWriteOnce]` where this is absent. More than one replica needs ReadWriteMany.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    pub access_modes: Option<Vec<AccessMode>>,

    /// A volume claim that exists in the Registry's namespace; the operator never changes nor deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_name: Option<ObjectName>,
}

/// How a volume is shared.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum AccessMode {
    ReadWriteOnce,
    ReadWriteOncePod,
    ReadWriteMany,
}

impl AccessMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}

/// A folder that goes with the pod.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    /// The most that it may hold, such as `10Gi`; beyond that the pod is evicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "size")]
    pub size_limit: Option<Quantity>,
}

fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "x-kubernetes-validations": [{
            "rule": "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
            "message": "must be an amount of storage such as 100Gi",
        }],
    })
}
