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
    /// What says who gets in, or keeps others out of the conversation: a key in it that is unknown or empty keeps the
    /// server from starting, since without it everyone might. So does a slip in its own name.
    Gate(&'static Node),
    /// Something that holds a gate, or shuts one: a slip in its own name keeps the server from starting.
    Guarded(&'static Node),
    List(&'static Node),
    /// One, or a list of them.
    TextOrList(&'static Node),
    /// Keys that the author makes up: header names, log fields.
    Names(&'static Node),
    Text,
    Flag,
    Number,
    /// As Go writes them.
    Duration,
    /// Whatever is written, typed by what it looks like.
    Any,
    /// Known, true here without being asked for, or without any meaning; not worth a word.
    Silent,
    /// Known to registry:2 and not needed here: one warning.
    Harmless,
    /// Ignoring it would change what the author meant. The text says the way out. An empty value asks for nothing.
    Refused(&'static str),
    /// As [`Node::Refused`], of a kind that is asked for by its mere name: `storage: {inmemory: }`.
    RefusedKind(&'static str),
}

impl Node {
    /// What it is, whatever its loss would mean.
    pub(super) fn inner(&self) -> &Node {
        match self {
            Node::Gate(inner) | Node::Guarded(inner) => inner.inner(),
            other => other,
        }
    }

    /// Whether to lose it would let people in, or take encryption away.
    pub(super) fn is_guarded(&self) -> bool {
        matches!(self, Node::Gate(_) | Node::Guarded(_))
    }
}

use Node::{
    Any, Choice, Duration, Flag, Gate, Group, Guarded, Harmless, List, Names, Number, Refused, RefusedKind,
    Silent, Text, TextOrList,
};

pub(super) const ROOT: Node = Group(&[
    ("version", Text),
    ("log", LOG),
    ("loglevel", Text),
    ("storage", Guarded(&STORAGE)),
    ("auth", Gate(&AUTH)),
    ("access", Gate(&Group(&[("rules", List(&ACCESS_RULE))]))),
    (
        "middleware",
        Refused("middleware is not supported; remove the section"),
    ),
    ("reporting", Harmless),
    ("http", Guarded(&HTTP)),
    (
        "notifications",
        Group(&[
            ("events", Group(&[("includereferences", Flag)])),
            ("endpoints", List(&ENDPOINT)),
        ]),
    ),
    ("redis", Harmless),
    ("health", HEALTH),
    ("proxy", Guarded(&PROXY)),
    ("compatibility", Harmless),
    ("validation", VALIDATION),
    (
        "policy",
        Group(&[("repository", Group(&[("classes", Refused(NO_CLASSES))]))]),
    ),
    ("catalog", Group(&[("maxentries", Number)])),
    ("opentelemetry", Harmless),
]);

const LOG: Node = Group(&[
    ("accesslog", Group(&[("disabled", Flag), ("format", Text)])),
    ("level", Text),
    ("formatter", Text),
    ("fields", Names(&Any)),
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
    ("delete", Group(&[("enabled", Flag)])),
    (
        "maintenance",
        Guarded(&Group(&[
            (
                "uploadpurging",
                Group(&[
                    ("enabled", Flag),
                    // Text, as for registry:2: a bare number would be nanoseconds, and purge what is being pushed.
                    ("age", Text),
                    ("interval", Text),
                    ("dryrun", Flag),
                ]),
            ),
            ("readonly", Gate(&Group(&[("enabled", Flag)]))),
        ])),
    ),
    ("cache", Harmless),
    ("redirect", Harmless),
    ("tag", Harmless),
    (
        "inmemory",
        RefusedKind("nothing would survive a restart; use storage.filesystem, on a tmpfs if that is meant"),
    ),
    ("s3", S3),
    // registry:2 knows it by both names.
    ("s3aws", S3),
    ("azure", RefusedKind(OTHER_DRIVER)),
    ("gcs", RefusedKind(OTHER_DRIVER)),
    ("swift", RefusedKind(OTHER_DRIVER)),
    ("oss", RefusedKind(OTHER_DRIVER)),
]);

const OTHER_DRIVER: &str = "this storage driver is not supported; use storage.filesystem or storage.s3, or stay with registry:2 for this store";

const S3: Node = Group(&[
    ("accesskey", Text),
    ("secretkey", Text),
    ("sessiontoken", Text),
    ("region", Text),
    ("regionendpoint", Text),
    ("forcepathstyle", Flag),
    ("bucket", Text),
    ("rootdirectory", Text),
    ("encrypt", Flag),
    ("keyid", Text),
    ("storageclass", Text),
    ("objectacl", Text),
    ("secure", Flag),
    ("skipverify", Flag),
    ("v4auth", Flag),
    ("cafile", Text),
    ("chunksize", Number),
    ("multipartcopychunksize", Number),
    ("multipartcopymaxconcurrency", Number),
    ("multipartcopythresholdsize", Number),
    ("usedualstack", Flag),
    ("accelerate", Flag),
    ("usefipsendpoint", Flag),
    ("useragent", Text),
    ("loglevel", Harmless),
    ("redirectendpoint", Harmless),
]);

const AUTH: Node = Choice(&[
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
            ("autoredirect", Flag),
            ("autoredirectpath", Text),
        ]),
    ),
]);

const ENDPOINT: Node = Group(&[
    ("name", Text),
    ("disabled", Flag),
    ("url", Text),
    ("headers", Names(&TextOrList(&Text))),
    ("timeout", Duration),
    ("threshold", Number),
    ("backoff", Duration),
    ("ignoredmediatypes", List(&Text)),
    (
        "ignore",
        Group(&[("mediatypes", List(&Text)), ("actions", List(&Text))]),
    ),
    ("rootcertbundle", Text),
]);

const ACCESS_RULE: Node = Group(&[
    ("users", List(&Text)),
    ("repositories", List(&Text)),
    ("actions", List(&Text)),
]);

const HTTP: Node = Group(&[
    // Lost, every address of the machine is served.
    ("addr", Guarded(&Text)),
    ("net", Guarded(&Text)),
    ("prefix", Text),
    ("host", Text),
    // Replicas share no secret: an upload is named by its id alone.
    ("secret", Harmless),
    ("relativeurls", Flag),
    ("draintimeout", Duration),
    ("tls", Gate(&TLS)),
    (
        "debug",
        Group(&[
            ("addr", Text),
            (
                "prometheus",
                Group(&[("enabled", Flag), ("path", Text), ("names", Text)]),
            ),
        ]),
    ),
    ("headers", Names(&TextOrList(&Text))),
    ("trustedproxies", List(&Text)),
    (
        "limits",
        Group(&[("connections", Number), ("peraddress", Number)]),
    ),
    ("http2", Group(&[("disabled", Flag)])),
    // Without TLS only HTTP/1.1 is spoken, which every client speaks.
    ("h2c", Harmless),
]);

const TLS: Node = Group(&[
    ("certificate", Text),
    ("key", Text),
    (
        "certificates",
        List(&Group(&[
            ("certificate", Text),
            ("key", Text),
            ("optional", Flag),
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
        Group(&[("enabled", Flag), ("interval", Duration), ("threshold", Number)]),
    ),
    ("file", Refused(NO_CHECKS)),
    ("http", Refused(NO_CHECKS)),
    ("tcp", Refused(NO_CHECKS)),
]);

const NO_CHECKS: &str = "checks of other things than the storage are not supported; remove them";

const PROXY: Node = Group(&[
    (
        "remoteurl",
        // Lost, what was a mirror would take pushes.
        Guarded(&Refused(
            "a pull-through cache is not supported; remove the proxy section to serve pushed images",
        )),
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
