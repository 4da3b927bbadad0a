//! The reference page of storm.toml and the shipped storm.toml, both made from the table of keys.

use std::fmt::Write;

use super::keys::{KEYS, SECTIONS};

/// `docs/storm.toml.md`: every key with its type, default and meaning.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# storm.toml\n\n\
         <!-- Made from the table in src/config/keys.rs: run `UPDATE_DOCS=1 cargo test --lib config::` after a change there. -->\n\n\
         Every key has a default, so an empty file is valid. An unknown key is an error that names its line.\n\
         Relative paths are taken from the folder of storm.toml. Durations are written `500ms`, `1s`, `10m`, `72h`, `21d`;\n\
         sizes `123`, `32MiB` (binary) or `1GB` (decimal). A port 0 takes a free port; the addresses in use stand in\n\
         `<state>/addresses.json`. `stormd check` reads the file and tells everything that is wrong with it.\n\
         SIGHUP reads the file again; a change of `listen`, `https`, `plain`, `[paths]`, `[workers]` or `user` needs a restart.\n",
    );
    for (section, about) in SECTIONS {
        let _ = write!(
            page,
            "\n## [{section}]\n\n{about}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
        );
        for key in KEYS.iter().filter(|key| key.section == *section) {
            let _ = writeln!(
                page,
                "| `{}` | {} | `{}` | {} |",
                key.name,
                key.kind.words().replace('|', "\\|"),
                key.default,
                key.meaning.replace('|', "\\|")
            );
        }
    }
    page
}

/// The shipped storm.toml: every key as a comment that shows its default. The demo needs no other
/// values, so nothing is switched on.
pub fn sample_file() -> String {
    let mut file = String::from(
        "# stormd. Every key below shows its default: take the \"# \" away to change one.\n\
         # docs/storm.toml.md explains types and units; `stormd check` tells what is wrong.\n",
    );
    for (section, about) in SECTIONS {
        let _ = write!(file, "\n# {about}\n[{section}]\n");
        for key in KEYS.iter().filter(|key| key.section == *section) {
            let setting = format!("# {} = {}", key.name, key.default);
            let _ = writeln!(file, "{setting:<44} # {}", key.meaning);
        }
    }
    file
}
