//! Keys and variables that are not quite right.

use super::*;

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    let text = "
storage: {filesystem: {rootdirektory: /data}}
http: {headrs: {X-A: [a]}, quux: 1}
heath: {storagedriver: {enabled: true}}
log: {Level: debug}
";
    let loaded = load(text, &[]).unwrap();
    assert!(loaded.warnings.iter().all(Warning::is_mistake));
    let texts: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_misspelt_variable_is_told_the_nearest_one() {
    let found = warnings(
        "version: 0.1",
        &[
            ("REGISTRY_LOG_LEVLE", "debug"),
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTROY", "/d"),
            ("REGISTRY_QUUX", "5000"),
        ],
    );
    assert!(
        found[0].ends_with("did you mean REGISTRY_LOG_LEVEL?"),
        "{}",
        found[0]
    );
    assert!(found[1].ends_with("is ignored"), "{}", found[1]);
    assert!(
        found[2].ends_with("did you mean REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY?"),
        "{}",
        found[2]
    );
}

#[test]
fn a_longer_word_for_a_key_is_told_the_key() {
    let found = problems("http: {adress: ':1', tls: {cert: /c}}", &[]);
    assert!(found[0].contains("did you mean http.addr?"), "{}", found[0]);
    assert!(
        found[1].contains("did you mean http.tls.certificate?"),
        "{}",
        found[1]
    );
}

#[test]
fn a_file_that_registry_2_would_not_start_with_is_named() {
    let missing = |text: &str, variables: &[(&str, &str)]| -> Vec<_> {
        let missing = load(text, variables).unwrap().missing;
        missing
            .iter()
            .map(|warning| warning.to_string().split(':').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(missing(IMAGE_DEFAULT, &[]), [] as [&str; 0]);
    assert_eq!(missing("", &[]), ["version", "storage"]);
    assert_eq!(
        missing("{version: 0.1, storage: {delete: {enabled: true}}}", &[]),
        ["storage"]
    );
    assert_eq!(
        missing("{version: 0.1, storage: filesystem}", &[]),
        [] as [&str; 0]
    );
    let by_variable = [("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/data")];
    assert_eq!(missing("version: 0.1", &by_variable), [] as [&str; 0]);
}

#[test]
fn what_is_no_section_is_said_in_words_of_the_file() {
    let found = problems("http: {tls: {certificates: [/c]}}", &[]);
    assert!(found[0].contains("expected keys with values"), "{found:?}");
}

#[test]
fn a_slip_is_named_also_where_something_else_keeps_the_server_from_starting() {
    let text = "version: 0.1\nstorage: {filesystem: {rootdirectory: /data}}\n\
                http: {tls: {certificat: /x.crt, key: /x.key}}";
    let told = problems(text, &[]);
    assert!(
        told[0].starts_with("http.tls.certificat: there is no such key; did you mean http.tls.certificate?"),
        "{told:#?}"
    );
    assert!(
        told.iter()
            .any(|problem| problem.starts_with("http.tls.certificate: missing")),
        "{told:#?}"
    );
}
