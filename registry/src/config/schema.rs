//! Every key that a configuration may hold, and what becomes of it.
//!
//! The keys of registry:2 and registry:3 are all here, so that "unknown" always means a slip.

/// What may stand at one place of the tree.
#[derive(Debug)]
pub(super) enum Node {
    /// Fixed keys.
    Group(&'static [(&'static str, Node)]),
    /// Fixed keys, one of which may also stand alone as text: `auth: htpasswd`.
    Choice(&'static [(&'static str, Node)]),
    /// As [`Node::Choice`], of what says who gets in: a key that is unknown or empty keeps the server from starting,
    /// since without it everyone might.
    Gate(&'static [(&'static str, Node)]),
    List(&'static Node),
    /// Keys that the author makes up: header names, log fields.
    Names(&'static Node),
    Text,
    /// Anything else that is implemented: a flag, a number.
    Value,
    /// Known, true here without being asked for, or without any meaning; not worth a word.
    Silent,
    /// Known to registry:2 and not needed here: one warning.
    Harmless,
    /// Ignoring it would change what the author meant. The text says the way out. An empty value asks for nothing.
    Refused(&'static str),
    /// As [`Node::Refused`], of a kind that is asked for by its mere name: `storage: {inmemory: }`.
    RefusedKind(&'static str),
}

use Node::{Choice, Gate, Group, Harmless, List, Names, Refused, RefusedKind, Silent, Text, Value};

pub(super) const ROOT: Node = Group(&[
    ("version", Silent),
    ("log", LOG),
    ("loglevel", Text),
    ("storage", STORAGE),
    ("auth", AUTH),
    ("access", Gate(&[("rules", List(&ACCESS_RULE))])),
    (
        "middleware",
        Refused("middleware is not supported; remove the section"),
    ),
    ("reporting", Harmless),
    ("http", HTTP),
    (
        "notifications",
        Group(&[
            ("events", Group(&[("includereferences", Value)])),
            ("endpoints", List(&ENDPOINT)),
        ]),
    ),
    ("redis", Harmless),
    ("health", HEALTH),
    ("proxy", PROXY),
    ("compatibility", Harmless),
    ("validation", VALIDATION),
    (
        "policy",
        Group(&[("repository", Group(&[("classes", Refused(NO_CLASSES))]))]),
    ),
    ("catalog", Group(&[("maxentries", Value)])),
    ("opentelemetry", Harmless),
]);

const LOG: Node = Group(&[
    ("accesslog", Group(&[("disabled", Value), ("format", Text)])),
    ("level", Text),
    ("formatter", Text),
    ("fields", Names(&Text)),
    ("hooks", Harmless),
    ("reportcaller", Harmless),
]);

const STORAGE: Node = Choice(&[
    (
        "filesystem",
        Group(&[
            ("rootdirectory", Text),
            ("directio", Text),
            ("maxthreads", Harmless),
        ]),
    ),
    ("delete", Group(&[("enabled", Value)])),
    (
        "maintenance",
        Group(&[
            (
                "uploadpurging",
                Group(&[
                    ("enabled", Value),
                    ("age", Text),
                    ("interval", Text),
                    ("dryrun", Value),
                ]),
            ),
            ("readonly", Group(&[("enabled", Value)])),
        ]),
    ),
    ("cache", Harmless),
    ("redirect", Harmless),
    ("tag", Harmless),
    (
        "inmemory",
        RefusedKind("nothing would survive a restart; use storage.filesystem, on a tmpfs if that is meant"),
    ),
    ("s3", RefusedKind(OTHER_DRIVER)),
    ("s3aws", RefusedKind(OTHER_DRIVER)),
    ("azure", RefusedKind(OTHER_DRIVER)),
    ("gcs", RefusedKind(OTHER_DRIVER)),
    ("swift", RefusedKind(OTHER_DRIVER)),
    ("oss", RefusedKind(OTHER_DRIVER)),
]);

const OTHER_DRIVER: &str =
    "this storage driver is not supported; use storage.filesystem, or stay with registry:2 for this store";

const AUTH: Node = Gate(&[
    ("htpasswd", Group(&[("realm", Text), ("path", Text)])),
    ("none", Silent),
    (
        "silly",
        RefusedKind(
            "this lets anyone in who sends any Authorization header; use auth.htpasswd, or no auth section",
        ),
    ),
    (
        "token",
        Group(&[
            ("realm", Text),
            ("service", Text),
            ("issuer", Text),
            ("rootcertbundle", Text),
            ("jwks", Text),
            ("signingalgorithms", List(&Text)),
            ("autoredirect", Value),
            ("autoredirectpath", Text),
        ]),
    ),
]);

const ENDPOINT: Node = Group(&[
    ("name", Text),
    ("disabled", Value),
    ("url", Text),
    ("headers", Names(&List(&Text))),
    ("timeout", Text),
    ("threshold", Value),
    ("backoff", Text),
    ("ignoredmediatypes", List(&Text)),
    (
        "ignore",
        Group(&[("mediatypes", List(&Text)), ("actions", List(&Text))]),
    ),
    ("rootcertbundle", Text),
]);

const ACCESS_RULE: Node = Gate(&[
    ("users", List(&Text)),
    ("repositories", List(&Text)),
    ("actions", List(&Text)),
]);

const HTTP: Node = Group(&[
    ("addr", Text),
    ("net", Text),
    ("prefix", Text),
    ("host", Text),
    // Replicas share no secret: an upload is named by its id alone.
    ("secret", Harmless),
    ("relativeurls", Value),
    ("draintimeout", Text),
    ("tls", TLS),
    (
        "debug",
        Group(&[
            ("addr", Text),
            ("prometheus", Group(&[("enabled", Value), ("path", Text)])),
        ]),
    ),
    ("headers", Names(&List(&Text))),
    ("trustedproxies", List(&Text)),
    ("http2", Group(&[("disabled", Value)])),
    // HTTP/2 without TLS is always understood.
    ("h2c", Silent),
]);

const TLS: Node = Group(&[
    ("certificate", Text),
    ("key", Text),
    (
        "certificates",
        List(&Group(&[
            ("certificate", Text),
            ("key", Text),
            ("optional", Value),
        ])),
    ),
    ("clientcas", List(&Text)),
    ("clientauth", Text),
    ("minimumtls", Text),
    ("ciphersuites", List(&Text)),
    (
        "letsencrypt",
        Group(&[
            ("cachefile", Refused(NO_ACME)),
            ("email", Refused(NO_ACME)),
            ("hosts", Refused(NO_ACME)),
            ("directoryurl", Refused(NO_ACME)),
        ]),
    ),
]);

const NO_ACME: &str = "certificates are not fetched here; obtain one with certbot or cert-manager and name its files \
                       in http.tls.certificate and http.tls.key: they are reloaded when they change";

const HEALTH: Node = Group(&[
    (
        "storagedriver",
        Group(&[("enabled", Value), ("interval", Text), ("threshold", Value)]),
    ),
    ("file", Refused(NO_CHECKS)),
    ("http", Refused(NO_CHECKS)),
    ("tcp", Refused(NO_CHECKS)),
]);

const NO_CHECKS: &str = "checks of other things than the storage are not supported; remove them";

const PROXY: Node = Group(&[
    (
        "remoteurl",
        Refused("a pull-through cache is not supported; remove the proxy section to serve pushed images"),
    ),
    ("username", Harmless),
    ("password", Harmless),
    ("exec", Harmless),
    ("ttl", Harmless),
]);

const VALIDATION: Node = Group(&[
    ("enabled", Silent),
    ("disabled", Silent),
    (
        "manifests",
        Group(&[
            ("missing", Text),
            (
                "urls",
                Group(&[("allow", Refused(NO_URL_RULES)), ("deny", Refused(NO_URL_RULES))]),
            ),
            (
                "indexes",
                Group(&[
                    (
                        "platforms",
                        Refused("use validation.manifests.missing: reject or allow"),
                    ),
                    (
                        "platformlist",
                        Refused("use validation.manifests.missing: reject or allow"),
                    ),
                ]),
            ),
        ]),
    ),
]);

const NO_URL_RULES: &str = "rules about the URLs of foreign layers are not supported; remove them";
const NO_CLASSES: &str = "rules about the class of an image are not supported; remove them";
