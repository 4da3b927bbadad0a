//! Configuration, namespace and policy, read and checked together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::auth::area_authz::AreaAcl;
use crate::auth::path_authz::PathAuthz;
use crate::config::{Config, Problem, Severity};
use crate::fsdriver::{Driver, Posix};
use crate::namespace::{AreaAuthz, Namespace, Ports};
use crate::srm::{Policy, Site};

/// Reads namespace.xml, path-authz.db and the areas' authz-db files. All errors at once; warnings
/// beside the value.
pub(super) fn site(
    config: &Arc<Config>,
    ports: Ports,
) -> Result<(Site, Vec<Problem>), Vec<Problem>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let namespace = match Namespace::load(&config.paths.namespace, config, &open_driver) {
        Ok((namespace, told)) => {
            warnings.extend(told);
            Some(namespace.with_ports(ports))
        }
        Err(told) => {
            errors.extend(told);
            None
        }
    };
    let path_authz = match PathAuthz::load(&config.auth.path_authz) {
        Ok(path_authz) => {
            warnings.extend(path_authz.warnings().iter().cloned());
            Some(path_authz)
        }
        Err(told) => {
            errors.extend(told);
            None
        }
    };
    let mut area_authz = HashMap::new();
    for area in namespace.iter().flat_map(|namespace| namespace.areas()) {
        let AreaAuthz::Db(file) = &area.authz else { continue };
        let acl = AreaAcl::load(file).unwrap_or_else(|told| {
            // A file that is missing or broken denies; it does not keep the other areas away.
            warnings.extend(told.into_iter().map(|problem| Problem {
                text: format!("{}; storage area {} is closed", problem.text, area.name),
                ..problem
            }));
            AreaAcl::deny_all()
        });
        area_authz.insert(Arc::clone(&area.name), acl);
    }
    match (namespace, path_authz) {
        (Some(namespace), Some(path_authz)) if errors.is_empty() => {
            let policy = Policy { path_authz, area_authz };
            let namespace = Arc::new(namespace);
            Ok((Site { config: Arc::clone(config), namespace, policy }, warnings))
        }
        _ => {
            errors.extend(warnings);
            Err(errors)
        }
    }
}

fn open_driver(root: &Path, others: &[PathBuf]) -> Result<Arc<dyn Driver>, String> {
    let driver = Posix::open(root, others.to_vec()).map_err(|error| error.to_string())?;
    driver
        .check_attributes()
        .map_err(|error| format!("extended attributes (user.*) can't be written: {error}"))?;
    Ok(Arc::new(driver))
}

/// `stormd check`: every problem of storm.toml, namespace.xml and the authorisation files.
pub fn check(config_path: &Path) -> Vec<Problem> {
    let config = match Config::load(config_path) {
        Ok(config) => Arc::new(config),
        Err(problems) => return problems,
    };
    let mut problems = match site(&config, Ports::of(&config)) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    // What only denies while it runs is an error to whoever asks.
    for problem in &mut problems {
        if problem.text.ends_with("is closed") {
            problem.severity = Severity::Error;
        }
    }
    problems
}

/// One problem a line.
pub fn problems_text(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
