//! What may stand in namespace.xml, version 1.5.0: elements with their order and number, attributes,
//! and values. A table; [`super::reader`] holds a file against it.

/// An element that may stand there.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) attributes: &'static [Attribute],
    pub(super) content: Content,
    /// `xsi:nil="true"` stands for "not given".
    pub(super) nillable: bool,
}

/// An attribute that may stand there.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) value: Value,
}

/// What is inside an element.
#[derive(Debug)]
pub(super) enum Content {
    /// A text of that kind.
    Text(Value),
    /// Elements in this order.
    Sequence(&'static [Child]),
    /// Exactly one of these elements.
    Choice(&'static [&'static Element]),
    Nothing,
}

/// An element in a sequence, and how often.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) element: &'static Element,
    pub(super) min: usize,
    pub(super) max: usize,
}

/// A kind of value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// Any text, even none.
    Any,
    /// Any text but an empty one.
    Text,
    OneOf(&'static [&'static str]),
    /// A name without white space (XML's NMTOKEN).
    Name,
    /// Between the two, both included.
    Integer(i64, i64),
    /// `true`, `false`, `1`, `0`.
    Boolean,
}

impl Value {
    /// What is wrong with a text, in words.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        let fine = match self {
            Value::Any => true,
            Value::Text => !text.is_empty(),
            Value::OneOf(words) => words.contains(&text),
            Value::Name => {
                !text.is_empty()
                    && text
                        .chars()
                        .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))
            }
            Value::Integer(least, most) => {
                text.parse::<i64>().is_ok_and(|number| (least..=most).contains(&number))
            }
            Value::Boolean => matches!(text, "true" | "false" | "1" | "0"),
        };
        if fine {
            return Ok(());
        }
        let found: String = text.chars().take(80).collect();
        Err(format!("expected {}, found {found:?}", self.words()))
    }

    fn words(self) -> String {
        match self {
            Value::Any => "a text".to_owned(),
            Value::Text => "a text that is not empty".to_owned(),
            Value::OneOf([word]) => format!("{word:?}"),
            Value::OneOf(words) => format!("one of {}", words.join(", ")),
            Value::Name => "a name of letters, digits and . - _ :".to_owned(),
            Value::Integer(i64::MIN, i64::MAX) => "a whole number".to_owned(),
            Value::Integer(least, i64::MAX) => format!("a whole number from {least}"),
            Value::Integer(least, most) => format!("a whole number from {least} to {most}"),
            Value::Boolean => "true or false".to_owned(),
        }
    }
}

const fn text(name: &'static str, value: Value) -> Element {
    Element { name, attributes: &[], content: Content::Text(value), nillable: false }
}

const fn sequence(name: &'static str, children: &'static [Child]) -> Element {
    Element { name, attributes: &[], content: Content::Sequence(children), nillable: false }
}

impl Element {
    const fn with(self, attributes: &'static [Attribute]) -> Element {
        Element { attributes, ..self }
    }
}

const fn required(name: &'static str, value: Value) -> Attribute {
    Attribute { name, required: true, value }
}

const fn optional(name: &'static str, value: Value) -> Attribute {
    Attribute { name, required: false, value }
}

const fn one(element: &'static Element) -> Child {
    Child { element, min: 1, max: 1 }
}

const fn maybe(element: &'static Element) -> Child {
    Child { element, min: 0, max: 1 }
}

const fn some(element: &'static Element) -> Child {
    Child { element, min: 1, max: usize::MAX }
}

const fn any(element: &'static Element) -> Child {
    Child { element, min: 0, max: usize::MAX }
}

const PROTOCOLS: Value =
    Value::OneOf(&["file", "gsiftp", "rfio", "root", "xroot", "http", "https"]);
const UNITS: Value = Value::OneOf(&["Byte", "KB", "MB", "GB", "TB"]);
const INTEGER: Value = Value::Integer(i64::MIN, i64::MAX);
const NATURAL: Value = Value::Integer(0, i64::MAX);
const NAMED: &[Attribute] = &[required("name", Value::Name)];

pub(super) static NAMESPACE: Element =
    sequence("namespace", &[one(&FILESYSTEMS), one(&MAPPING_RULES), one(&APPROACHABLE_RULES)])
        .with(&[required("version", Value::Text)]);

static FILESYSTEMS: Element = sequence("filesystems", &[some(&FILESYSTEM)]);

static FILESYSTEM: Element = sequence(
    "filesystem",
    &[
        maybe(&TOKEN_DESCRIPTION),
        maybe(&STORAGE_CLASS),
        one(&ROOT),
        one(&FILESYSTEM_DRIVER),
        one(&SPACESYSTEM_DRIVER),
        one(&AREA_AUTHZ),
        one(&PROPERTIES),
        one(&CAPABILITIES),
        maybe(&DEFAULTS_VALUES),
    ],
)
.with(&[
    required("name", Value::Name),
    required("fs_type", Value::OneOf(&["ext3", "gpfs", "xfs"])),
]);

static TOKEN_DESCRIPTION: Element = text("space-token-description", Value::Text);
static STORAGE_CLASS: Element = Element {
    nillable: true,
    ..text("storage-class", Value::OneOf(&["T0D0", "T0D1", "T1D1", "T1D0"]))
};
static ROOT: Element = text("root", Value::Text);
static FILESYSTEM_DRIVER: Element = text(
    "filesystem-driver",
    Value::OneOf(&[
        "it.grid.storm.filesystem.swig.posixfs",
        "it.grid.storm.filesystem.swig.gpfs",
        "it.grid.storm.filesystem.swig.gpfs23",
        "it.grid.storm.filesystem.swig.xfs",
        "it.grid.storm.filesystem.swig.test",
    ]),
);
static SPACESYSTEM_DRIVER: Element = text(
    "spacesystem-driver",
    Value::OneOf(&[
        "it.grid.storm.filesystem.GPFSSpaceSystem",
        "it.grid.storm.filesystem.MockSpaceSystem",
        "it.grid.storm.filesystem.XFSSpaceSystem",
    ]),
);
static AREA_AUTHZ: Element = Element {
    name: "storage-area-authz",
    attributes: &[],
    content: Content::Choice(&[&FIXED, &AUTHZ_DB]),
    nillable: false,
};
static FIXED: Element = text("fixed", Value::OneOf(&["permit-all", "deny-all"]));
static AUTHZ_DB: Element = text("authz-db", Value::Text);

static PROPERTIES: Element = sequence(
    "properties",
    &[
        one(&RETENTION_POLICY),
        one(&ACCESS_LATENCY),
        one(&EXPIRATION_MODE),
        one(&TOTAL_ONLINE),
        one(&TOTAL_NEARLINE),
    ],
);
static RETENTION_POLICY: Element =
    text("RetentionPolicy", Value::OneOf(&["custodial", "output", "replica"]));
static ACCESS_LATENCY: Element =
    text("AccessLatency", Value::OneOf(&["online", "nearline", "offline"]));
static EXPIRATION_MODE: Element =
    text("ExpirationMode", Value::OneOf(&["neverExpire", "warnWhenExpire", "releaseWhenExpire"]));
static TOTAL_ONLINE: Element = text("TotalOnlineSize", NATURAL)
    .with(&[optional("unit", UNITS), required("limited-size", Value::Boolean)]);
static TOTAL_NEARLINE: Element =
    text("TotalNearlineSize", NATURAL).with(&[optional("unit", UNITS)]);

static CAPABILITIES: Element = sequence(
    "capabilities",
    &[one(&ACL_MODE), maybe(&DEFAULT_ACL), maybe(&QUOTA), one(&TRANS_PROT), any(&POOL)],
);
static ACL_MODE: Element = text("aclMode", Value::OneOf(&["AoT", "JiT"]));
static DEFAULT_ACL: Element = sequence("default-acl", &[some(&ACL_ENTRY)]);
static ACL_ENTRY: Element = sequence("acl-entry", &[one(&GROUP_NAME), one(&PERMISSIONS)]);
static GROUP_NAME: Element = text("groupName", Value::Text);
static PERMISSIONS: Element = text("permissions", Value::OneOf(&["R", "W", "RW"]));
static QUOTA: Element = sequence("quota", &[one(&DEVICE), some(&QUOTA_ELEMENT)])
    .with(&[required("enabled", Value::Boolean)]);
static DEVICE: Element = text("device", Value::Any);
static QUOTA_ELEMENT: Element = Element {
    name: "quotaElement",
    attributes: &[optional("name", Value::Any)],
    content: Content::Choice(&[&FILESET_NAME, &GROUP_NAME, &USER_NAME]),
    nillable: false,
};
static FILESET_NAME: Element = text("filesetName", Value::Any);
static USER_NAME: Element = text("userName", Value::Any);
static TRANS_PROT: Element = sequence("trans-prot", &[some(&PROT)]);
static PROT: Element = sequence("prot", &[maybe(&ID), one(&SCHEMA), maybe(&HOST), maybe(&PORT)])
    .with(&[required("name", PROTOCOLS)]);
static ID: Element = text("id", INTEGER);
static SCHEMA: Element = text("schema", PROTOCOLS);
static HOST: Element = text("host", Value::Any);
static PORT: Element = text("port", Value::Integer(1, 65534));
static POOL: Element = sequence("pool", &[one(&BALANCE_STRATEGY), one(&MEMBERS)]);
static BALANCE_STRATEGY: Element =
    text("balance-strategy", Value::OneOf(&["round-robin", "random", "weight", "smart-rr"]));
static MEMBERS: Element = sequence("members", &[some(&MEMBER)]);
static MEMBER: Element =
    sequence("member", &[maybe(&WEIGHT)]).with(&[required("member-id", INTEGER)]);
static WEIGHT: Element = text("weight", Value::Integer(1, 1_000_000));

static DEFAULTS_VALUES: Element = sequence("defaults-values", &[one(&SPACE), one(&FILE)]);
static SPACE: Element =
    Element { name: "space", attributes: &[], content: Content::Nothing, nillable: false }.with(&[
        required("lifetime", INTEGER),
        required("type", Value::Any),
        required("guarsize", NATURAL),
        required("totalsize", NATURAL),
    ]);
static FILE: Element =
    Element { name: "file", attributes: &[], content: Content::Nothing, nillable: false }
        .with(&[required("lifetime", INTEGER), required("type", Value::Any)]);

static MAPPING_RULES: Element = sequence("mapping-rules", &[some(&MAP_RULE)]);
static MAP_RULE: Element = sequence("map-rule", &[one(&STFN_ROOT), one(&MAPPED_FS)]).with(NAMED);
static STFN_ROOT: Element = text("stfn-root", Value::Text);
static MAPPED_FS: Element = text("mapped-fs", Value::Text);

static APPROACHABLE_RULES: Element = sequence("approachable-rules", &[some(&APP_RULE)]);
static APP_RULE: Element = sequence(
    "app-rule",
    &[one(&SUBJECTS), one(&APPROACHABLE_FS), maybe(&SPACE_REL_PATH), maybe(&ANONYMOUS_HTTP_READ)],
)
.with(NAMED);
static SUBJECTS: Element = sequence("subjects", &[one(&DN), maybe(&VO_NAME)]);
static DN: Element = text("dn", Value::Text);
static VO_NAME: Element = text("vo-name", Value::Text);
static APPROACHABLE_FS: Element = text("approachable-fs", Value::Text);
static SPACE_REL_PATH: Element = text("space-rel-path", Value::Any);
static ANONYMOUS_HTTP_READ: Element = text("anonymous-http-read", Value::OneOf(&["true", "false"]));
