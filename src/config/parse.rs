//! storm.toml -> [`Config`]. Every problem is found in one go, each with its line.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{KEYS, Key, Kind, SECTIONS, blank};
use super::values::{nearest, parse_duration, parse_size};
use super::{
    Config, CrlMode, MapEntry, MappingMode, NamespacesMode, Problem, Severity, WorkerPool,
};
use crate::model::{Algorithm, OverwriteMode};

/// Largest storm.toml that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Most threads of one kind.
const MAX_THREADS: usize = 1024;

/// Lines of the keys that the file names.
pub(super) type Lines = HashMap<(&'static str, &'static str), usize>;

impl Config {
    /// Reads and checks a file. An empty one is valid. Otherwise all problems of the file, by line.
    pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
        let (config, problems) = Config::inspect(path);
        config.filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// For whoever wants to look further in spite of problems: keys with an error have their
    /// default. `None` where the file cannot be read or is no TOML.
    pub fn inspect(path: &Path) -> (Option<Config>, Vec<Problem>) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        match read_bounded(&path) {
            Ok(text) => {
                let (config, problems) = read(&text, &path);
                let toml = DeTable::parse(&text).is_ok();
                (toml.then_some(config), problems)
            }
            Err(text) => {
                (None, vec![Problem { file: path, line: None, text, severity: Severity::Error }])
            }
        }
    }

    /// As [`Config::load`], of a text; `path` is the file it stands for: relative paths are taken
    /// from its folder.
    pub fn parse(text: &str, path: &Path) -> Result<Config, Vec<Problem>> {
        let (config, problems) = read(text, path);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// What an empty file in `folder` means.
    pub fn defaults(folder: &Path) -> Config {
        let mut reader = Reader {
            source: "",
            file: folder,
            folder,
            config: blank(),
            lines: Lines::new(),
            problems: Vec::new(),
        };
        reader.defaults();
        reader.config
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE {
        return Err(format!("is larger than {MAX_FILE} bytes"));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn read(text: &str, path: &Path) -> (Config, Vec<Problem>) {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut reader = Reader {
        source: text,
        file: path,
        folder,
        config: blank(),
        lines: Lines::new(),
        problems: Vec::new(),
    };
    reader.defaults();
    reader.document();
    reader.certificate_pair();
    for (keys, complaint) in reader.config.contradictions() {
        let line = keys.iter().find_map(|key| reader.lines.get(key)).copied();
        reader.tell(line, complaint);
    }
    reader.problems.sort_by_key(|problem| problem.line);
    (reader.config, reader.problems)
}

struct Reader<'a> {
    source: &'a str,
    file: &'a Path,
    folder: &'a Path,
    config: Config,
    lines: Lines,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn tell(&mut self, line: Option<usize>, text: String) {
        let file = self.file.to_owned();
        self.problems.push(Problem { file, line, text, severity: Severity::Error });
    }

    fn tell_at(&mut self, span: Range<usize>, text: String) {
        let line = self.line(span.start);
        self.tell(Some(line), text);
    }

    fn line(&self, offset: usize) -> usize {
        line_of(self.source, offset)
    }

    fn defaults(&mut self) {
        for key in KEYS {
            let set = DeValue::parse(key.default)
                .map_err(|error| error.message().to_owned())
                .and_then(|value| self.set(key, value.get_ref()));
            if let Err(error) = set {
                // Only a slip in our own table leads here; a test looks at every default.
                self.tell(None, format!("default of {}.{}: {error}", key.section, key.name));
            }
        }
    }

    fn document(&mut self) {
        let (document, errors) = DeTable::parse_recoverable(self.source);
        for error in errors {
            let line = error.span().map(|span| self.line(span.start));
            self.tell(line, format!("not valid TOML: {}", error.message()));
        }
        let mut sections: Vec<_> = document.get_ref().iter().collect();
        sections.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in sections {
            let known = SECTIONS.iter().find(|(section, _)| *section == name.get_ref().as_ref());
            match (known, value.get_ref()) {
                (Some((section, _)), DeValue::Table(table)) => self.section(section, table),
                (Some((section, _)), other) => self.tell_at(
                    name.span(),
                    format!("{section}: expected a table [{section}], found {}", show(other)),
                ),
                (None, value) => {
                    let text = unknown_section(name.get_ref(), value);
                    self.tell_at(name.span(), text);
                }
            }
        }
    }

    fn section(&mut self, section: &'static str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let word: &str = name.get_ref();
            match KEYS.iter().find(|key| key.section == section && key.name == word) {
                Some(key) => {
                    let line = self.line(name.span().start);
                    self.lines.insert((key.section, key.name), line);
                    self.value(key, value);
                }
                None => self.tell_at(name.span(), unknown_key(section, word)),
            }
        }
    }

    fn value(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) {
        if let Err(error) = self.set(key, value.get_ref()) {
            let text = format!("{}.{}: {error}", key.section, key.name);
            self.tell_at(value.span(), text);
        }
    }

    fn set(&mut self, key: &Key, value: &DeValue<'_>) -> Result<(), String> {
        let wrong = || format!("expected {}, found {}", key.kind.words(), show(value));
        let text = || value.as_str().ok_or_else(wrong);
        let whole = |text: &str| {
            if text.contains('\0') { Err(wrong()) } else { Ok(text.to_owned()) }
        };
        let (folder, source) = (self.folder, self.source);
        let path = |text: &str| match whole(text)?.as_str() {
            "" => Err("expected a path, found an empty text".to_owned()),
            path => Ok(folder.join(path)),
        };
        let address = |text: &str| text.parse::<SocketAddr>().map_err(|_| wrong());
        let config = &mut self.config;
        match &key.kind {
            Kind::Text(field) => *field(config) = whole(text()?)?,
            Kind::TextList(field) => {
                let list = value.as_array().ok_or_else(wrong)?;
                let items = list.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
                *field(config) = items.collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
            }
            Kind::Path(field) => *field(config) = path(text()?)?,
            Kind::NamedFile(field) => *field(config) = named_file(text()?, path)?,
            Kind::Address(field) => *field(config) = address(text()?)?,
            Kind::AddressOrOff(field) => {
                *field(config) = match text()? {
                    "" => None,
                    text => Some(address(text)?),
                };
            }
            Kind::Flag(field) => *field(config) = value.as_bool().ok_or_else(wrong)?,
            Kind::Duration(field) => {
                *field(config) = parse_duration(text()?).ok_or_else(wrong)?;
            }
            Kind::Size(field) => {
                let size = match value {
                    DeValue::Integer(_) => integer(value).and_then(|n| u64::try_from(n).ok()),
                    _ => value.as_str().and_then(parse_size),
                };
                *field(config) = size.ok_or_else(wrong)?;
            }
            Kind::Count(field) => *field(config) = count(value).ok_or_else(wrong)?,
            Kind::Checksums(field) => {
                let list = value.as_array().ok_or_else(wrong)?;
                let items = list.iter().map(|item| Algorithm::parse(item.get_ref().as_str()?));
                *field(config) = items.collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
            }
            Kind::Overwrite(field) => {
                *field(config) = OverwriteMode::parse(text()?).ok_or_else(wrong)?;
            }
            Kind::Crl(field) => *field(config) = CrlMode::parse(text()?).ok_or_else(wrong)?,
            Kind::Namespaces(field) => {
                *field(config) = NamespacesMode::parse(text()?).ok_or_else(wrong)?;
            }
            Kind::Mapping(field) => {
                *field(config) = MappingMode::parse(text()?).ok_or_else(wrong)?;
            }
            Kind::Map(field) => {
                let mut entries: Vec<_> = value.as_table().ok_or_else(wrong)?.iter().collect();
                entries.sort_by_key(|(subject, _)| subject.span().start);
                let entry =
                    |(subject, account): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                        Some(MapEntry {
                            line: line_of(source, subject.span().start),
                            subject: subject.get_ref().to_string(),
                            account: account.get_ref().as_str()?.to_owned(),
                        })
                    };
                *field(config) =
                    entries.into_iter().map(entry).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
            }
            Kind::Pool(field) => {
                let table = value.as_table().ok_or_else(wrong)?;
                let pool = field(config);
                for (name, value) in table.iter() {
                    fill_pool(pool, name.get_ref(), value.get_ref())?;
                }
            }
        }
        Ok(())
    }

    /// Whoever names one of the two means the other by its usual name, beside storm.toml.
    fn certificate_pair(&mut self) {
        let named = |slot: &Option<PathBuf>| slot.is_some();
        let (certificate, key) = (named(&self.config.tls.certificate), named(&self.config.tls.key));
        let (missing, other, file) = match (certificate, key) {
            (true, false) => ("key", "certificate", "hostkey.pem"),
            (false, true) => ("certificate", "key", "hostcert.pem"),
            _ => return,
        };
        let path = self.folder.join(file);
        if !path.is_file() {
            // A bad value of the other key was told already.
            if !self.lines.contains_key(&("tls", missing)) {
                let line = self.lines.get(&("tls", other)).copied();
                self.tell(
                    line,
                    format!("tls.{other} is named, but tls.{missing} is not: name both"),
                );
            }
            return;
        }
        match missing {
            "key" => self.config.tls.key = Some(path),
            _ => self.config.tls.certificate = Some(path),
        }
    }
}

fn line_of(source: &str, offset: usize) -> usize {
    let before = source.as_bytes().get(..offset).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn named_file(
    text: &str,
    path: impl Fn(&str) -> Result<PathBuf, String>,
) -> Result<Option<PathBuf>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let path = path(text)?;
    if path.is_file() {
        return Ok(Some(path));
    }
    Err(format!(
        "there is no file {}: put it there, or take the line out to use a demo certificate",
        path.display()
    ))
}

fn fill_pool(pool: &mut WorkerPool, name: &str, value: &DeValue<'_>) -> Result<(), String> {
    let (field, most) = match name {
        "threads" => (&mut pool.threads, MAX_THREADS),
        "queue" => (&mut pool.queue, 10_000_000),
        other => return Err(format!("unknown key {other:?}: expected threads and queue")),
    };
    match count(value) {
        Some(number) if number <= most => *field = number,
        _ => return Err(format!("{name}: expected 1 to {most}, found {}", show(value))),
    }
    Ok(())
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn count(value: &DeValue<'_>) -> Option<usize> {
    integer(value).and_then(|n| usize::try_from(n).ok()).filter(|n| *n >= 1)
}

fn unknown_section(word: &str, value: &DeValue<'_>) -> String {
    if value.is_table() {
        return match nearest(word, SECTIONS.iter().map(|(section, _)| *section)) {
            Some(near) => format!("unknown section [{word}]: did you mean [{near}]?"),
            None => {
                let all: Vec<_> = SECTIONS.iter().map(|(section, _)| *section).collect();
                format!("unknown section [{word}]: expected one of {}", all.join(", "))
            }
        };
    }
    match KEYS.iter().find(|key| key.name == word) {
        Some(key) => {
            format!("unknown key {word:?} outside a section: it belongs below [{}]", key.section)
        }
        None => format!("unknown key {word:?} outside a section"),
    }
}

fn unknown_key(section: &str, word: &str) -> String {
    let here = || KEYS.iter().filter(|key| key.section == section).map(|key| key.name);
    if let Some(near) = nearest(word, here()) {
        return format!("unknown key {section}.{word}: did you mean {near}?");
    }
    if let Some(key) = KEYS.iter().find(|key| key.name == word) {
        return format!("unknown key {section}.{word}: it belongs below [{}]", key.section);
    }
    let all: Vec<_> = here().collect();
    format!("unknown key {section}.{word}: expected one of {}", all.join(", "))
}

/// A value as an error text shows it, cut to one short line.
fn show(value: &DeValue<'_>) -> String {
    let text = match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
