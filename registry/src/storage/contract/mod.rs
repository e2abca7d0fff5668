//! What every store promises, as tests. A backend runs them all with [`contract_tests`]. Nothing in them needs a folder, a
//! file or a conditional write.

pub(crate) mod objects;
pub(crate) mod uploads;

use std::sync::Arc;

use futures::TryStreamExt;

use super::{Key, Pieces, Storage};

/// `$open` makes a fresh, empty store: `(Arc<dyn Storage>, guard)`. Attributes after it are those of each test.
macro_rules! contract_tests {
    ($open:expr $(, #[$attribute:meta])*) => {
        $crate::storage::contract::contract_tests!(@ {$(#[$attribute])*} $open, objects =>
            an_object_reads_as_it_was_written,
            what_is_not_there_is_none,
            a_folder_is_no_object,
            reading_stops_at_the_limit,
            writing_again_replaces_and_renews_the_time,
            what_is_written_lazily_is_seen_at_once,
            what_was_written_has_the_version_that_is_read,
            flushing_changes_nothing,
            an_empty_object_is_an_object,
            the_last_of_many_writers_wins_whole,
            many_read_as_each_of_them_does,
            an_object_is_read_in_parts,
            a_listing_is_sorted_and_paged,
            a_missing_folder_lists_as_empty,
            deleting_is_idempotent_and_tidies_up,
            of_many_that_are_deleted_each_has_an_answer,
            delete_if_same_spares_another_value,
            delete_if_same_spares_the_same_value_written_again,
            a_value_written_during_delete_if_same_is_never_missed,
            writing_beats_tidying,
            deleting_a_folder_takes_all_below_it,
            a_walk_meets_all_objects_in_the_order_of_their_keys,
            its_clock_is_the_one_that_dates_objects,
        );
        $crate::storage::contract::contract_tests!(@ {$(#[$attribute])*} $open, uploads =>
            what_came_in_several_requests_is_one_object,
            what_was_sealed_is_read_before_anybody_sees_it,
            an_upload_that_nobody_began_is_not_there,
            a_note_is_given_back,
            a_request_that_is_given_up_does_not_count,
            a_request_without_bytes_changes_nothing,
            of_those_who_go_on_at_the_same_place_none_spoils_what_another_was_told,
            publishing_again_and_over_another_object_is_the_same,
            what_is_not_forgotten_goes_on,
            an_upload_that_was_abandoned_makes_no_object,
            an_object_in_one_request_needs_no_upload,
            an_object_may_be_empty,
            a_large_object_is_whole,
            nothing_takes_the_place_of_the_bytes_of_an_upload_that_ended,
            old_uploads_are_purged_and_young_ones_kept,
        );
    };
    (@one {$(#[$attribute:meta])*} $open:expr, $suite:ident, $name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $name() {
            let (storage, _guard) = $open;
            $crate::storage::contract::$suite::$name(storage).await;
        }
    };
    (@ $attributes:tt $open:expr, $suite:ident => $($name:ident),* $(,)?) => {
        $($crate::storage::contract::contract_tests!(@one $attributes $open, $suite, $name);)*
    };
}
pub(crate) use contract_tests;

type Store = Arc<dyn Storage>;

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub(super) async fn all_of(pieces: Pieces) -> Vec<u8> {
    let append = |mut all: Vec<u8>, piece: bytes::Bytes| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    };
    pieces.try_fold(Vec::new(), append).await.unwrap()
}
