//! The Deployment that serves the registry.

use super::config::{
    ADMIN_PORT, AUTH_DIR, CONFIG_DIR, CONFIG_FILE, DATA_DIR, EXTERNAL_TLS_DIR, INTERNAL_TLS_DIR,
    REGISTRY_PORT,
};
use crate::reconcile::hash::short_hash;
use crate::reconcile::validate::{Storage, Validated};
use crate::settings::Settings;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    HTTPGetAction, Lifecycle, LifecycleHandler, LocalObjectReference, PersistentVolumeClaimVolumeSource,
    PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
    SecretVolumeSource, SecurityContext, SleepAction, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// `nonroot` of the images that everyone builds on.
const USER: i64 = 65532;
/// Running transfers end before the pod does.
const GRACE_SECONDS: i64 = 60;
/// Of the configuration, which is read once: everything else that is mounted is read again by the registry itself.
const CONFIG_HASH: &str = "roadstead.dev/config-hash";

pub(super) fn deployment(validated: &Validated, settings: &Settings, config: &ConfigMap) -> Deployment {
    let id = &validated.id;
    let mut metadata = id.owned(&id.name);
    metadata.labels = Some(labels(validated, &BTreeMap::new()));
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(validated.replicas),
            revision_history_limit: Some(3),
            selector: selector(validated),
            strategy: Some(strategy(&validated.storage)),
            template: PodTemplateSpec {
                metadata: Some(pod_metadata(validated, settings, config)),
                spec: Some(pod(validated, settings)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn selector(validated: &Validated) -> LabelSelector {
    LabelSelector {
        match_labels: Some(validated.id.pod_labels()),
        ..LabelSelector::default()
    }
}

/// A volume of one pod is let go before the next pod can have it. Where pods share it, the next one comes before
/// the last one goes, and no rule forbids two of them on one node, so this ends on a single node as well.
fn strategy(storage: &Storage) -> DeploymentStrategy {
    if !storage.is_shared() {
        return DeploymentStrategy {
            type_: Some("Recreate".to_owned()),
            rolling_update: None,
        };
    }
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

/// The people's labels, which policies ask for, under our own: those select.
fn labels(validated: &Validated, common: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = common.clone();
    labels.extend(validated.pod.labels.clone());
    labels.extend(validated.id.labels());
    labels
}

fn pod_metadata(validated: &Validated, settings: &Settings, config: &ConfigMap) -> ObjectMeta {
    let mut annotations = validated.pod.annotations.clone();
    annotations.insert(CONFIG_HASH.to_owned(), short_hash(&config.data));
    ObjectMeta {
        labels: Some(labels(validated, &settings.common_labels)),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

fn pod(validated: &Validated, settings: &Settings) -> PodSpec {
    let pod = &validated.pod;
    PodSpec {
        service_account_name: Some(validated.id.name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            // Without this the kubelet walks through every image at each start.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(validated, settings)],
        volumes: Some(volumes(validated)),
        topology_spread_constraints: spread(validated),
        node_selector: filled(pod.node_selector.clone()),
        tolerations: (!pod.tolerations.is_empty()).then(|| pod.tolerations.clone()),
        affinity: pod.affinity.clone(),
        priority_class_name: pod
            .priority_class_name
            .as_ref()
            .map(|name| name.as_written().to_owned()),
        image_pull_secrets: pull_secrets(validated, settings),
        ..PodSpec::default()
    }
}

/// The Registry's own, and those of the installation that it does not name itself.
fn pull_secrets(validated: &Validated, settings: &Settings) -> Option<Vec<LocalObjectReference>> {
    let own = validated
        .pod
        .image_pull_secrets
        .iter()
        .map(|secret| secret.name.as_written().to_owned());
    let mut names: Vec<String> = own.collect();
    for name in &settings.registry_image_pull_secrets {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let secrets = names.into_iter().map(|name| LocalObjectReference { name });
    Some(secrets.collect()).filter(|secrets: &Vec<_>| !secrets.is_empty())
}

fn container(validated: &Validated, settings: &Settings) -> Container {
    let command = [
        "/usr/bin/roadstead-registry".to_owned(),
        "serve".to_owned(),
        format!("{CONFIG_DIR}/{CONFIG_FILE}"),
    ];
    Container {
        name: "registry".to_owned(),
        image: Some(settings.registry_image.clone()),
        image_pull_policy: Some(settings.registry_image_pull_policy.clone()),
        command: Some(command.into()),
        ports: Some(vec![port("registry", REGISTRY_PORT), port("admin", ADMIN_PORT)]),
        resources: Some(resources(validated)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts()),
        startup_probe: Some(probe("/readyz", 1, 300)),
        readiness_probe: Some(probe("/readyz", 5, 2)),
        liveness_probe: Some(probe("/livez", 10, 6)),
        lifecycle: validated.storage.is_shared().then(|| Lifecycle {
            // Others go on sending here until they have learnt that this pod leaves.
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: 5 }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        ..Container::default()
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn resources(validated: &Validated) -> ResourceRequirements {
    let Some(resources) = &validated.pod.resources else {
        let requests = [("cpu", "100m"), ("memory", "64Mi")];
        return ResourceRequirements {
            requests: Some(
                requests
                    .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
                    .into(),
            ),
            ..ResourceRequirements::default()
        };
    };
    ResourceRequirements {
        requests: filled(resources.requests.clone()),
        limits: filled(resources.limits.clone()),
        ..ResourceRequirements::default()
    }
}

fn mounts() -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    vec![
        mount("config", CONFIG_DIR, true),
        mount("internal-tls", INTERNAL_TLS_DIR, true),
        mount("external-tls", EXTERNAL_TLS_DIR, true),
        mount("auth", AUTH_DIR, true),
        mount("data", DATA_DIR, false),
    ]
}

fn volumes(validated: &Validated) -> Vec<Volume> {
    let keys = &validated.keys;
    let secret = |name: &str, secret: &str, optional: Option<bool>| Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            // For the group that fsGroup gives to the pod.
            default_mode: Some(0o440),
            optional,
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    vec![
        Volume {
            name: "config".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: keys.config.name.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        secret("internal-tls", &keys.internal_tls.name, None),
        secret("external-tls", &keys.external_tls.name, Some(true)),
        secret("auth", &keys.htpasswd.name, None),
        data(validated),
    ]
}

fn data(validated: &Validated) -> Volume {
    let claim = |name: &str| {
        Some(PersistentVolumeClaimVolumeSource {
            claim_name: name.to_owned(),
            read_only: None,
        })
    };
    let mut volume = Volume {
        name: "data".to_owned(),
        ..Volume::default()
    };
    match &validated.storage {
        Storage::Own(_) => volume.persistent_volume_claim = claim(&validated.keys.data.name),
        Storage::Existing { name, .. } => volume.persistent_volume_claim = claim(name),
        Storage::EmptyDir { size_limit } => {
            volume.empty_dir = Some(EmptyDirVolumeSource {
                size_limit: size_limit.clone(),
                medium: None,
            });
        }
    }
    volume
}

/// Rather on several nodes than on one, but never waiting for a node that is not there.
fn spread(validated: &Validated) -> Option<Vec<TopologySpreadConstraint>> {
    (validated.replicas > 1).then(|| {
        vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "kubernetes.io/hostname".to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(selector(validated)),
            match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
            ..TopologySpreadConstraint::default()
        }]
    })
}

fn filled<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then_some(map)
}
