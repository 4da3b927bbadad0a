//! HTTP/2 by hand (RFC 9113), for what no client library sends.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::wire::Conn;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A setting: how much of an answer we take before we say that we take more.
pub const INITIAL_WINDOW: u16 = 4;

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// A setting, as the payload of SETTINGS has it.
pub fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A header that is in no table, by RFC 7541 6.2.2; less than 127 bytes each.
pub fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut out = vec![u8::try_from(text.len()).unwrap()];
        out.extend(text.as_bytes());
        out
    };
    [vec![0], text(name), text(value)].concat()
}

/// The head of a request, as HPACK has it.
pub fn request(method: &str, path: &str) -> Vec<u8> {
    // `:scheme: https` is the seventh of the static table.
    [header(":method", method), header(":path", path), vec![0x87], header(":authority", "h")]
        .concat()
}

/// A connection that has sent its preface and its settings.
pub async fn open(config: &Arc<ClientConfig>, port: u16, settings: &[u8]) -> Conn {
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut conn = Conn::tls(&Arc::new(config), port).await.unwrap();
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend(frame(SETTINGS, 0, 0, settings));
    conn.send(&hello).await.unwrap();
    conn
}

/// A frame that came: its kind, its flags, its stream, its payload.
pub type Frame = (u8, u8, u32, Vec<u8>);

/// Frames until there are no more, or nothing comes for that long.
pub async fn frames(conn: &mut Conn, quiet: Duration) -> Vec<Frame> {
    let (mut raw, mut all) = (Vec::new(), Vec::new());
    while let Ok(Ok(more)) = tokio::time::timeout(quiet, conn.some()).await {
        if more.is_empty() {
            break;
        }
        raw.extend(more);
        while raw.len() >= 9 {
            let length = u32::from_be_bytes([0, raw[0], raw[1], raw[2]]) as usize;
            if raw.len() < 9 + length {
                break;
            }
            let stream = u32::from_be_bytes([raw[5], raw[6], raw[7], raw[8]]);
            all.push((raw[3], raw[4], stream, raw[9..9 + length].to_vec()));
            raw.drain(..9 + length);
        }
    }
    all
}
