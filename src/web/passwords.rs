//! The page on which people make, see and revoke their app passwords; no JavaScript.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::page;
use super::page::{HELP, PASSWORDS};
use super::text::{escape, utc_of_ms};
use crate::model::Person;
use crate::srm::{AppPassword, NewAppPassword};

/// What the page knows of its reader.
pub(super) struct Reader<'a> {
    /// Who it is.
    pub(super) person: &'a Person,
    /// For the forms.
    pub(super) mark: String,
    /// How long an app password lives, in days: when nothing is said, and at most.
    pub(super) days: (u64, u64),
}

/// The list of the reader's own, and the form for another; `told` is what became of the last one.
pub(super) fn own(reader: &Reader<'_>, own: &[AppPassword], told: Option<&str>) -> String {
    let mut out = begin("App passwords");
    let Person { dn, fqans, .. } = reader.person;
    let fqans: Vec<&str> = fqans.iter().map(|fqan| fqan.as_str()).collect();
    let _ = write!(out, "<p>You are <b><bdi>{}</bdi></b>", escape(dn));
    if !fqans.is_empty() {
        let _ = write!(out, " with {}", escape(&fqans.join(", ")));
    }
    let _ = writeln!(
        out,
        ".</p>\n<p class=\"note\">An app password is for a program or a machine that cannot show your \
         certificate: a mounted drive, a phone. It does what you may do, within the paths, rights and time \
         that you give it. <a href=\"{HELP}\">How to mount</a></p>"
    );
    if let Some(told) = told {
        let _ = writeln!(out, "<p role=\"alert\"><b>{}</b></p>", escape(told));
    }
    table(&mut out, reader, own);
    form(&mut out, reader);
    end(out)
}

/// What was made; shown this once.
pub(super) fn made(new: &NewAppPassword) -> String {
    let NewAppPassword { about, password } = new;
    let mut out = begin("Your new app password");
    let _ = writeln!(
        out,
        "<p role=\"status\">Copy both now: the password is not shown again.</p>\n\
         <table class=\"card\"><tbody>\n\
         <tr><th scope=\"row\">User name</th><td><code id=\"user\">{}</code></td></tr>\n\
         <tr><th scope=\"row\">Password</th><td><code id=\"password\">{}</code></td></tr>\n\
         <tr><th scope=\"row\">Name</th><td><bdi>{}</bdi></td></tr>\n\
         <tr><th scope=\"row\">For</th><td>{}</td></tr>\n\
         <tr><th scope=\"row\">Ends (UTC)</th><td>{}</td></tr>\n\
         </tbody></table>\n\
         <p><a href=\"{HELP}\">How to mount with it</a> · <a href=\"{PASSWORDS}\">Your app passwords</a></p>",
        escape(&about.user),
        escape(password),
        escape(&about.name),
        what_for(about),
        utc_of_ms(about.ends_ms),
    );
    end(out)
}

/// Why the reader sees none of it.
pub(super) fn refused(why: &str) -> String {
    let mut out = begin("App passwords");
    let _ = writeln!(
        out,
        "<p role=\"alert\">{}</p>\n<p><a href=\"{HELP}\">How to mount this server</a></p>",
        escape(why)
    );
    end(out)
}

fn begin(title: &str) -> String {
    let mut out = String::new();
    page::open(&mut out, title);
    let _ = writeln!(out, "<header><h1>{title}</h1></header>\n<main>");
    out
}

fn end(mut out: String) -> String {
    out.push_str("</main>\n");
    page::close(&mut out);
    out
}

fn table(out: &mut String, reader: &Reader<'_>, own: &[AppPassword]) {
    if own.is_empty() {
        out.push_str("<p>You have none.</p>\n");
        return;
    }
    out.push_str(
        "<div class=\"card wide\"><table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">User name</th>\
         <th scope=\"col\">For</th><th scope=\"col\">Ends (UTC)</th><th scope=\"col\">Last used</th><td></td>\
         </tr></thead>\n<tbody>\n",
    );
    for one in own {
        let used = one.used_ms.map_or_else(|| "never".to_owned(), utc_of_ms);
        let over = at(one.ends_ms) <= SystemTime::now();
        let _ = writeln!(
            out,
            "<tr><td><bdi>{name}</bdi></td><td><code>{user}</code></td><td>{what}</td>\
             <td>{ends}{over}</td><td>{used}</td>\
             <td><form method=\"post\" action=\"{PASSWORDS}\">{hidden}\
             <input type=\"hidden\" name=\"user\" value=\"{user}\">\
             <button name=\"do\" value=\"revoke\" aria-label=\"Revoke {name}\">Revoke</button></form></td></tr>",
            name = escape(&one.name),
            user = escape(&one.user),
            what = what_for(one),
            ends = utc_of_ms(one.ends_ms),
            over = if over { " (over)" } else { "" },
            hidden = mark(reader),
        );
    }
    out.push_str("</tbody>\n</table></div>\n");
}

fn form(out: &mut String, reader: &Reader<'_>) {
    let (days, most) = reader.days;
    if most == 0 {
        out.push_str("<p>This site gives no new ones.</p>\n");
        return;
    }
    let _ = writeln!(
        out,
        "<h2>Make one</h2>\n<form method=\"post\" action=\"{PASSWORDS}\">{}\n\
         <p><label for=\"name\">Name, for you to know it by</label>\n\
         <input id=\"name\" name=\"name\" required maxlength=\"64\" placeholder=\"laptop\"></p>\n\
         <p><label for=\"paths\">Directories that it is for, one a line; none: all that you may use</label>\n\
         <textarea id=\"paths\" name=\"paths\" rows=\"3\" placeholder=\"/atlas/alice\"></textarea></p>\n\
         <p><label for=\"rights\">To</label>\n\
         <select id=\"rights\" name=\"rights\"><option value=\"read\">read</option>\
         <option value=\"write\">read and write</option></select></p>\n\
         <p><label for=\"days\">Days until its end, at most {most}</label>\n\
         <input id=\"days\" name=\"days\" type=\"number\" min=\"1\" max=\"{most}\" value=\"{days}\"></p>\n\
         <p><button class=\"main\" name=\"do\" value=\"create\">Make app password</button></p>\n</form>",
        mark(reader)
    );
}

fn mark(reader: &Reader<'_>) -> String {
    format!("<input type=\"hidden\" name=\"mark\" value=\"{}\">", escape(&reader.mark))
}

fn what_for(one: &AppPassword) -> String {
    let rights = if one.write { "read and write" } else { "read" };
    let paths: Vec<String> =
        one.paths.iter().map(|path| format!("<bdi>{}</bdi>", escape(path))).collect();
    match paths.is_empty() {
        true => format!("{rights} everything"),
        false => format!("{rights} {}", paths.join(", ")),
    }
}

fn at(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProxyKind;

    fn one(name: &str) -> AppPassword {
        AppPassword {
            user: "app-abcdefgh".to_owned(),
            name: name.to_owned(),
            dn: "/CN=u".to_owned(),
            fqans: Vec::new(),
            paths: vec!["/vo/<b>".to_owned()],
            write: true,
            made_ms: 0,
            ends_ms: 784_111_777_000,
            used_ms: None,
        }
    }

    #[test]
    fn hostile_names_are_harmless_and_each_form_bears_the_mark() {
        let person = Person {
            dn: "/CN=<script>".to_owned(),
            fqans: Vec::new(),
            not_after: UNIX_EPOCH,
            proxy: ProxyKind::EndEntity,
            notes: Vec::new(),
            scope: None,
        };
        let reader = Reader { person: &person, mark: "MARK".to_owned(), days: (90, 365) };
        let page = own(&reader, &[one("\"><script>x")], Some("<img>"));
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("/vo/<b>"));
        assert_eq!(page.matches("<form ").count(), page.matches("value=\"MARK\"").count());
        assert!(page.contains("1994-11-06 08:49:37 (over)"), "{page}");
        let made = made(&NewAppPassword { about: one("x"), password: "p-q".to_owned() });
        assert!(made.contains("<code id=\"password\">p-q</code>"), "{made}");
    }
}
