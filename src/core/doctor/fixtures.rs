//! A daemon in which all is well.

use crate::core::keychain::Keychain;
use crate::core::moment::Timestamp;
use crate::core::protocol::{CatalogStatus, ImdsV1, KeychainChoice, KeychainStatus, Status};

/// Its status; its version is 1.2.3.
pub(super) fn status() -> Status {
    Status {
        version: "1.2.3".into(),
        pid: 7,
        started: Timestamp(0),
        now: Timestamp(1000),
        endpoints: vec!["http://127.0.0.1:9254/".into()],
        sockets: Vec::new(),
        hardening: Vec::new(),
        imds_v1: ImdsV1 { enabled: false, requests: 0, clients: Vec::new() },
        catalog: CatalogStatus { path: "/c.toml".into(), profiles: 1, applications: 1, faults: Vec::new() },
        keychain: KeychainStatus {
            keychain: Keychain::SecretService,
            choice: KeychainChoice::Found,
            sessions: 0,
            saved: None,
            unsaved: false,
            trouble: None,
            hint: None,
            note: None,
        },
        logins: Vec::new(),
        locked: None,
        clock_ahead: None,
        projects: Vec::new(),
        search: None,
        found: Vec::new(),
        pins: Vec::new(),
        approvals: None,
        here: None,
        sts_calls: 0,
        issues: 0,
        refusals: 0,
        audit_lost: 0,
        troubles: Vec::new(),
    }
}
