//! The files of the plugin's package. `tests/plugin_install.rs` holds them against what npm would pack.

/// Each by its path in the package, with its text.
pub(super) const FILES: [(&str, &str); 18] = [
    ("package.json", include_str!("../../../plugin/package.json")),
    ("README.md", include_str!("../../../plugin/README.md")),
    ("lib/artifacts.js", include_str!("../../../plugin/lib/artifacts.js")),
    ("lib/broker.js", include_str!("../../../plugin/lib/broker.js")),
    ("lib/credentials.js", include_str!("../../../plugin/lib/credentials.js")),
    ("lib/daemon.js", include_str!("../../../plugin/lib/daemon.js")),
    ("lib/framework.js", include_str!("../../../plugin/lib/framework.js")),
    ("lib/index.js", include_str!("../../../plugin/lib/index.js")),
    ("lib/refusal.js", include_str!("../../../plugin/lib/refusal.js")),
    ("lib/report.js", include_str!("../../../plugin/lib/report.js")),
    ("lib/safeguards.js", include_str!("../../../plugin/lib/safeguards.js")),
    ("lib/schema.js", include_str!("../../../plugin/lib/schema.js")),
    ("lib/secrets.js", include_str!("../../../plugin/lib/secrets.js")),
    ("lib/service.js", include_str!("../../../plugin/lib/service.js")),
    ("lib/socket.js", include_str!("../../../plugin/lib/socket.js")),
    ("lib/status.js", include_str!("../../../plugin/lib/status.js")),
    ("lib/surroundings.js", include_str!("../../../plugin/lib/surroundings.js")),
    ("lib/template.js", include_str!("../../../plugin/lib/template.js")),
];
