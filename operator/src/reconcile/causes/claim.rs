//! Why a volume claim has no volume.

use super::events::newest_warning;
use crate::context::Context;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ListParams};

const IS_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// Asks only about a claim that waits.
pub(super) async fn why_pending(
    context: &Context,
    claim: &PersistentVolumeClaim,
) -> Result<Option<String>, kube::Error> {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Bound" | "Lost")) {
        return Ok(None);
    }
    let api: Api<StorageClass> = Api::all(context.client.clone());
    let classes = api.list(&ListParams::default()).await?.items;
    if let Some(why) = without_class(claim, &classes) {
        return Ok(Some(why));
    }
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let warning = newest_warning(context, namespace, claim.metadata.uid.as_ref()).await?;
    Ok(warning.or_else(|| waits_for_pod(claim, &classes)))
}

fn without_class(claim: &PersistentVolumeClaim, classes: &[StorageClass]) -> Option<String> {
    let mut names: Vec<_> = classes
        .iter()
        .filter_map(|class| class.metadata.name.clone())
        .collect();
    names.sort();
    let there_are = match names.is_empty() {
        true => "the cluster has none".to_owned(),
        false => format!("the cluster has {}", super::super::validate::some_of(&names)),
    };
    let class = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.storage_class_name.as_deref());
    match class {
        // Such a claim waits for a volume that somebody makes.
        Some("") => None,
        Some(class) if names.iter().any(|name| name == class) => None,
        Some(class) => Some(format!(
            "StorageClass {class} does not exist ({there_are}): make it; or set \
             spec.storage.persistentVolumeClaim.storageClassName to one that exists and delete this claim, which holds nothing"
        )),
        None if classes.iter().any(is_default) => None,
        None => Some(format!(
            "it names no StorageClass and no StorageClass is the default one ({there_are}): set \
             spec.storage.persistentVolumeClaim.storageClassName, or make one the default"
        )),
    }
}

fn is_default(class: &StorageClass) -> bool {
    let annotations = class.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.get(IS_DEFAULT).is_some_and(|value| value == "true"))
}

fn waits_for_pod(claim: &PersistentVolumeClaim, classes: &[StorageClass]) -> Option<String> {
    let name = claim.spec.as_ref()?.storage_class_name.as_ref()?;
    let class = classes
        .iter()
        .find(|class| class.metadata.name.as_ref() == Some(name))?;
    let waits = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
    waits.then(|| format!("StorageClass {name} makes it when the first pod is scheduled (see Ready)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim(class: Option<&str>) -> PersistentVolumeClaim {
        let claim = json!({"metadata": {"name": "images-data"}, "spec": {"storageClassName": class}});
        serde_json::from_value(claim).expect("it is a claim")
    }

    fn class(name: &str, default: bool) -> StorageClass {
        let class = json!({"metadata": {"name": name, "annotations": {IS_DEFAULT: default.to_string()}},
            "provisioner": "example.com/disk", "volumeBindingMode": "WaitForFirstConsumer"});
        serde_json::from_value(class).expect("it is a class")
    }

    #[test]
    fn a_class_that_is_missing_is_named_with_those_that_are_there() {
        let classes = [class("local", false), class("fast", false)];
        let told = without_class(&claim(Some("fsat")), &classes).expect("it is missing");
        assert!(
            told.starts_with("StorageClass fsat does not exist (the cluster has fast, local)"),
            "{told}"
        );
        assert_eq!(without_class(&claim(Some("fast")), &classes), None);
        assert_eq!(without_class(&claim(Some("")), &classes), None);
    }

    #[test]
    fn a_claim_without_a_class_needs_a_default_one() {
        let told = without_class(&claim(None), &[class("local", false)]).expect("there is no default");
        assert!(
            told.contains("no StorageClass is the default one (the cluster has local)"),
            "{told}"
        );
        assert!(
            without_class(&claim(None), &[])
                .expect("there is none")
                .contains("the cluster has none")
        );
        assert_eq!(without_class(&claim(None), &[class("local", true)]), None);
    }

    #[test]
    fn a_class_that_waits_for_a_pod_says_so() {
        let told = waits_for_pod(&claim(Some("local")), &[class("local", true)]).expect("it waits");
        assert!(told.contains("when the first pod is scheduled"), "{told}");
    }
}
