//! How to mount this server on each system: one text, for the page `/.storm/help` and for
//! `stormd help mount`.

use std::fmt::Write;

use super::page::{self, PASSWORDS};
use super::text::{encode_path, escape};

/// What to mount.
#[derive(Clone, Debug)]
pub struct Address {
    /// `host:port` of the https door, without the port where it is 443.
    pub host: String,
    /// The path of a directory, not encoded: `/atlas`.
    pub path: String,
}

/// A host as an address has it: without the port of https, which needs no word.
pub fn host(name: &str, port: u16) -> String {
    let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
    if port == 443 { name } else { format!("{name}:{port}") }
}

/// What is told about one system or program.
struct Section {
    title: &'static str,
    steps: Vec<Step>,
}

enum Step {
    /// A sentence.
    Say(String),
    /// What to type or to write into a file, line by line.
    Type(String),
}

use Step::{Say, Type};

impl Address {
    /// `https://host:port/path/`.
    pub fn url(&self) -> String {
        self.with("https")
    }

    fn with(&self, scheme: &str) -> String {
        let path = encode_path(self.path.trim_end_matches('/'));
        format!("{scheme}://{}{path}/", self.host)
    }

    /// As Windows writes it: `\\host@SSL@8443\DavWWWRoot\atlas`.
    fn unc(&self) -> String {
        let (host, port) = match self.host.rsplit_once(':') {
            // Not within an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (self.host.as_str(), "443"),
        };
        let path = self.path.trim_end_matches('/').replace('/', "\\");
        format!("\\\\{host}@SSL@{port}\\DavWWWRoot{path}")
    }
}

/// The text as a page.
pub fn page(address: &Address) -> String {
    let mut out = String::new();
    page::open(&mut out, "How to mount this server");
    out.push_str("<header><h1>How to mount this server</h1></header>\n<main>\n");
    for Section { title, steps } in sections(address) {
        let _ = writeln!(out, "<h2>{}</h2>", escape(title));
        for step in steps {
            let _ = match step {
                Say(text) => writeln!(out, "<p>{}</p>", escape(&text)),
                // Line ends are to stay what they are: people copy this.
                Type(text) => {
                    let lines: Vec<String> = text.lines().map(escape).collect();
                    writeln!(out, "<pre tabindex=\"0\">{}</pre>", lines.join("\n"))
                }
            };
        }
    }
    let _ = writeln!(out, "<p><a href=\"{PASSWORDS}\">Make an app password</a></p>\n</main>");
    page::close(&mut out);
    out
}

/// The text for a terminal.
pub fn text(address: &Address) -> String {
    let mut out = String::new();
    for Section { title, steps } in sections(address) {
        let _ = writeln!(out, "{title}\n{}", "-".repeat(title.chars().count()));
        for step in steps {
            match step {
                Say(text) => wrap(&mut out, &text),
                Type(text) => {
                    for line in text.lines() {
                        let _ = writeln!(out, "{}", format!("    {line}").trim_end());
                    }
                }
            }
            out.push('\n');
        }
    }
    out
}

/// Lines that fit on a terminal.
fn wrap(out: &mut String, text: &str) {
    const WIDTH: usize = 78;
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

fn sections(address: &Address) -> Vec<Section> {
    let mut all = vec![first(address)];
    all.extend(desktops(address));
    all.extend(programs(address));
    all
}

fn first(address: &Address) -> Section {
    let (url, host) = (address.url(), &address.host);
    let steps = vec![
        Say(format!(
            "The address is {url} and every WebDAV client can use it; in place of its path the path of \
             any directory will do. Take the directory of your storage area rather than the top."
        )),
        Say(format!(
            "Desktops ask for a user name and a password. Make an app password for each of your machines: \
             open https://{host}{PASSWORDS} in a browser that has your certificate, or sign in there with \
             the user name and password that the site gave to you. It shows a user name (app-…) and a \
             password once; these two are what is called USER and PASSWORD below. You can revoke each by \
             itself, and it can be made for some directories only, or for reading only."
        )),
        Say(format!(
            "Without a browser, with a proxy or certificate: curl --cert FILE --key FILE \
             https://{host}{PASSWORDS} shows the same page; an administrator makes one with \
             `stormd app-password create`."
        )),
        Say("Your system must trust the authority that signed the server's certificate. Grid \
             authorities are not among those that systems know: import the authority's certificate into \
             the system's store first, where the address gives a warning in a browser."
            .to_owned()),
    ];
    Section { title: "First: the address, and an app password", steps }
}

fn desktops(address: &Address) -> Vec<Section> {
    let url = address.url();
    let windows = vec![
        Say("Windows refuses files above 50 MB and lists with more than about 1000 names until three \
             values in its registry are raised. Save this as storm.reg and open it, once, as \
             administrator:"
            .to_owned()),
        Type(
            "Windows Registry Editor Version 5.00\n\n\
             [HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\WebClient\\Parameters]\n\
             \"FileSizeLimitInBytes\"=dword:ffffffff\n\
             \"FileAttributesLimitInBytes\"=dword:05f5e100\n\
             \"BasicAuthLevel\"=dword:00000001"
                .to_owned(),
        ),
        Say("Or the same in a PowerShell as administrator:".to_owned()),
        Type(
            "$at = 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\WebClient\\Parameters'\n\
             Set-ItemProperty $at FileSizeLimitInBytes 0xffffffff -Type DWord\n\
             Set-ItemProperty $at FileAttributesLimitInBytes 100000000 -Type DWord\n\
             Set-ItemProperty $at BasicAuthLevel 1 -Type DWord"
                .to_owned(),
        ),
        Say("FileSizeLimitInBytes is the largest file (4 GiB less one byte is the most that Windows can), \
             FileAttributesLimitInBytes the largest list; BasicAuthLevel 1 sends passwords over https \
             alone, as it should. They count when the WebClient service starts anew:"
            .to_owned()),
        Type("net stop webclient\nnet start webclient".to_owned()),
        Say("Then, without administrator's rights:".to_owned()),
        Type(format!("net use S: {} PASSWORD /user:USER /persistent:yes", address.unc())),
        Say(format!(
            "Or in the Explorer: This PC, Map network drive, {url} with \"Connect using different \
             credentials\". For larger files, and faster, take rclone or WinSCP."
        )),
    ];
    let macos = vec![
        Say(format!(
            "In the Finder: Go, Connect to Server (Command-K), {url} and then USER and PASSWORD as a \
             registered user. In a terminal:"
        )),
        Type(format!("mkdir -p ~/storm\nmount_webdav -i {url} ~/storm")),
    ];
    let gnome = vec![
        Say("In Files: Other Locations, Connect to Server. In a terminal:".to_owned()),
        Type(format!("gio mount {}", address.with("davs"))),
        Say("It asks for USER and PASSWORD only where reading takes them. Where everybody may read, it mounts \
             without, and can't write: take rclone there."
            .to_owned()),
    ];
    let kde =
        vec![Say("In Dolphin, in the location bar:".to_owned()), Type(address.with("webdavs"))];
    let davfs = vec![
        Say("Install the package davfs2. In /etc/davfs2/secrets (mode 0600), or ~/.davfs2/secrets for a \
             user of the group davfs2:"
            .to_owned()),
        Type(format!("{url} USER PASSWORD")),
        Say("In /etc/davfs2/davfs2.conf, or ~/.davfs2/davfs2.conf; without it newer kernels say \"Invalid \
             argument\" where a directory is listed, and where directories are copied:"
            .to_owned()),
        Type("buf_size 64".to_owned()),
        Say("In /etc/fstab:".to_owned()),
        Type(format!("{url} /mnt/storm davfs user,noauto,_netdev 0 0")),
        Say("Then:".to_owned()),
        Type("mkdir -p /mnt/storm\nmount /mnt/storm".to_owned()),
    ];
    [
        ("Windows", windows),
        ("macOS", macos),
        ("GNOME", gnome),
        ("KDE", kde),
        ("Linux: davfs2", davfs),
    ]
    .into_iter()
    .map(|(title, steps)| Section { title, steps })
    .collect()
}

fn programs(address: &Address) -> Vec<Section> {
    let (url, davs) = (address.url(), address.with("davs"));
    let rclone = vec![
        Say("For every system, and the fastest. Vendor owncloud keeps times and compares checksums.".to_owned()),
        Type(format!(
            "rclone config create storm webdav url={url} vendor=owncloud user=USER pass=PASSWORD --obscure\n\
             rclone copy DIRECTORY storm:DIRECTORY\n\
             rclone mount storm: ~/storm --vfs-cache-mode writes"
        )),
    ];
    let windows = vec![Say(format!(
        "Protocol WebDAV with TLS (HTTPS), server and port {}, path {}/, and USER and PASSWORD.",
        address.host,
        address.path.trim_end_matches('/')
    ))];
    let curl = vec![
        Say("curl asks for the password; a certificate or proxy does as well (--cert, --key)."
            .to_owned()),
        Type(format!(
            "curl -u USER -T FILE {url}\n\
             curl -u USER -O {url}FILE"
        )),
    ];
    let gfal = vec![
        Say("With a proxy (voms-proxy-init), no password:".to_owned()),
        Type(format!("gfal-ls {davs}\ngfal-copy file:///tmp/FILE {davs}FILE")),
    ];
    [("rclone", rclone), ("Cyberduck, WinSCP", windows), ("curl", curl), ("gfal2", gfal)]
        .into_iter()
        .map(|(title, steps)| Section { title, steps })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, path: &str) -> Address {
        Address { host: host.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn both_forms_tell_the_same_address() {
        let at = address("se.example:8443", "/atlas/my data");
        let (page, text) = (page(&at), text(&at));
        for words in [
            "https://se.example:8443/atlas/my%20data/",
            "davs://se.example:8443/atlas/my%20data/",
            "\\\\se.example@SSL@8443\\DavWWWRoot\\atlas\\my data",
            "FileAttributesLimitInBytes",
            "https://se.example:8443/.storm/passwords",
            "vendor=owncloud",
            "buf_size 64",
        ] {
            assert!(page.contains(words) && text.contains(words), "{words}");
        }
        // What is to be copied keeps its lines, in both.
        assert!(page.contains("Version 5.00\n\n[HKEY_LOCAL_MACHINE\\"), "{page}");
        assert!(text.contains("    [HKEY_LOCAL_MACHINE\\SYSTEM"), "{text}");
        assert!(!page.contains("&#10;"));
    }

    #[test]
    fn addresses_of_windows() {
        assert_eq!(address("h", "/").unc(), "\\\\h@SSL@443\\DavWWWRoot");
        assert_eq!(address("[::1]", "/a").unc(), "\\\\[::1]@SSL@443\\DavWWWRoot\\a");
        assert_eq!(address("[::1]:8443", "/a").unc(), "\\\\[::1]@SSL@8443\\DavWWWRoot\\a");
    }
}
