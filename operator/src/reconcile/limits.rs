//! How many Registries an installation bears: the oldest come first, and what was taken up once goes on, whatever the
//! limits become.

use super::error::Error;
use super::observe::Keys;
use crate::context::Context;
use crate::names::RegistryId;
use roadstead_api::registry::Registry;

/// Refuses a Registry that is one too many.
pub(super) async fn check(context: &Context, registry: &Registry) -> Result<(), Error> {
    let limits = &context.settings.limits;
    let older = context.older_than(registry);
    let id = RegistryId::of(registry);
    let refusal = if older.in_namespace >= limits.registries_per_namespace {
        format!(
            "namespace {} has {} older Registries, and this installation takes {} from one namespace: delete one, or ask \
             for more (the chart's limits.registriesPerNamespace)",
            id.namespace, older.in_namespace, limits.registries_per_namespace
        )
    } else if older.in_all >= limits.registries {
        format!(
            "the cluster has {} older Registries, and this installation takes {}: delete one, or ask for more (the \
             chart's limits.registries)",
            older.in_all, limits.registries
        )
    } else {
        return Ok(());
    };
    // Its CA is in the operator's namespace, where no tenant can make one to get round the limit.
    let authority = Keys::of(&id, &context.settings).authority;
    let was_taken_up = authority
        .api(&context.client)
        .get_metadata_opt(&authority.name)
        .await?
        .is_some();
    match was_taken_up {
        true => Ok(()),
        false => Err(Error::LimitReached(refusal)),
    }
}
